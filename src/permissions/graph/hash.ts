/**
 * Hashes of names and of pairs of numbers, for tables in memory alone: they differ from process to process. Names come
 * from strangers, so the hash of a name is keyed (HalfSipHash-1-3: one round per word, three at the end; Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF", 2012): nobody may choose names that all fall into one bucket.
 */

/** Two random words that nobody outside the process knows. */
export interface HashKey {
  readonly low: number;
  readonly high: number;
}

/** A key from the system's random source. */
export function newHashKey(): HashKey {
  const [low = 0, high = 0] = crypto.getRandomValues(new Int32Array(2));
  return { low, high };
}

/** The hash of a text: an int32. Two UTF-16 units make a word, the length is the last. */
export function hashText(key: HashKey, text: string): number {
  let v0 = key.low;
  let v1 = key.high;
  let v2 = 0x6c796765 ^ key.low;
  let v3 = 0x74656462 ^ key.high;
  const { length } = text;
  const words = (length >> 1) + (length & 1);
  // The rounds after `words` are the length's and the three at the end.
  for (let i = 0; i < words + 4; i++) {
    let word = 0;
    if (i < words) {
      const at = i << 1;
      word = text.charCodeAt(at);
      if (at + 1 < length) word |= text.charCodeAt(at + 1) << 16;
    } else if (i === words) word = length;
    else if (i === words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}

/** The hash of two record numbers: an int32. Who writes tuples can't see the numbers, so mixing well is enough. */
export function hashPair(key: HashKey, first: number, second: number): number {
  let h = Math.imul(first ^ key.low, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ second ^ key.high, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
