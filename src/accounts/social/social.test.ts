import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimsOf } from './claims.ts';
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
