/** Policies as they are given on the command line: checked before anything is asked or created. */
import { parsePolicy } from '../../trust/light.ts';
import { asUsage } from '../exit.ts';

/** Gives the text back when it is a policy. Throws a usage error with the place where it breaks. */
export function checkPolicyText(expression: string | undefined): string | undefined {
  if (expression !== undefined) asUsage(() => parsePolicy(expression));
  return expression;
}
