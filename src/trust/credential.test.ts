/** Credentials: what a project's authority issues verifies, and everything else is refused with the reason. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import {
  type Authority,
  createAuthorityCa,
  createServerCa,
  fingerprint,
  type IssueOptions,
  issueCredential,
  issueServerCertificate,
  selfIssue,
  type VerifyOptions,
  verifyPeer,
} from './credential.ts';
import { createIdentity, rotateIdentity } from './identity.ts';
import { attestLeaf, generateLeafKey } from './leaf.ts';

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const identity = createIdentity(NOW_MS);
const { identifier } = identity.identity;
const leaf = generateLeafKey();
const evidence = attestLeaf(identity, leaf.publicKeySpki);
let authority: Authority;
let other: Authority;
let options: IssueOptions;
let trusting: VerifyOptions;
const der = (pem: string): Buffer => new X509Certificate(pem).raw;
const issueDer = async (changes: Partial<IssueOptions> = {}): Promise<Buffer> =>
  der((await issueCredential({ ...options, ...changes })).certificatePem);

beforeAll(async () => {
  [authority, other] = await Promise.all([createAuthorityCa('p1'), createAuthorityCa('p1')]);
  options = {
    ...{ authority, projectId: 'p1', identifier, attributes: { component: 'web' }, generation: 3 },
    ...{ spki: leaf.publicKeySpki, evidence, nowMs: NOW_MS, validityMs: HOUR_MS },
  };
  const authorityCertificatePem = authority.certificatePem;
  trusting = { authorityCertificatePem, projectId: 'p1', nowMs: NOW_MS };
});

describe('a credential of the project', () => {
  it('says who holds it, with which attributes and until when', async () => {
    const issued = await issueCredential(options);
    const peer = verifyPeer(der(issued.certificatePem), trusting);
    expect(peer).toMatchObject({
      ...{ identifier, projectId: 'p1', attributes: { component: 'web' }, generation: 3 },
      ...{ hasCredential: true, notAfterMs: issued.notAfterMs },
    });
    expect(peer.serial.replace(/^0+/, '').toLowerCase()).toBe(issued.serial.replace(/^0+/, ''));
    expect(Math.abs(issued.notAfterMs - NOW_MS - HOUR_MS)).toBeLessThan(1_000);
  });
  it('verifies after its identity rotated its key', async () => {
    const rotated = rotateIdentity(identity, NOW_MS);
    const bytes = await issueDer({ evidence: attestLeaf(rotated, leaf.publicKeySpki) });
    expect(verifyPeer(bytes, trusting).identifier).toBe(identifier);
  });
  it('tolerates a clock that is a few minutes behind', async () =>
    expect(
      verifyPeer(await issueDer(), { ...trusting, nowMs: NOW_MS - 9 * 60_000 }),
    ).toBeDefined());
});

describe('a credential is refused', () => {
  const refusedFor = async (
    why: string | RegExp,
    changes: Partial<IssueOptions>,
    verifying: Partial<VerifyOptions> = {},
  ): Promise<void> => {
    const bytes = await issueDer(changes);
    expect(() => verifyPeer(bytes, { ...trusting, ...verifying })).toThrow(
      expect.objectContaining({ code: 'denied', message: expect.stringMatching(why) }),
    );
  };
  it('when it has expired, to the second', async () => {
    await refusedFor(/expired at 20/, {}, { nowMs: NOW_MS + HOUR_MS + 1 });
    const bytes = await issueDer();
    expect(verifyPeer(bytes, { ...trusting, nowMs: NOW_MS + HOUR_MS - 1_000 })).toBeDefined();
  });
  it('when it is not yet valid', () =>
    refusedFor('is not valid before', {}, { nowMs: NOW_MS - 11 * 60_000 }));
  it('when another authority of the same name issued it', () =>
    refusedFor('holds no credential of this project', { authority: other }));
  it('when the server CA issued it', async () =>
    refusedFor('holds no credential', { authority: await createServerCa('p1') }));
  it('when it is for another project', async () => {
    await refusedFor('names another member or project', { projectId: 'p2' });
    await refusedFor('names another member or project', {}, { projectId: 'p2' });
  });
  it('when its generation is revoked, and a later one is not', async () => {
    const isRevoked = (who: string, generation: number): boolean =>
      who === identifier && generation < 4;
    await refusedFor('was revoked', {}, { isRevoked });
    const later = await issueDer({ generation: 4 });
    expect(verifyPeer(later, { ...trusting, isRevoked }).generation).toBe(4);
  });
  it('when the identity issued it to itself', async () => {
    const bytes = der(await selfIssue(identity, leaf, NOW_MS));
    expect(() => verifyPeer(bytes, trusting)).toThrow('holds no credential of this project');
    expect(verifyPeer(bytes, { nowMs: NOW_MS })).toMatchObject({
      ...{ identifier, hasCredential: false, attributes: {}, generation: 0 },
    });
  });
  it('when it is the certificate of the authority, of the server or of nobody', async () => {
    const ca = await createServerCa('s');
    const server = await issueServerCertificate({
      ca,
      names: ['localhost'],
      leaf,
      nowMs: NOW_MS,
      validityMs: HOUR_MS,
    });
    for (const pem of [authority.certificatePem, server])
      expect(() => verifyPeer(der(pem), trusting)).toThrow('The peer presented no identity');
  });
});

describe('an authority does not issue', () => {
  const stranger = createIdentity(NOW_MS);
  it("a credential on another identity's evidence", () =>
    expect(
      issueCredential({ ...options, identifier: stranger.identity.identifier }),
    ).rejects.toThrow('The evidence belongs to another identity'));
  it('a credential for a leaf key that the identity did not sign', () =>
    expect(
      issueCredential({ ...options, spki: generateLeafKey().publicKeySpki }),
    ).rejects.toMatchObject({ code: 'invalid' }));
  it('a credential for a leaf key that somebody else signed in the name of the identity', () => {
    const { signature } = attestLeaf(stranger, leaf.publicKeySpki);
    const forged = { changeHistory: identity.identity.changeHistory, signature };
    return expect(issueCredential({ ...options, evidence: forged })).rejects.toMatchObject({
      code: 'invalid',
    });
  });
  it('more attributes than fit', () =>
    expect(issueCredential({ ...options, attributes: { a: 'x'.repeat(8_192) } })).rejects.toThrow(
      'more than 8192 bytes',
    ));
  it('attributes that arrive changed, whatever they are', async () => {
    const attributes = { 'a.b-c': '', ü: '\u0000"\\', toString: 'y' };
    expect(verifyPeer(await issueDer({ attributes }), trusting).attributes).toEqual(attributes);
  });
});

describe('what was tampered with', () => {
  const failure = (bytes: Uint8Array, verifying: VerifyOptions): unknown => {
    try {
      verifyPeer(bytes, verifying);
      return undefined;
    } catch (reason) {
      return reason;
    }
  };
  it('is refused at every byte', async () => {
    const bytes = await issueDer();
    for (let at = 0; at < bytes.length; at++) {
      const mutated = Buffer.from(bytes);
      mutated[at] = (mutated[at] ?? 0) ^ (1 << (at % 8));
      const reason = failure(mutated, trusting);
      expect(reason instanceof PosternError && reason.code, `byte ${at}`).toBe('denied');
    }
  });
  it('never crashes, with or without an authority', async () => {
    const bytes = await issueDer();
    const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 });
    const mutated = flips.map((f) => {
      const copy = Buffer.from(bytes);
      for (const [at, to] of f) copy[at] = to;
      return copy;
    });
    const cut = fc.nat(bytes.length - 1).map((n) => bytes.subarray(0, n));
    fc.assert(
      fc.property(fc.oneof(mutated, cut, fc.uint8Array()), fc.boolean(), (b, isTrusting) => {
        const reason = failure(b, isTrusting ? trusting : { nowMs: NOW_MS });
        if (reason !== undefined) expect(reason).toMatchObject({ code: 'denied' });
      }),
      { numRuns: 300 },
    );
  });
  it('such as the key: a certificate around another key is refused without an authority too', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const bytes = await issueDer();
    const at = bytes.indexOf(leaf.publicKeySpki);
    expect(at).toBeGreaterThan(0);
    const swapped = Buffer.concat([bytes.subarray(0, at), spki, bytes.subarray(at + spki.length)]);
    expect(failure(swapped, { nowMs: NOW_MS })).toMatchObject({ code: 'denied' });
  });
});

it('a fingerprint is of the certificate, not of how it is written', () => {
  const pem = authority.certificatePem;
  expect(fingerprint(`\n${pem.trim()}\n\n`)).toBe(fingerprint(pem));
  expect(fingerprint(pem)).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprint(other.certificatePem)).not.toBe(fingerprint(pem));
});
