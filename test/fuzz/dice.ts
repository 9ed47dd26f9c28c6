/**
 * Seeded randomness for fuzzing, and what it does to valid traffic. The same FUZZ_SEED gives the same bytes, so that a
 * finding can be had again; FUZZ_SECONDS makes each test longer.
 */

export const FUZZ_SEED: number = Number(process.env['FUZZ_SEED'] ?? 20_260_101);
/** How long one target is fuzzed, in ms; `fallbackMs` when nobody asks for more. */
export function fuzzMs(fallbackMs: number): number {
  const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0);
  return seconds > 0 ? seconds * 1000 : fallbackMs;
}

export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** A whole number from 0 up to, but not including, `below` (mulberry32). */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }
  pick<T>(from: readonly T[]): T {
    const item = from[this.roll(from.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.roll(256)));
  }

  /** Bytes as they might arrive from somebody broken or hostile: valid ones altered, or none at all. */
  mutate(samples: readonly Buffer[]): Buffer {
    let out: Buffer = this.roll(8) === 0 ? this.bytes(this.roll(600)) : this.pick(samples);
    for (let rounds = this.roll(4); rounds >= 0; rounds--) {
      const at = this.roll(out.length + 1);
      const to = Math.min(out.length, at + this.roll(40));
      switch (this.roll(7)) {
        case 0: {
          const copy = Buffer.from(out);
          if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << this.roll(8));
          out = copy;
          break;
        }
        case 1:
          out = out.subarray(0, at);
          break;
        case 2:
          out = Buffer.concat([out.subarray(0, at), this.bytes(this.roll(40)), out.subarray(at)]);
          break;
        case 3:
          out = Buffer.concat([out.subarray(0, at), out.subarray(to)]);
          break;
        case 4:
          out = Buffer.concat([out.subarray(0, to), out.subarray(at)]);
          break;
        case 5:
          out = Buffer.concat([out.subarray(0, at), this.pick(samples).subarray(at)]);
          break;
        default: {
          const copy = Buffer.from(out);
          copy.fill(this.pick([0x00, 0xff, 0x7f, 0x80]), at, to);
          out = copy;
        }
      }
    }
    return out.subarray(0, 64 * 1024);
  }

  /** The same bytes in up to eight parts. */
  split(bytes: Buffer): Buffer[] {
    const cuts = Array.from({ length: this.roll(8) }, () => this.roll(bytes.length + 1));
    const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
    return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
  }
}
