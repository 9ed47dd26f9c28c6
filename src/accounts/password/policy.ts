/** Which passwords are good enough (NIST SP 800-63B §5.1.1.2, and Kratos's similarity rule). Pure but for the list. */
import type { PasswordPolicy } from '../services.ts';
import { INVALID } from '../ui/message.ts';
import type { UiText } from '../ui/node.ts';

const DISTANCE_MIN = 5;
const OVERLAP_MAX = 0.5;
const BCRYPT_BYTES_MAX = 72;

export interface PolicyOptions {
  readonly minLength: number;
  readonly isSimilarityChecked: boolean;
  /** bcrypt reads 72 bytes and no more. */
  readonly isBcrypt: boolean;
  /** In how many breaches a password was seen. */
  readonly breaches: (password: string) => Promise<number>;
  readonly maxBreaches: number;
}

/** Levenshtein's distance, and the length of the longest common substring. */
export function compare(a: string, b: string): { distance: number; common: number } {
  let edits = Array.from({ length: b.length + 1 }, (_, i) => i);
  let runs = new Array<number>(b.length + 1).fill(0);
  let common = 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    const run = [0];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const [up = 0, left = 0, corner = 0] = [edits[j], row[j - 1], edits[j - 1]];
      row.push(Math.min(up + 1, left + 1, corner + (isSame ? 0 : 1)));
      const length = isSame ? (runs[j - 1] ?? 0) + 1 : 0;
      run.push(length);
      common = Math.max(common, length);
    }
    edits = row;
    runs = run;
  }
  return { distance: edits[b.length] ?? 0, common };
}

function isSimilar(password: string, identifier: string): boolean {
  const [a, b] = [password.toLowerCase(), identifier.toLowerCase()];
  if (b === '') return false;
  const { distance, common } = compare(a, b);
  return distance < DISTANCE_MIN || common / a.length > OVERLAP_MAX;
}

export function createPasswordPolicy(o: PolicyOptions): PasswordPolicy {
  return {
    check: async (password, identifiers): Promise<UiText | undefined> => {
      const length = [...password].length;
      if (length < o.minLength) return INVALID.passwordShort(o.minLength, length);
      const bytes = Buffer.byteLength(password);
      if (o.isBcrypt && bytes > BCRYPT_BYTES_MAX)
        return INVALID.passwordLong(BCRYPT_BYTES_MAX, bytes);
      if (o.isSimilarityChecked && identifiers.some((i) => isSimilar(password, i)))
        return INVALID.passwordSimilar;
      const breaches = await o.breaches(password);
      return breaches > o.maxBreaches ? INVALID.passwordBreached(breaches) : undefined;
    },
  };
}
