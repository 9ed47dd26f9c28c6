import { describe, expect, it } from 'vitest';
import type { Account, Credential } from '../account.ts';
import {
  firstFactorCount,
  isSecondFactor,
  type PublicKey,
  removalName,
  ringCredential,
  ringOf,
} from './credential.ts';

const KEY: PublicKey = {
  id: Buffer.from([1, 2, 250]).toString('base64url'),
  publicKey: Buffer.from([9, 8, 7, 255]).toString('base64url'),
  signCount: 3,
  displayName: 'My key',
  addedAtMs: 1_700_000_000_000,
  isPasswordless: true,
  aaguid: '',
  hasCloneWarning: false,
  raw: {},
};
const HANDLE = Buffer.from('handle').toString('base64url');

function accountOf(...credentials: Credential[]): Account {
  return {
    ...{ id: 'a', externalId: undefined, schemaId: 'default', state: 'active' },
    ...{ stateChangedAtMs: 0, traits: {}, metadataPublic: null, metadataAdmin: null },
    ...{ organizationId: undefined, verifiableAddresses: [], recoveryAddresses: [] },
    ...{ createdAtMs: 0, updatedAtMs: 0 },
    credentials: new Map(credentials.map((c) => [c.type, c])),
  };
}

describe('the public keys of a credential', () => {
  const credential = ringCredential('passkey', { keys: [KEY], userHandle: HANDLE }, ['h'], 1);

  it("stand in Kratos's shape and come back as they were", () => {
    expect(credential.config).toMatchObject({
      user_handle: Buffer.from('handle').toString('base64'),
      credentials: [{ id: 'AQL6', is_passwordless: true, authenticator: { sign_count: 3 } }],
    });
    const ring = ringOf(accountOf(credential), 'passkey');
    const { raw: _, ...key } = KEY;
    expect(ring).toMatchObject({ keys: [key], userHandle: HANDLE });
  });
  it('keep what else Kratos stored with them', () => {
    const raw = { flags: { backup_state: true }, transport: ['usb'], attestation_type: 'packed' };
    const ring = { keys: [{ ...KEY, raw }], userHandle: HANDLE };
    const stored = ringCredential('passkey', ring, ['h'], 1);
    expect(stored.config).toMatchObject({ credentials: [{ ...raw, id: 'AQL6' }] });
    const again = ringCredential('passkey', ringOf(accountOf(stored), 'passkey'), ['h'], 1);
    expect(again.config).toEqual(stored.config);
  });
  it('are named in hex where a page removes one', () => {
    expect(removalName(KEY)).toBe('0102fa');
  });
  it('that an import garbled are none', () => {
    const garbled = { ...credential, config: { credentials: [null, 7, {}, { id: 'AA==' }] } };
    expect(ringOf(accountOf(garbled), 'passkey').keys).toEqual([]);
    const none = { ...credential, config: { credentials: 'no list' } };
    expect(ringOf(accountOf(none), 'passkey').keys).toEqual([]);
    expect(ringOf(undefined, 'webauthn')).toEqual({ keys: [], userHandle: '' });
  });
  it('count as ways in when they need no password beside them', () => {
    const second = { ...KEY, isPasswordless: false };
    const keys = ringCredential('webauthn', { keys: [second], userHandle: HANDLE }, ['n'], 1);
    expect(firstFactorCount(accountOf(credential, keys))).toBe(1);
    const password = { ...credential, type: 'password' as const, config: {} };
    expect(firstFactorCount(accountOf(credential, password))).toBe(2);
  });
  it('are a second factor as long as one of them is no first one', () => {
    const second = { ...KEY, isPasswordless: false };
    const of = (...keys: PublicKey[]) =>
      isSecondFactor(ringCredential('webauthn', { keys, userHandle: HANDLE }, ['n'], 1));
    expect([of(KEY), of(KEY, second), of(second), of()]).toEqual([false, true, true, false]);
    const other = (type: Credential['type']) => isSecondFactor({ type, config: {} });
    expect([other('totp'), other('lookup_secret'), other('passkey')]).toEqual([true, true, false]);
    expect([other('password'), other('webauthn')]).toEqual([false, false]);
  });
});
