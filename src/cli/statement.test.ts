import { describe, expect, it } from 'vitest';
import { createIdentity } from '../trust/light.ts';
import { signStatement, verifyStatement } from './statement.ts';

const issuer = createIdentity();
const token = signStatement(issuer, {
  subject: 'I'.padEnd(65, '0'),
  attributes: { city: 'New York' },
  createdAtS: 1_000,
  expiresAtS: 2_000,
});
const id = issuer.identity.identifier;

describe('a credential issued by hand', () => {
  it('is verified as text and as hex', () => {
    expect(verifyStatement(token, id, 1_500_000).attributes).toEqual({ city: 'New York' });
    const hex = Buffer.from(token).toString('hex');
    expect(verifyStatement(`${hex}\n`, id, 1_500_000).issuer).toBe(id);
  });
  it('is refused when expired, from another, altered or nonsense', () => {
    expect(() => verifyStatement(token, id, 2_000_001)).toThrow('expired');
    const other = createIdentity().identity.identifier;
    expect(() => verifyStatement(token, other, 1_500_000)).toThrow('another identity');
    const [head, body, signature] = token.split('.');
    const forged = Buffer.from(
      Buffer.from(body ?? '', 'base64url')
        .toString()
        .replace('York', 'Pork'),
    );
    expect(() =>
      verifyStatement(`${head}.${forged.toString('base64url')}.${signature}`, id, 1_500_000),
    ).toThrow('signature');
    expect(() => verifyStatement('aabbcc', id, 0)).toThrow('not valid');
  });
});
