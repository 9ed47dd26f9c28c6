/** What names take in memory: an estimate from the layout of strings in V8, for the memory budget. Never exact. */

/** Map, length and hash of a string, and the pointer that holds it. */
const STRING_HEAD_BYTES = 20;
const NOT_LATIN1 = /[^\0-\u00ff]/;

/** The bytes that a kept string takes: one per unit when all of it is Latin-1, else two. */
export function stringBytes(text: string): number {
  const units = NOT_LATIN1.test(text) ? text.length * 2 : text.length;
  return (STRING_HEAD_BYTES + units + 7) & ~7;
}

/** Below this V8 always copies; a longer part of a text keeps the whole text alive. */
const SLICED_LENGTH_MIN = 13;

/**
 * The same text in memory of its own: a name that was cut out of a request of a megabyte must not keep the megabyte.
 * What is not well-formed can't take that way, and stays as it is.
 */
export function detached(text: string): string {
  if (text.length < SLICED_LENGTH_MIN || !text.isWellFormed()) return text;
  return Buffer.from(text, 'utf8').toString('utf8');
}
