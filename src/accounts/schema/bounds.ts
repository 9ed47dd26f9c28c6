/**
 * How long a trait may be before anything is held against it. Pure. Traits are anybody's: a registration needs no account,
 * and each keyword of a schema (a pattern, a format, `uniqueItems`) costs time for every character or item.
 */
import type { Json } from '../account.ts';
import { isFlatEnough } from '../outgoing/nesting.ts';
import { INVALID } from '../ui/message.ts';
import type { Leaf } from './leaf.ts';
import type { TraitProblem } from './trait-problem.ts';

/** Of a text for which the schema has no `maxLength`, in characters. */
export const TRAIT_LENGTH_MAX = 4_096;
/**
 * Of a text that signs somebody in or is an address, in UTF-16 units; Kratos keeps 255 of them. Addresses of mail have 254
 * (RFC 5321 section 4.5.3.1.3).
 */
export const NAME_LENGTH_MAX = 1_024;
/** Of a text with a `format`: some of their expressions take time in the square of the length. */
const FORMATTED_LENGTH_MAX = 2_048;
/** Of a list for which the schema has no `maxItems`: `uniqueItems` compares each with each. */
const ITEMS_MAX = 1_000;
/** Problems that are told; there is nothing to learn from more of them. */
const PROBLEMS_MAX = 20;

/** Whether a text has at most so many characters; long ones are not counted to the end. */
export function isInBounds(text: string, max: number): boolean {
  return text.length <= max || (text.length <= 2 * max && [...text].length <= max);
}

function limitOf(leaf: Leaf | undefined): number {
  if (leaf === undefined) return TRAIT_LENGTH_MAX;
  const { maxLength, format } = leaf.schema;
  const own = typeof maxLength === 'number' ? maxLength : TRAIT_LENGTH_MAX;
  if (leaf.isName) return Math.min(own, NAME_LENGTH_MAX);
  return typeof format === 'string' ? Math.min(own, FORMATTED_LENGTH_MAX) : own;
}

/** The traits that are too long, with the nodes that they belong to. */
export function lengthProblems(traits: Json, leaves: readonly Leaf[]): TraitProblem[] {
  if (!isFlatEnough(traits))
    return [{ node: 'traits', message: INVALID.generic('is nested too deeply') }];
  const byPath = new Map(leaves.map((leaf) => [leaf.path.join('.'), leaf]));
  const found: TraitProblem[] = [];
  const waiting: { value: Json; node: string; path: string }[] = [
    { value: traits, node: 'traits', path: '' },
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, node, path } = next;
    if (found.length === PROBLEMS_MAX) break;
    const push = (child: Json, name: string, step: string): void => {
      waiting.push({
        value: child,
        node: `${node}.${name}`,
        path: path === '' ? step : `${path}.${step}`,
      });
    };
    if (typeof value === 'string') {
      const limit = limitOf(byPath.get(path));
      if (!isInBounds(value, limit))
        found.push({ node, message: INVALID.tooLong([...value].length, limit) });
    } else if (Array.isArray(value)) {
      if (value.length > ITEMS_MAX)
        found.push({
          node,
          message: INVALID.generic(`has more than ${ITEMS_MAX} items: ${value.length}`),
        });
      else for (const [at, item] of value.entries()) push(item, String(at), '*');
    } else if (typeof value === 'object' && value !== null)
      for (const [name, child] of Object.entries(value)) push(child, name, name);
  }
  return found;
}
