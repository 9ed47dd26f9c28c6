import { describe, expect, it } from 'vitest';
import type { Account, Credential } from '../account.ts';
import { compileIdentitySchema } from '../schema/identity-schema.ts';
import { claimOf, codeCredential, codeIdentifiers } from './code-addresses.ts';

const sends = { 'ory.sh/kratos': { credentials: { code: { identifier: true, via: 'email' } } } };
const schema = compileIdentitySchema('x', {
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: { a: { type: 'string', ...sends }, b: { type: 'string', ...sends } },
    },
  },
});
const A = { value: 'a@example.com', via: 'email' } as const;
const B = { value: 'b@example.com', via: 'email' } as const;
const address = (value: string, verified: boolean): Account['verifiableAddresses'][number] => ({
  ...{ id: value, value, via: 'email', verified, status: verified ? 'completed' : 'sent' },
  ...{ verifiedAtMs: undefined, createdAtMs: 1, updatedAtMs: 1 },
});
const password: Credential = {
  ...{ type: 'password', identifiers: [A.value], version: 0 },
  ...{ config: { hashed_password: 'x' }, createdAtMs: 1, updatedAtMs: 1 },
};
const totp: Credential = { ...password, type: 'totp', identifiers: [] };

function account(credentials: readonly Credential[], ...verified: string[]): Account {
  return {
    ...{ id: 'i', externalId: undefined, schemaId: 'x', state: 'active', stateChangedAtMs: 1 },
    traits: { a: A.value, b: B.value },
    ...{ metadataPublic: null, metadataAdmin: null, organizationId: undefined },
    verifiableAddresses: [A.value, B.value].map((v) => address(v, verified.includes(v))),
    recoveryAddresses: [A, B].map((a) => ({ ...a, id: a.value, createdAtMs: 1, updatedAtMs: 1 })),
    credentials: new Map(credentials.map((c) => [c.type, c])),
    ...{ createdAtMs: 1, updatedAtMs: 1 },
  };
}

describe('a code to an address of an account', () => {
  it('signs in where the address was proved, by a code or by verification', () => {
    expect(claimOf(schema, account([codeCredential(A, 1)]), A)).toBe('proved');
    expect(claimOf(schema, account([password], A.value), A)).toBe('proved');
    expect(claimOf(schema, account([password, totp], A.value), A)).toBe('proved');
  });
  it('does nothing where somebody else may be behind it', () => {
    expect(claimOf(schema, account([codeCredential(A, 1)]), B)).toBe('foreign');
    expect(claimOf(schema, account([password], A.value), B)).toBe('foreign');
    expect(claimOf(schema, account([password, totp]), A)).toBe('foreign');
  });
  it('proves the first address only where nothing else lets in', () => {
    const made = { ...codeCredential(A, 1), config: {} };
    expect(claimOf(schema, account([made]), A)).toBe('first');
    for (const type of ['password', 'oidc', 'passkey', 'webauthn', 'totp'] as const)
      expect(claimOf(schema, account([made, { ...password, type }]), A)).toBe('foreign');
  });
});

describe('the names of a code credential', () => {
  it('are the addresses that were proved, or the first where none was', () => {
    const known = account([codeCredential(A, 1)]);
    const names = (a: string, b: string): string[] => codeIdentifiers(schema, known, { a, b });
    expect(names(A.value, B.value)).toEqual([A.value]);
    expect(names(B.value, A.value)).toEqual([A.value]);
    expect(names('c@example.com', B.value)).toEqual(['c@example.com']);
    const both = account([codeCredential(A, 1)], B.value);
    expect(codeIdentifiers(schema, both, both.traits)).toEqual([A.value, B.value]);
  });
});
