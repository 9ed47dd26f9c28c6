/**
 * What a service account is, and what it may be called: an app or a script with a way in of its own, in one space. Pure.
 * It must never be an `Account`: nothing that people sign in by knows it.
 */
import { isShown, PosternError } from '../../kernel/index.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';

export interface ServiceAccount {
  /** 32 hex digits, as OpenStack's clients expect of a user's id; also the principal's id. */
  readonly id: string;
  readonly name: string;
  readonly spaceId: string;
  /** The most that its tokens may carry. */
  readonly scopes: readonly string[];
  readonly isDisabled: boolean;
  readonly hasPassword: boolean;
  readonly passwordSetAtMs: number | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string | undefined;
  readonly expiresAtMs: number | undefined;
}

const NAME_MAX = 128;
/** Names that stand in an address, a file or a log without harm: nothing invisible, no slash, not dots alone. */
const HARMLESS = /^(?!\.+$)(?!\s)[^\p{C}\p{Zl}\p{Zp}/\\]+$/u;
const ID = /^[0-9a-f]{32}$/;

/** A name as it is compared; empty for what no service is called. */
export function serviceNameKey(name: string): string {
  return name.length > NAME_MAX * 2 ? '' : normaliseIdentifier(name);
}

export function isServiceId(word: string): boolean {
  return ID.test(word);
}

/** The name of a new service, or of a token of one, as it is kept. Throws `invalid`. */
export function checkServiceName(
  given: string,
  what: 'service' | 'token' = 'service',
): { readonly name: string; readonly key: string } {
  const name = given.length > NAME_MAX * 2 ? '' : given.normalize('NFKC').trim();
  const key = normaliseIdentifier(name);
  if (
    name.length > NAME_MAX ||
    key === '' ||
    !HARMLESS.test(name) ||
    !isShown(name) ||
    isServiceId(key)
  )
    throw new PosternError(
      'invalid',
      `The name of a ${what} is 1 to ${NAME_MAX} visible characters without slashes, and no id`,
    );
  return { name, key };
}

const NETWORKS_MAX = 16;

/** The networks that a service came from, with one more; undefined when it was known. The oldest goes. */
export function withNetwork(known: readonly string[], network: string): string[] | undefined {
  return known.includes(network) ? undefined : [...known, network].slice(-NETWORKS_MAX);
}
