/**
 * Which addresses of an account a mailed code may sign in by. Pure. Traits are claims: anybody may register with an address
 * of somebody else's. INVARIANT: whoever proves an address by a code never ends up in an account that a stranger can enter
 * as well: it is one whose address was proved before, or one that nothing else lets into.
 */
import type { Account, Credential, JsonObject } from '../account.ts';
import type { CodeAddress, IdentitySchema } from '../schema/identity-schema.ts';

function isSame(a: CodeAddress, b: CodeAddress): boolean {
  return a.value === b.value && a.via === b.via;
}

/** The addresses that codes have proved, as the credential keeps them. */
function provedByCode(account: Account): readonly CodeAddress[] {
  const listed = account.credentials.get('code')?.config['addresses'];
  const list: readonly unknown[] = Array.isArray(listed) ? listed : [];
  return list.flatMap((item): CodeAddress[] => {
    if (typeof item !== 'object' || item === null) return [];
    const value: unknown = Reflect.get(item, 'address');
    const via: unknown = Reflect.get(item, 'channel');
    return typeof value === 'string' && (via === 'email' || via === 'sms') ? [{ value, via }] : [];
  });
}

/** Whether somebody proved an address for this account. */
export function isProved(account: Account, address: CodeAddress): boolean {
  return (
    account.verifiableAddresses.some((a) => a.verified && isSame(a, address)) ||
    provedByCode(account).some((a) => isSame(a, address))
  );
}

/** What a code to an address of an account would do. */
export type Claim =
  /** Sign in: the address was proved before. */
  | 'proved'
  /** Prove the account's first address: nothing else lets into it. */
  | 'first'
  /** Nothing: somebody proved another address of the account, or has another way in. */
  | 'foreign';

export function claimOf(schema: IdentitySchema, account: Account, address: CodeAddress): Claim {
  if (isProved(account, address)) return 'proved';
  // Also one that is no longer in the traits: whoever proved it made the account, and may still be in it.
  const hasOther =
    account.verifiableAddresses.some((a) => a.verified) ||
    provedByCode(account).length > 0 ||
    schema.codeAddresses(account.traits).some((a) => isProved(account, a));
  const isEntered = [...account.credentials.keys()].some((type) => type !== 'code');
  return hasOther || isEntered ? 'foreign' : 'first';
}

/** The credential of an address that was just proved; `addresses` are named as Kratos names them. */
export function codeCredential(
  address: CodeAddress,
  nowMs: number,
  before?: Credential,
): Credential {
  return {
    type: 'code',
    identifiers: [address.value],
    version: 0,
    config: { addresses: [{ channel: address.via, address: address.value }] },
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

/**
 * The names that a code credential is known by with other traits: addresses that were proved. Where none was, the first
 * one, so that a person who corrects the only address they have is not shut out.
 */
export function codeIdentifiers(
  schema: IdentitySchema,
  account: Account,
  traits: JsonObject,
): string[] {
  const given = schema.codeAddresses(traits);
  const proved = given.filter((address) => isProved(account, address));
  return (proved.length > 0 ? proved : given.slice(0, 1)).map((a) => a.value);
}
