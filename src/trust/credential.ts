/**
 * Credentials: X.509 certificates (RFC 5280) in the shape of X509-SVIDs, issued by a project's authority for a leaf key.
 * A credential names its member by the URI SAN `spiffe://<project id>/identity/<identifier>` and carries two extensions
 * of ours: the attributes with the member's generation, and the identity's evidence for the leaf key.
 *
 * INVARIANT: a peer is who its evidence says, and a member only when the project's CA signed exactly this leaf.
 * What it refuses: a chain of any other length, a leaf that is a CA, a SAN that differs from the evidence, an expired
 * or revoked credential. Expiry is judged by the caller's clock.
 */
import 'reflect-metadata';
import {
  createHash,
  createPrivateKey,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { PosternError } from '../kernel/index.ts';
import { type IdentityKeys, isIdentifier } from './identity.ts';
import { attestLeaf, type Evidence, type LeafKey, verifyEvidence } from './leaf.ts';

x509.cryptoProvider.set(webcrypto);

/** Who is at the other end of a channel, as verified. */
export interface Peer {
  readonly identifier: string;
  readonly projectId?: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly hasCredential: boolean;
  readonly generation: number;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}
export interface Authority {
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
}
export interface IssueOptions {
  readonly authority: Authority;
  readonly projectId: string;
  readonly identifier: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly generation: number;
  readonly spki: Uint8Array;
  readonly evidence: Evidence;
  readonly nowMs: number;
  readonly validityMs: number;
}
export interface IssuedCredential {
  readonly certificatePem: string;
  readonly serial: string;
  readonly notAfterMs: number;
}
export interface VerifyOptions {
  readonly authorityCertificatePem?: string;
  readonly projectId?: string;
  readonly nowMs: number;
  isRevoked?(identifier: string, generation: number): boolean;
}

/** Private arcs under the UUID-derived branch 2.25 (ITU-T X.667): nobody else's. */
const OID_ATTRIBUTES = '2.25.204816513792461.1';
const OID_EVIDENCE = '2.25.204816513792461.2';
/** Extensions that may be critical: basic constraints, key usage, extended key usage, subject alternative name. */
const UNDERSTOOD = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17']);
const BACKDATE_MS = 10 * 60_000;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;
/** Attributes that fit a handshake without fragmenting it badly. */
const ATTRIBUTES_BYTES_MAX = 8 * 1024;
/** Of projects, whose certificates only machines of ours read. */
const ED25519 = { name: 'Ed25519' } as const;
/** Of a server's listeners, which browsers open: they take no Ed25519. */
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const algorithmOf = (key: KeyObject): typeof ED25519 | typeof P256 =>
  key.asymmetricKeyType === 'ec' ? P256 : ED25519;
const toWebKey = (key: KeyObject): Promise<CryptoKey> => {
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, algorithmOf(key), true, ['sign']);
};
const serial = (): string => `00${randomBytes(15).toString('hex')}`;
const denied = (why: string, cause?: unknown): PosternError =>
  new PosternError('denied', why, { cause });

function packEvidence(e: Evidence): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(e.changeHistory.length);
  return Buffer.concat([length, e.changeHistory, e.signature]);
}
function unpackEvidence(bytes: Buffer): Evidence {
  if (bytes.length < 66) throw denied('The credential carries no usable evidence');
  const end = 2 + bytes.readUInt16BE(0);
  return { changeHistory: bytes.subarray(2, end), signature: bytes.subarray(end) };
}

/** A SHA-256 fingerprint of a PEM certificate's DER, lower-case hex. */
export function fingerprint(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
}

async function createCa(
  name: string,
  algorithm: typeof ED25519 | typeof P256,
  extra: x509.Extension[],
): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new PosternError('internal', 'no key pair');
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + TEN_YEARS_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...extra,
    ],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
    certificatePem: certificate.toString('pem'),
  };
}

/** Makes a project's certificate authority, valid ten years. */
export function createAuthorityCa(projectId: string): Promise<Authority> {
  return createCa(`Postern project ${projectId}`, ED25519, [
    new x509.SubjectAlternativeNameExtension(
      [{ type: 'url', value: `spiffe://${projectId}` }],
      false,
    ),
  ]);
}

/** Makes a server's certificate authority, which signs only the certificates of its own listeners. */
export function createServerCa(name: string): Promise<Authority> {
  return createCa(`Postern server ${name}`, P256, []);
}

async function issue(
  issuer: { subject: string; key: KeyObject },
  spki: Uint8Array,
  window: { notBefore: Date; notAfter: Date },
  subject: string,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: issuer.subject,
    ...window,
    signingKey: await toWebKey(issuer.key),
    publicKey: new x509.PublicKey(new Uint8Array(spki)),
    signingAlgorithm: algorithmOf(issuer.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      ...extensions,
    ],
  });
}

/** Issues a credential. Throws `invalid` when the evidence is not the identifier's, or the attributes are too large. */
export async function issueCredential(o: IssueOptions): Promise<IssuedCredential> {
  if (verifyEvidence(o.evidence, o.spki).identifier !== o.identifier)
    throw new PosternError('invalid', 'The evidence belongs to another identity');
  const attributes = Buffer.from(
    JSON.stringify({ attributes: o.attributes, generation: o.generation }),
  );
  if (attributes.length > ATTRIBUTES_BYTES_MAX)
    throw new PosternError(
      'invalid',
      `The attributes take more than ${ATTRIBUTES_BYTES_MAX} bytes`,
    );
  const notAfter = new Date(Math.floor((o.nowMs + o.validityMs) / 1000) * 1000);
  const certificate = await issue(
    {
      subject: new X509Certificate(o.authority.certificatePem).subject,
      key: o.authority.privateKey,
    },
    o.spki,
    { notBefore: new Date(o.nowMs - BACKDATE_MS), notAfter },
    '',
    [
      new x509.SubjectAlternativeNameExtension(
        [{ type: 'url', value: `spiffe://${o.projectId}/identity/${o.identifier}` }],
        true,
      ),
      new x509.Extension(OID_ATTRIBUTES, false, attributes),
      new x509.Extension(OID_EVIDENCE, false, packEvidence(o.evidence)),
    ],
  );
  return {
    certificatePem: certificate.toString('pem'),
    serial: certificate.serialNumber,
    notAfterMs: notAfter.getTime(),
  };
}

/** A certificate for a node without a project: signed by the leaf itself, it proves the identity and no attribute. */
export async function selfIssue(keys: IdentityKeys, leaf: LeafKey, nowMs: number): Promise<string> {
  const certificate = await issue(
    { subject: '', key: leaf.privateKey },
    leaf.publicKeySpki,
    { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + TEN_YEARS_MS) },
    '',
    [
      new x509.SubjectAlternativeNameExtension(
        [{ type: 'url', value: `spiffe://none/identity/${keys.identity.identifier}` }],
        true,
      ),
      new x509.Extension(OID_EVIDENCE, false, packEvidence(attestLeaf(keys, leaf.publicKeySpki))),
    ],
  );
  return certificate.toString('pem');
}

/** Issues a certificate for the server's own listeners. `names` are DNS names or IP addresses. */
export async function issueServerCertificate(o: {
  readonly ca: Authority;
  readonly names: readonly string[];
  readonly leaf: LeafKey;
  readonly nowMs: number;
  readonly validityMs: number;
}): Promise<string> {
  const certificate = await issue(
    { subject: new X509Certificate(o.ca.certificatePem).subject, key: o.ca.privateKey },
    o.leaf.publicKeySpki,
    { notBefore: new Date(o.nowMs - BACKDATE_MS), notAfter: new Date(o.nowMs + o.validityMs) },
    'CN=Postern server',
    [
      new x509.SubjectAlternativeNameExtension(
        o.names.map((value) => ({
          type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const),
          value,
        })),
      ),
    ],
  );
  return certificate.toString('pem');
}

function readAttributes(certificate: x509.X509Certificate): {
  attributes: Record<string, string>;
  generation: number;
} {
  const extension = certificate.getExtension(OID_ATTRIBUTES);
  if (!extension || extension.value.byteLength > ATTRIBUTES_BYTES_MAX)
    throw denied('The credential carries no usable attributes');
  const parsed: unknown = JSON.parse(Buffer.from(extension.value).toString());
  if (
    typeof parsed !== 'object' ||
    parsed === null ||
    !('attributes' in parsed) ||
    !('generation' in parsed)
  )
    throw denied('The credential carries no usable attributes');
  if (typeof parsed.generation !== 'number') throw denied('The credential carries no generation');
  const attributes: Record<string, string> = {};
  for (const [k, v] of Object.entries(parsed.attributes ?? {}))
    if (typeof v === 'string') attributes[k] = v;
  return { attributes, generation: parsed.generation };
}

/**
 * Verifies a peer's leaf certificate. With an authority the leaf must be issued directly by it, valid now and not
 * revoked; without one the peer is whoever its evidence proves, with no attributes. Throws `denied` with the reason.
 */
export function verifyPeer(leafDer: Uint8Array, options: VerifyOptions): Peer {
  try {
    return verify(leafDer, options);
  } catch (reason) {
    if (reason instanceof PosternError && reason.code === 'denied') throw reason;
    const why = reason instanceof PosternError ? reason.message : 'it cannot be read';
    throw denied(`The peer's credential is refused: ${why}`, reason);
  }
}

function verify(leafDer: Uint8Array, options: VerifyOptions): Peer {
  const leaf = new X509Certificate(leafDer);
  const parsed = new x509.X509Certificate(new Uint8Array(leafDer));
  const evidence = parsed.getExtension(OID_EVIDENCE);
  if (!evidence) throw denied('The peer presented no identity');
  // RFC 5280 section 4.2: what is critical and not understood refuses the certificate.
  const unknown = parsed.extensions.find((e) => e.critical && !UNDERSTOOD.has(e.type));
  if (unknown !== undefined)
    throw denied(`The credential demands the unknown extension ${unknown.type}`);
  const spki = leaf.publicKey.export({ format: 'der', type: 'spki' });
  const { identifier } = verifyEvidence(unpackEvidence(Buffer.from(evidence.value)), spki);
  const notBeforeMs = leaf.validFromDate.getTime();
  const notAfterMs = leaf.validToDate.getTime();
  if (leaf.ca) throw denied('The peer presented a certificate authority as its credential');
  if (options.nowMs > notAfterMs)
    throw denied(`The credential of ${identifier} expired at ${leaf.validToDate.toISOString()}`);
  if (options.nowMs < notBeforeMs)
    throw denied(
      `The credential of ${identifier} is not valid before ${leaf.validFromDate.toISOString()}`,
    );
  const base = { identifier, serial: leaf.serialNumber, notBeforeMs, notAfterMs };
  if (options.authorityCertificatePem === undefined)
    return { ...base, attributes: {}, hasCredential: false, generation: 0 };
  const authority = new X509Certificate(options.authorityCertificatePem);
  if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey))
    throw denied(`${identifier} holds no credential of this project`);
  const san = `URI:spiffe://${options.projectId}/identity/${identifier}`;
  if (!isIdentifier(identifier) || leaf.subjectAltName !== san)
    throw denied(`The credential of ${identifier} names another member or project`);
  const { attributes, generation } = readAttributes(parsed);
  if (options.isRevoked?.(identifier, generation)) throw denied(`${identifier} was revoked`);
  return {
    ...base,
    ...(options.projectId === undefined ? {} : { projectId: options.projectId }),
    attributes,
    hasCredential: true,
    generation,
  };
}
