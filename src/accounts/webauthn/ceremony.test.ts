import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimedOf,
  creationOptions,
  requestOptions,
  verifyCreation,
  verifyProof,
} from './ceremony.ts';
import type { PublicKey } from './credential.ts';

const RP = { id: 'id.example', displayName: 'Example', origins: ['https://id.example'] };
const CHALLENGE = Buffer.alloc(32, 7).toString('base64url');

/** A software authenticator: an ES256 key that signs as one does (WebAuthn Level 2, section 6). */
class Authenticator {
  readonly #key: KeyObject;
  readonly key: PublicKey;
  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    // COSE_Key: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
    const cose = Buffer.concat([
      Buffer.from('a5010203262001215820', 'hex'),
      Buffer.from(x, 'base64url'),
      Buffer.from('225820', 'hex'),
      Buffer.from(y, 'base64url'),
    ]);
    this.key = {
      ...{ id: 'a2V5', publicKey: cose.toString('base64url'), signCount: 5, displayName: '' },
      ...{ addedAtMs: 0, isPasswordless: true, aaguid: '' },
      ...{ hasCloneWarning: false, raw: {} },
    };
  }
  prove(
    o: { challenge?: string; origin?: string; rpId?: string; count?: number; id?: string } = {},
  ): string {
    const client = JSON.stringify({
      type: 'webauthn.get',
      challenge: o.challenge ?? CHALLENGE,
      origin: o.origin ?? 'https://id.example',
      crossOrigin: false,
    });
    const count = Buffer.alloc(4);
    count.writeUInt32BE(o.count ?? 6);
    const data = Buffer.concat([
      createHash('sha256')
        .update(o.rpId ?? 'id.example')
        .digest(),
      Buffer.from([0x05]),
      count,
    ]);
    const signed = Buffer.concat([data, createHash('sha256').update(client).digest()]);
    return JSON.stringify({
      id: o.id ?? this.key.id,
      rawId: o.id ?? this.key.id,
      type: 'public-key',
      response: {
        authenticatorData: data.toString('base64url'),
        clientDataJSON: Buffer.from(client).toString('base64url'),
        signature: sign('sha256', signed, this.#key).toString('base64url'),
        userHandle: 'aGFuZGxl',
      },
    });
  }
}

describe('a key that proves itself', () => {
  const device = new Authenticator();
  const verify = (text: string, key: PublicKey = device.key): ReturnType<typeof verifyProof> =>
    verifyProof(text, key, { rp: RP, challenge: CHALLENGE });

  it('is taken for its challenge, and its counter moves on', async () => {
    expect(await verify(device.prove())).toEqual({ signCount: 6 });
    expect(claimedOf(device.prove())).toEqual({ id: 'a2V5', userHandle: 'aGFuZGxl' });
  });
  it.each([
    ["another flow's challenge", { challenge: Buffer.alloc(32, 8).toString('base64url') }],
    ['another origin', { origin: 'https://evil.example' }],
    ['a subdomain of ours', { origin: 'https://x.id.example' }],
    ['another relying party', { rpId: 'evil.example' }],
    ["another key's id", { id: 'b3RoZXI' }],
  ])('is refused with %s', async (_what, change) => {
    expect(await verify(device.prove(change))).toBeUndefined();
  });
  it.each([
    ['stood still', 5],
    ['went back', 2],
    ['was taken away', 0],
  ])('tells of a copy by a counter that %s', async (_what, count) => {
    expect(await verify(device.prove({ count }))).toBe('copied');
  });
  it("is refused when it is not the account's key that signed", async () => {
    expect(await verify(new Authenticator().prove())).toBeUndefined();
  });
  it('is refused when a byte of its answer changed', async () => {
    const answer = JSON.parse(device.prove());
    const bytes = Buffer.from(answer.response.authenticatorData, 'base64url');
    bytes[32] = 0x04;
    answer.response.authenticatorData = bytes.toString('base64url');
    expect(await verify(JSON.stringify(answer))).toBeUndefined();
  });
  it('whatever is sent in place of an answer is refused, and nothing throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        expect(await verify(text)).toBeUndefined();
        expect(await verifyCreation(text, { rp: RP, challenge: CHALLENGE })).toBeUndefined();
        claimedOf(text);
      }),
    );
    expect(await verify(`{"id":"${'x'.repeat(40_000)}"}`)).toBeUndefined();
  });
});

describe('what a browser is told', () => {
  it('names the relying party, the algorithms and the keys that are there already', () => {
    const { key } = new Authenticator();
    const made = creationOptions({
      ...{
        rp: RP,
        challenge: CHALLENGE,
        userHandle: 'aA',
        name: 'ann',
        known: [key],
        isPasskey: true,
      },
    });
    expect(made).toMatchObject({
      publicKey: {
        rp: { id: 'id.example' },
        excludeCredentials: [{ id: 'a2V5', type: 'public-key' }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'preferred' },
      },
    });
    expect(requestOptions({ rp: RP, challenge: CHALLENGE })).toEqual({
      publicKey: {
        ...{ challenge: CHALLENGE, timeout: 120_000, rpId: 'id.example' },
        userVerification: 'preferred',
      },
    });
  });
  it('asks no PIN for a second factor', () => {
    const isSecondFactor = true;
    const asked = requestOptions({ rp: RP, challenge: CHALLENGE, isSecondFactor });
    expect(asked).toMatchObject({ publicKey: { userVerification: 'discouraged' } });
    const made = creationOptions({
      ...{ rp: RP, challenge: CHALLENGE, userHandle: 'aA', name: 'ann', known: [] },
      ...{ isPasskey: false, isSecondFactor },
    });
    expect(made).toMatchObject({
      publicKey: {
        authenticatorSelection: { residentKey: 'discouraged', userVerification: 'discouraged' },
      },
    });
  });
});
