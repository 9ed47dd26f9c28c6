/**
 * The small encodings inside stored hashes: strict base 64 and lists of numbers. Pure. Strict, because an encoding with
 * two spellings would be a hash with two spellings.
 */
import { BOUNDS, inBounds } from './cost-bounds.ts';

/** What is wrong with a hash; a sentence that may be shown. */
export interface Problem {
  readonly problem: string;
}

export function problem(text: string): Problem {
  return { problem: text };
}

/** With `=` to a multiple of four characters, or without any (PHC strings). */
export type Padding = 'padded' | 'bare';

/** The bytes of canonical base 64 (RFC 4648 §4); undefined when it is anything else or absent. */
export function decodeBase64(text: string | undefined, padding: Padding): Buffer | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const canonical = bytes.toString('base64');
  return text === (padding === 'padded' ? canonical : canonical.replace(/=+$/, ''))
    ? bytes
    : undefined;
}

/** Like {@link decodeBase64}, for what a password is compared with: not so short that a wrong password may match. */
export function decodeKey(text: string | undefined, padding: Padding): Buffer | undefined {
  const bytes = decodeBase64(text, padding);
  return bytes !== undefined && inBounds(bytes.length, BOUNDS.keyBytes) ? bytes : undefined;
}

/** The numbers of `a=1,b=2`, with exactly these names in this order; NaN for each when it is anything else. */
export function readNumbers<const Names extends readonly string[]>(
  text: string | undefined,
  names: Names,
): { [I in keyof Names]: number } {
  const parts = (text ?? '').split(',');
  const read = (name: string, index: number): number => {
    const digits = parts[index]?.startsWith(`${name}=`) ? parts[index].slice(name.length + 1) : '';
    return parts.length === names.length && /^[0-9]{1,10}$/.test(digits) ? Number(digits) : NaN;
  };
  // Proof: map keeps the length, and every element became a number.
  return names.map(read) as { [I in keyof Names]: number };
}
