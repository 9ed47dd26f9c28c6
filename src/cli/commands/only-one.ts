/** What a command deletes when its user named nothing: the only one there is, and never a guess among several. */
import { usageError } from '../exit.ts';

/** The only name of a list that has at least one. Throws a usage error that lists the names when there are several. */
export function onlyOne(names: readonly string[], plural: string): string {
  const [first = '', ...others] = names;
  if (others.length > 0)
    throw usageError(
      `There are ${names.length} ${plural}: ${names.join(', ')}`,
      'Name one, or --all',
    );
  return first;
}
