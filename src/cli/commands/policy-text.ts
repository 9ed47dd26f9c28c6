/** Policies as they are given on the command line: checked before anything is asked or created. */
import { parsePolicy } from '../../trust/light.ts';

/** Gives the text back when it is a policy. Throws `invalid` with the place where it breaks. */
export function checkPolicyText(expression: string | undefined): string | undefined {
  if (expression !== undefined) parsePolicy(expression);
  return expression;
}
