/**
 * What a stored hash may cost to verify. Anybody with a hash under their name can ask for it to be computed, so each
 * bound is what the strongest published recommendation asks for, with some room, and no more. Data only.
 */

export const BOUNDS = {
  /** 15 takes two seconds; nobody's default is above 12. */
  bcryptCost: { min: 4, max: 15 },
  argon2MemoryKiB: { min: 8, max: 1_048_576 },
  argon2Iterations: { min: 1, max: 10 },
  /** Twice the cores is common; lanes share the same memory, so more of them cost nothing. */
  argon2Parallelism: { min: 1, max: 64 },
  /** RFC 9106 §3.1. */
  argon2SaltBytes: { min: 8, max: 1_024 },
  /** OWASP asks for 600,000 of SHA-256. */
  pbkdf2Iterations: { min: 1, max: 10_000_000 },
  /** With r = 8: 128 MiB. */
  scryptN: { min: 2, max: 131_072 },
  scryptR: { min: 1, max: 8 },
  scryptP: { min: 1, max: 10 },
  /** passlib's default is 656,000; the format would allow 999,999,999. */
  cryptRounds: { min: 1_000, max: 1_000_000 },
  /** PHC strings have at least 12 bytes of argon2. */
  keyBytes: { min: 12, max: 1_024 },
  templateBytes: 256,
  hashChars: 4_096,
} as const;

interface Range {
  readonly min: number;
  readonly max: number;
}

/** False for NaN and undefined too. */
export function inBounds(value: number | undefined, range: Range): value is number {
  return value !== undefined && value >= range.min && value <= range.max;
}
