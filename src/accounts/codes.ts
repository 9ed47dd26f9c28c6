/**
 * Six-digit codes and link tokens. A flow keeps a keyed hash of each, never the code; a code is good for one flow, a few
 * tries and a while. INVARIANT: a try is counted in the store before its answer is told.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Fabric } from '../fabric/index.ts';
import type { JsonObject, Via } from './account.ts';
import { type Flow, recordOf, withNote } from './flows/flow.ts';

const KEY = 'accounts/codes';
const CODE_DIGITS = 6;
const TOKEN_BYTES = 24;
const NOTE = 'code';

/** What a flow remembers of a code that was sent. */
export interface SentCode {
  readonly hash: string;
  readonly address: string;
  readonly via: Via;
  /** Whom it is for; undefined where nobody has the address. */
  readonly accountId: string | undefined;
  readonly expiresAtMs: number;
  readonly triesLeft: number;
}

export function newCode(): string {
  return String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0');
}
export function newLinkToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

async function hashOf(fabric: Fabric, flowId: string, code: string): Promise<string> {
  const key = await fabric.keyring.secret(KEY);
  return createHmac('sha256', key).update(`${flowId}\0${code}`).digest('base64url');
}

/** The flow with a code noted; it takes the place of one that was sent before. */
export async function noteCode(
  fabric: Fabric,
  flow: Flow,
  code: string,
  o: Omit<SentCode, 'hash'>,
): Promise<Flow> {
  const note: JsonObject = {
    hash: await hashOf(fabric, flow.id, code),
    address: o.address,
    via: o.via,
    account_id: o.accountId ?? null,
    expires_at_ms: o.expiresAtMs,
    tries_left: o.triesLeft,
  };
  return withNote(flow, NOTE, note);
}

/** The code that a flow remembers; undefined when none was sent. */
export function sentCode(flow: Flow): SentCode | undefined {
  // Written by noteCode.
  const n = recordOf<JsonObject>(flow, NOTE);
  if (n === undefined) return undefined;
  return {
    hash: String(n['hash']),
    address: String(n['address']),
    via: n['via'] === 'sms' ? 'sms' : 'email',
    accountId: typeof n['account_id'] === 'string' ? n['account_id'] : undefined,
    expiresAtMs: Number(n['expires_at_ms']),
    triesLeft: Number(n['tries_left']),
  };
}

/** The flow with one try fewer, to be stored before the try is judged. */
export function countTry(flow: Flow, sent: SentCode): Flow {
  const before = recordOf<JsonObject>(flow, NOTE) ?? {};
  return withNote(flow, NOTE, { ...before, tries_left: sent.triesLeft - 1 });
}
export function forgetCode(flow: Flow): Flow {
  return withNote(flow, NOTE, undefined);
}

/** Whether a code is the one that was sent, in time. */
export async function isCode(
  fabric: Fabric,
  flow: Flow,
  sent: SentCode,
  given: string,
  nowMs: number,
): Promise<boolean> {
  const expected = Buffer.from(sent.hash);
  const actual = Buffer.from(await hashOf(fabric, flow.id, given.trim()));
  const isSame = expected.length === actual.length && timingSafeEqual(expected, actual);
  return isSame && nowMs < sent.expiresAtMs && sent.triesLeft > 0;
}
