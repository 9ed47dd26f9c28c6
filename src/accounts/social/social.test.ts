import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aalOf } from '../sessions.ts';
import { assuranceOf, claimsOf, isSecondFactorDone } from './claims.ts';
import { compileMapper, mergeTraits } from './mapper.ts';

const ISSUER = 'https://issuer.example';

describe('claims', () => {
  it('are the known ones, without what is empty or false, and the raw ones beside them', () => {
    const raw = { sub: 's', email: 'a@b.example', email_verified: 'true', name: '', strange: 1 };
    expect(claimsOf(raw, ISSUER)).toEqual({
      ...{ iss: ISSUER, sub: 's', email: 'a@b.example', email_verified: true, raw_claims: raw },
    });
  });

  it.each([{}, { sub: '' }, { sub: 7 }, { sub: null }, { sub: 'x'.repeat(256) }, { sub: ['a'] }])(
    'of %j name no person',
    (raw) => {
      expect(claimsOf(raw, ISSUER)).toBeUndefined();
    },
  );

  it.each([false, 'false', 'TRUE', 1, 'yes', {}, [true], null])(
    'call no address verified by %j',
    (email_verified) => {
      const raw = { sub: 's', email: 'a@b.example', email_verified } as never;
      expect(claimsOf(raw, ISSUER)).not.toHaveProperty('email_verified');
    },
  );

  it.each([
    ['de', 'de'],
    [{ language: 'en', country: 'US' }, 'en-US'],
    [{ language: 'en' }, 'en'],
    [{ country: 'US' }, 'US'],
    [{ language: 7 }, undefined],
    [[], undefined],
    ['', undefined],
  ])('read the locale %j as %s', (locale, told) => {
    expect(claimsOf({ sub: 's', locale } as never, ISSUER)?.['locale']).toBe(told);
  });

  it('of a profile without a bottom name no person', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    expect(claimsOf({ sub: 's', deep } as never, ISSUER)).toBeUndefined();
  });

  it('read no inherited property', () => {
    const raw = Object.create({ email: 'foe@example.com' }, { sub: { value: 's' } });
    expect(claimsOf(raw, ISSUER)).not.toHaveProperty('email');
  });

  it('are read from anything without a fault', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (raw) => {
        const claims = claimsOf({ ...raw, sub: 's' } as never, ISSUER);
        expect(claims?.sub).toBe('s');
      }),
    );
  });
});

describe('a second factor', () => {
  const named = { aal2Acr: ['urn:two', ''], aal2Amr: ['mfa'] };
  const isDone = (raw: object): boolean => {
    const claims = claimsOf({ sub: 's', ...raw } as never, ISSUER);
    if (claims === undefined) throw new Error('no claims');
    return isSecondFactorDone(assuranceOf(claims), named);
  };
  it.each([{ acr: 'urn:two' }, { amr: ['pwd', 'mfa'] }, { acr: 'x', amr: ['mfa'] }])(
    'was asked for by the provider that says %j',
    (raw) => {
      expect(isDone(raw)).toBe(true);
    },
  );
  it.each([
    ...[{}, { acr: '' }, { acr: 'urn:two ' }, { acr: ['urn:two'] }, { amr: 'mfa' }],
    ...[
      { amr: [['mfa']] },
      { amr: ['MFA'] },
      { amr: { 0: 'mfa' } },
      { acr: 'mfa', amr: ['urn:two'] },
    ],
  ])('was not, where it says %j', (raw) => {
    expect(isDone(raw)).toBe(false);
  });

  it('and what else is kept of it is short', () => {
    const amr = Array.from({ length: 1_000 }, (_, n) => `m${n}`);
    const claims = claimsOf({ sub: 's', acr: 'x'.repeat(100_000), amr } as never, ISSUER);
    const { acr, amr: kept } = assuranceOf(claims ?? ({} as never));
    expect(acr).toBeUndefined();
    expect(kept).toHaveLength(16);
  });

  it('of a provider makes a session sure by itself; one of ours alone does not', () => {
    const method = (name: 'oidc' | 'totp' | 'password', aal: 'aal1' | 'aal2') => ({
      ...{ method: name, aal, completedAtMs: 0 },
    });
    expect(aalOf([method('oidc', 'aal2')])).toBe('aal2');
    expect(aalOf([method('oidc', 'aal1')])).toBe('aal1');
    expect(aalOf([method('totp', 'aal2')])).toBe('aal0');
    expect(aalOf([method('password', 'aal1'), method('oidc', 'aal1')])).toBe('aal1');
    expect(aalOf([method('password', 'aal1'), method('totp', 'aal2')])).toBe('aal2');
  });
});

describe('a mapper', () => {
  const claims = claimsOf({ sub: 's', email: 'Ann@Example.com', email_verified: true }, ISSUER);
  const map = (source: string) => {
    if (claims === undefined) throw new Error('no claims');
    return compileMapper(source)(claims);
  };

  it('says who somebody is, and what the provider vouches for', () => {
    const source = `local c = std.extVar('claims');
      { identity: { traits: { email: c.email }, metadata_admin: { sub: c.sub },
        verified_addresses: [ { via: 'email', value: c.email } ] } }`;
    expect(map(source)).toEqual({
      traits: { email: 'Ann@Example.com' },
      metadataPublic: null,
      metadataAdmin: { sub: 's' },
      verified: [{ via: 'email', value: 'ann@example.com' }],
    });
  });

  it.each([
    ['{}', 'gives no identity'],
    ['{ identity: 1 }', 'gives no identity'],
    ['{ identity: { traits: [] } }', 'gives no traits'],
    ["{ identity: { verified_addresses: 'x' } }", 'gives no list'],
    ['error "no"', 'no'],
  ])('%s is refused', (source, why) => {
    expect(() => map(source)).toThrow(why);
  });

  it('vouches for nothing in a shape that is not known', () => {
    const source =
      "{ identity: { verified_addresses: [ 1, { via: 'fax', value: 'x' }, { via: 'email' } ] } }";
    expect(map(source).verified).toEqual([]);
  });

  it('stands behind what the person typed', () => {
    const mapped = { email: 'a@b.example', name: { first: 'A', last: 'B' }, age: 3 };
    const typed = { email: 'c@d.example', name: { first: '', last: 'C' } };
    expect(mergeTraits(mapped, typed)).toEqual({
      ...{ email: 'c@d.example', name: { first: 'A', last: 'C' }, age: 3 },
    });
  });

  it('takes no prototype from anybody', () => {
    const typed = JSON.parse('{ "__proto__": { "admin": true }, "constructor": "x" }');
    const merged = mergeTraits({ email: 'a@b.example' }, typed);
    expect(Reflect.get(merged, 'admin')).toBeUndefined();
    expect(Reflect.get({}, 'admin')).toBeUndefined();
  });
});
