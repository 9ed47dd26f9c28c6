/**
 * Consistency tokens (zookies, Zanzibar §2.2) and page tokens: opaque texts, versioned. A token names the store and a
 * revision of it, so that one from another installation is refused and not misread. They are no secrets and give no
 * rights: whoever may ask may ask at any revision within the window.
 */
import { createHash } from 'node:crypto';
import { PosternError } from '../kernel/index.ts';

const TOKEN_VERSION = 1;
const TOKEN_BYTES = 17;
/** How long a page token is good. */
export const PAGE_TOKEN_MS = 3_600_000;
const PAGE_TOKEN_LENGTH_MAX = 1 << 20;

/** The token of a revision. `storeId` is 16 hexadecimal digits. */
export function encodeToken(storeId: string, revision: number): string {
  const bytes = Buffer.alloc(TOKEN_BYTES);
  bytes.writeUInt8(TOKEN_VERSION, 0);
  bytes.write(storeId, 1, 'hex');
  bytes.writeBigUInt64BE(BigInt(revision), 9);
  return bytes.toString('base64url');
}

/** The revision that a token names. Throws `invalid` for what is no token, or one of another store. */
export function decodeToken(storeId: string, token: string): number {
  const bytes = Buffer.from(token, 'base64url');
  const isToken =
    bytes.length === TOKEN_BYTES &&
    bytes.toString('base64url') === token &&
    bytes.readUInt8(0) === TOKEN_VERSION;
  if (!isToken) throw new PosternError('invalid', 'The snaptoken is malformed');
  if (bytes.toString('hex', 1, 9) !== storeId)
    throw new PosternError('invalid', 'The snaptoken is of another store');
  const revision = bytes.readBigUInt64BE(9);
  if (revision > BigInt(Number.MAX_SAFE_INTEGER))
    throw new PosternError('invalid', 'The snaptoken is malformed');
  return Number(revision);
}

/** Where a list goes on. */
export interface PageState {
  /** The revision and the instant of the first page; the list stays of them. */
  readonly revision: number;
  readonly atMs: number;
  readonly modelId: string;
  /** The list's own place. */
  readonly after: string;
}

function questionHash(question: unknown): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 16);
}

/** `question` is what the list was asked; a token is good for the same question alone. */
export function encodePageToken(storeId: string, question: unknown, page: PageState): string {
  const { revision, atMs, modelId, after } = page;
  const parts = [TOKEN_VERSION, storeId, questionHash(question), revision, atMs, modelId, after];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** Throws `invalid` for a token that is malformed, too old, or of another question. */
export function decodePageToken(
  storeId: string,
  question: unknown,
  token: string,
  nowMs: number,
): PageState {
  const refuse = (why: string): PosternError =>
    new PosternError('invalid', `The page token is ${why}`);
  if (token.length > PAGE_TOKEN_LENGTH_MAX) throw refuse('malformed');
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw refuse('malformed');
  }
  if (!Array.isArray(parts) || parts.length !== 7) throw refuse('malformed');
  const [version, store, hash, revision, atMs, modelId, after]: unknown[] = parts;
  if (
    version !== TOKEN_VERSION ||
    typeof revision !== 'number' ||
    !Number.isSafeInteger(revision) ||
    typeof atMs !== 'number' ||
    !Number.isSafeInteger(atMs) ||
    typeof modelId !== 'string' ||
    typeof after !== 'string'
  )
    throw refuse('malformed');
  if (store !== storeId || hash !== questionHash(question)) throw refuse('of another question');
  if (atMs > nowMs + PAGE_TOKEN_MS || atMs < nowMs - PAGE_TOKEN_MS) throw refuse('too old');
  return { revision, atMs, modelId, after };
}
