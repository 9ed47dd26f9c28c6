/**
 * Which passwords people may choose: long enough, not too long for the hash, not like their own identifiers, and in no
 * known breach; after NIST SP 800-63B §3.1.1.2, so no rules about kinds of characters. Thresholds are Kratos's. It must
 * never say which part of a password was the matter, nor keep or log one. Passwords in use are not checked, only new.
 *
 * DEVIATION: Kratos counts the shortest length in bytes, which takes four letters of Greek for eight.
 */
import { INVALID } from '../ui/message.ts';
import type { UiText } from '../ui/node.ts';
import type { BreachList } from './breaches.ts';
import { commonSubstringLength, editDistance } from './similarity.ts';

export interface PasswordPolicySettings {
  /** In characters, default 8. */
  readonly minLength?: number;
  /** In bytes of UTF-8: the hasher's `passwordBytesMax`. Default 72, the most that bcrypt can tell apart. */
  readonly maxBytes?: number;
  readonly isSimilarityChecked: boolean;
  /** Undefined: no password counts as breached. */
  readonly breaches: BreachList | undefined;
}

export interface PasswordPolicy {
  /**
   * What is wrong with a new password of somebody with these identifiers; undefined when nothing is.
   * @throws PosternError `unavailable` when breaches could not be looked up and settings do not allow that
   */
  check(password: string, identifiers: readonly string[]): Promise<UiText | undefined>;
}

const MIN_LENGTH = 8;
const BYTES_MAX = 72;
/** A password is too similar below this distance … */
const DISTANCE_MIN = 5;
/** … or when more than this share of it stands in the identifier. */
const SHARE_MAX = 0.5;
/** In bytes. No real identifier is longer; beyond, comparing would only cost time, and no such two are alike by chance. */
const COMPARED_BYTES_MAX = 256;

export function createPasswordPolicy(settings: PasswordPolicySettings): PasswordPolicy {
  const { minLength = MIN_LENGTH, maxBytes = BYTES_MAX, isSimilarityChecked, breaches } = settings;
  return {
    check: async (password, identifiers) => {
      // First, so that nothing below has to look at a huge one.
      const bytes = Buffer.byteLength(password);
      if (bytes > maxBytes) return INVALID.passwordLong(maxBytes, bytes);
      const { length } = [...password];
      if (length < minLength) return INVALID.passwordShort(minLength, length);
      if (isSimilarityChecked && identifiers.some((i) => isTooSimilar(password, i)))
        return INVALID.passwordSimilar;
      const count = await breaches?.refuse(password);
      return count === undefined ? undefined : INVALID.passwordBreached(count);
    },
  };
}

/** Whether a password is almost an identifier or contains it; in lower case, and false for the empty identifier. */
export function isTooSimilar(password: string, identifier: string): boolean {
  const [a, b] = [password.toLowerCase(), identifier.toLowerCase()];
  if (b === '' || Buffer.byteLength(a) > COMPARED_BYTES_MAX) return false;
  if (Buffer.byteLength(b) > COMPARED_BYTES_MAX) return false;
  if (editDistance(a, b) < DISTANCE_MIN) return true;
  return commonSubstringLength(a, b) / [...a].length > SHARE_MAX;
}
