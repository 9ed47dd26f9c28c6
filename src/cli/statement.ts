/**
 * Credentials that one identity issues to another by hand: a JSON Web Token (RFC 7519) signed with the issuer's Ed25519
 * key (RFC 8037), the issuer's change history in its header, so that the identifier alone verifies it. Pure.
 */
import { sign, verify } from 'node:crypto';
import { PosternError } from '../kernel/index.ts';
import { type IdentityKeys, verifyChangeHistory } from '../trust/light.ts';
import { field } from './json.ts';

export interface Statement {
  readonly issuer: string;
  readonly subject: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly createdAtS: number;
  readonly expiresAtS: number;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const STATEMENT_CHARS_MAX = 64 * 1024;

/** Signs a statement. */
export function signStatement(keys: IdentityKeys, s: Omit<Statement, 'issuer'>): string {
  const header = {
    alg: 'EdDSA',
    typ: 'postern-credential+jwt',
    change_history: keys.identity.changeHistory.toString('base64url'),
  };
  const claims = {
    iss: keys.identity.identifier,
    sub: s.subject,
    iat: s.createdAtS,
    exp: s.expiresAtS,
    attributes: s.attributes,
  };
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), keys.privateKey).toString('base64url')}`;
}

/** Verifies a statement, as text or as hex of the text. Throws `invalid`. */
export function verifyStatement(given: string, issuer: string, nowMs: number): Statement {
  const line = given.trim();
  if (line.length > STATEMENT_CHARS_MAX) throw refuse('it is too long');
  const token = /^([0-9a-fA-F]{2})+$/.test(line) ? Buffer.from(line, 'hex').toString() : line;
  const [head = '', body = '', signature = '', more] = token.split('.');
  if (signature === '' || more !== undefined) throw refuse('it is not a signed statement');
  const [header, claims] = [decode(head), decode(body)];
  const history = field(header, 'change_history');
  if (field(header, 'alg') !== 'EdDSA' || typeof history !== 'string')
    throw refuse('its header is unknown');
  const { identifier, publicKey } = verifyChangeHistory(Buffer.from(history, 'base64url'));
  if (identifier !== issuer || field(claims, 'iss') !== issuer)
    throw refuse('another identity issued it');
  const bytes = Buffer.from(signature, 'base64url');
  if (bytes.length !== 64 || !verify(null, Buffer.from(`${head}.${body}`), publicKey, bytes))
    throw refuse('its signature does not match');
  const statement = readClaims(claims, issuer);
  if (statement.expiresAtS * 1000 < nowMs) throw refuse('it has expired');
  return statement;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch (cause) {
    throw refuse('it is not JSON', cause);
  }
}

function readClaims(claims: unknown, issuer: string): Statement {
  const [subject, createdAtS, expiresAtS] = [
    field(claims, 'sub'),
    field(claims, 'iat'),
    field(claims, 'exp'),
  ];
  const attributes = field(claims, 'attributes');
  if (
    typeof subject !== 'string' ||
    typeof createdAtS !== 'number' ||
    typeof expiresAtS !== 'number' ||
    typeof attributes !== 'object' ||
    attributes === null
  )
    throw refuse('a claim is missing');
  return {
    issuer,
    subject,
    createdAtS,
    expiresAtS,
    attributes: Object.fromEntries(Object.entries(attributes).map(([k, v]) => [k, String(v)])),
  };
}

const refuse = (why: string, cause?: unknown): PosternError =>
  new PosternError('invalid', `The credential is not valid: ${why}`, { cause });
