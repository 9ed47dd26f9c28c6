/** Whom a changed address is told to, and what the notice says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Account, VerifiableAddress, Via } from '../account.ts';
import { addressesToTell, noticesOf, RECIPIENTS } from './notices.ts';

const address = (value: string, verified: boolean, via: Via = 'email'): VerifiableAddress => ({
  ...{ id: value, value, via, verified, status: verified ? 'completed' : 'sent' },
  ...{ verifiedAtMs: undefined, createdAtMs: 0, updatedAtMs: 0 },
});
const account = (...verifiableAddresses: VerifiableAddress[]): Account => ({
  ...{ id: 'a1', externalId: undefined, schemaId: 'person', state: 'active', stateChangedAtMs: 0 },
  ...{ traits: { email: 'x' }, metadataPublic: null, metadataAdmin: null },
  ...{ organizationId: undefined, recoveryAddresses: [], credentials: new Map() },
  ...{ verifiableAddresses, createdAtMs: 0, updatedAtMs: 0 },
});
const OLD = address('old@example.com', true);
const TYPO = address('typo@example.com', false);
const PHONE = address('+491711234567', true, 'sms');
const NEW = address('new@example.com', false);
const told = (...given: Parameters<typeof addressesToTell>): string[] =>
  addressesToTell(...given).map((a) => a.value);

describe('a notice about a changed address', () => {
  it('goes to those that are gone, to those that were verified, or to all of before', () => {
    const before = [OLD, TYPO, PHONE];
    const after = [NEW, PHONE];
    expect(told('removed', before, after)).toEqual([OLD.value, TYPO.value]);
    expect(told('all_verified', before, after)).toEqual([OLD.value, PHONE.value]);
    expect(told('all', before, after)).toEqual(before.map((a) => a.value));
  });

  it('is not sent when an address was only verified, or put in another place', () => {
    for (const recipients of RECIPIENTS) {
      expect(told(recipients, [TYPO], [{ ...TYPO, verified: true }])).toEqual([]);
      expect(told(recipients, [OLD, PHONE], [PHONE, OLD])).toEqual([]);
    }
  });

  it('says when it was and whose account it is, and never the new address', () => {
    const changed = { ...account(NEW), traits: { name: 'Ann' } };
    expect(noticesOf('removed', account(OLD), changed, 1_700_000_000_123)).toEqual([
      {
        ...{ templateType: 'verifiable_address_changed', via: 'email', recipient: OLD.value },
        data: {
          ...{ To: OLD.value, ChangedAt: '2023-11-14T22:13:20Z' },
          Identity: { id: 'a1', schema_id: 'person', traits: { name: 'Ann' } },
        },
      },
    ]);
  });

  it('never goes to an address that was not there before', () => {
    const some = fc.uniqueArray(
      fc.record({ value: fc.constantFrom('a', 'b', 'c', 'd'), verified: fc.boolean() }),
      { selector: (a) => a.value },
    );
    fc.assert(
      fc.property(fc.constantFrom(...RECIPIENTS), some, some, (recipients, b, a) => {
        const [before, after] = [b, a].map((l) => l.map((x) => address(x.value, x.verified)));
        for (const value of told(recipients, before ?? [], after ?? []))
          expect(b.map((x) => x.value)).toContain(value);
      }),
    );
  });
});
