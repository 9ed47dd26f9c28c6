/**
 * The courier: puts messages into the store in the transaction of what they tell of, and sends them from there.
 * INVARIANT: a message is taken by one server at a time, under a lease that is renewed before it is sent; a mail server that
 * is away costs nothing but time, and only its refusals count as tries. A message is sent twice in one case alone: when the
 * server dies between the mail server's yes and the note of it; both copies then bear one Message-ID.
 */

import type { SelectQueryBuilder, Transaction } from 'kysely';
import type { Fabric } from '../../fabric/index.ts';
import { type Clock, type Logger, newUuid } from '../../kernel/index.ts';
import {
  type AccountMessagesTable,
  type Database,
  nextNumber,
  type Store,
  sweepInTurns,
} from '../../store/index.ts';
import type { JsonObject, Via } from '../account.ts';
import type { CourierConfig } from '../config/config.ts';
import type { MessageQueue, NewMessage, TemplateType } from '../services.ts';
import { type Channel, DeliveryRefused } from './channel.ts';
import { HttpChannel } from './http-channel.ts';
import { templateDataJson, templateFields } from './message-fields.ts';
import { withOwn } from './own-templates.ts';
import { SmtpChannel } from './smtp.ts';
import { type Rendered, renderTemplate } from './templates.ts';

const SEAL = 'accounts/messages';
const VIAS: readonly Via[] = ['email', 'sms'];
const LEASE_MS = 120_000;
/** Longer than a mail server takes that answers each command at the last moment. */
const SEND_LEASE_MS = 300_000;
const SWEEP_ROWS = 500;
const SWEEP_INTERVAL_MS = 60_000;
/** As long as sessions that are over. */
const KEPT_MS = 30 * 24 * 3_600_000;
const FIRST_WAIT_MS = 5_000;
const WAIT_MS_MAX = 5 * 60_000;
/** Older than this, no code in it is good any more. */
const AGE_MS_MAX = 24 * 3_600_000;

export type MessageStatus = 'queued' | 'processing' | 'sent' | 'abandoned';

export interface Dispatch {
  readonly id: string;
  readonly status: 'success' | 'failed';
  readonly error?: string;
  /** Whether the mail server had it and would not take it. */
  readonly isRefused?: boolean;
  readonly atMs: number;
}

/** A message as administrators see it. */
export interface CourierMessage {
  readonly id: string;
  readonly status: MessageStatus;
  readonly type: string;
  readonly channel: string;
  readonly recipient: string;
  readonly templateType: string;
  readonly subject: string;
  readonly body: string;
  readonly sendCount: number;
  readonly dispatches: readonly Dispatch[];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface CourierParts {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: CourierConfig;
  /** The host name that messages are from. */
  readonly site: string;
  /** Of the organisation that they are from; the host name without one. */
  readonly name?: string | undefined;
}

function statusOf(text: string): MessageStatus {
  return text === 'processing' || text === 'sent' || text === 'abandoned' ? text : 'queued';
}

/** What a message is kept as, sealed. */
interface Kept extends Rendered {
  readonly data?: JsonObject;
}

function dispatchesOf({ dispatches_json }: AccountMessagesTable): Dispatch[] {
  // Written by this module.
  return JSON.parse(dispatches_json) as Dispatch[];
}

export class Courier implements MessageQueue {
  readonly #parts: CourierParts;
  readonly #id = newUuid();
  readonly #channels = new Map<Via, Channel>();
  #timer: NodeJS.Timeout | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #work: Promise<void> | undefined;
  #isClosed = false;
  #hasSaidHow = false;

  /** Throws `invalid` for a connection URI that is none. */
  constructor(parts: CourierParts) {
    this.#parts = parts;
    const { smtp, channels } = parts.config;
    if (smtp !== undefined)
      this.#channels.set('email', new SmtpChannel(smtp, parts.name ?? parts.site));
    for (const [via, request] of channels) this.#channels.set(via, new HttpChannel(request));
  }

  async prepare(message: NewMessage): Promise<(trx: Transaction<Database>) => Promise<void>> {
    const { fabric, clock, site, name, config, logger } = this.#parts;
    const { templateType: type, via } = message;
    const fields = templateFields(message);
    const builtIn = renderTemplate(type, { site, name, via, data: message.data });
    const kept: Kept = {
      ...withOwn(config.templates, { type, via, fields }, builtIn, logger),
      data: templateDataJson(fields),
    };
    const sealed = await fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify(kept)));
    return async (trx) => {
      const nowMs = clock.now();
      await trx
        .insertInto('account_messages')
        .values({
          id: newUuid(),
          number: await nextNumber(trx, 'account_messages'),
          status: 'queued',
          type: message.via === 'sms' ? 'phone' : 'email',
          channel: message.via,
          recipient: message.recipient,
          template_type: message.templateType satisfies TemplateType,
          content_sealed: sealed,
          send_count: 0,
          dispatches_json: '[]',
          next_at_ms: nowMs,
          taken_by: null,
          taken_until_ms: null,
          created_at_ms: nowMs,
          updated_at_ms: nowMs,
        })
        .execute();
    };
  }

  /** Begins to send. */
  start(): void {
    this.#sweeper = setInterval(() => void this.#sweepAll(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
    const turn = (): void => {
      this.#work = this.sendDue()
        .catch((reason: unknown) =>
          this.#parts.logger.warn({ err: reason }, 'messages could not be sent; it is tried again'),
        )
        .then(() => {
          if (!this.#isClosed) this.#timer = setTimeout(turn, this.#parts.config.pullWaitMs);
        });
    };
    turn();
  }

  async #sweepAll(): Promise<void> {
    try {
      await sweepInTurns(() => this.sweep(KEPT_MS));
    } catch (reason) {
      this.#parts.logger.warn({ err: reason }, 'old messages could not be removed; tried again');
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#sweeper);
    await this.#work;
    for (const channel of this.#channels.values()) channel.close();
  }

  /** Sends what is due now; answers how many messages were sent. */
  async sendDue(): Promise<number> {
    const taken = await this.#take();
    let count = 0;
    for (const row of taken) if (await this.#send(row)) count += 1;
    return count;
  }

  async #take(): Promise<AccountMessagesTable[]> {
    const { store, clock, config } = this.#parts;
    const nowMs = clock.now();
    const query = store.db
      .selectFrom('account_messages')
      .select('id')
      .where('status', 'in', ['queued', 'processing'])
      .where('next_at_ms', '<=', nowMs)
      // What another server holds must not keep this one from what is behind it.
      .where((eb) => eb.or([eb('taken_until_ms', 'is', null), eb('taken_until_ms', '<=', nowMs)]))
      .orderBy('number')
      .limit(config.pullCount);
    const open = [...this.#channels.keys()];
    const due = open.length === 0 ? [] : await query.where('channel', 'in', open).execute();
    if (due.length === 0) {
      if (!this.#hasSaidHow && open.length < VIAS.length) await this.#tellWaiting(query, open);
      return [];
    }
    return store.write((trx) =>
      trx
        .updateTable('account_messages')
        .set({
          status: 'processing',
          taken_by: this.#id,
          taken_until_ms: nowMs + LEASE_MS,
          updated_at_ms: nowMs,
        })
        .where(
          'id',
          'in',
          due.map((d) => d.id),
        )
        .where('status', 'in', ['queued', 'processing'])
        .where((eb) => eb.or([eb('taken_until_ms', 'is', null), eb('taken_until_ms', '<=', nowMs)]))
        .returningAll()
        .execute(),
    );
  }

  /** Says once that nothing can carry what waits. */
  async #tellWaiting(
    due: SelectQueryBuilder<Database, 'account_messages', { id: string }>,
    open: readonly Via[],
  ): Promise<void> {
    const closed = VIAS.filter((via) => !open.includes(via));
    const [first] = await due.where('channel', 'in', closed).limit(1).execute();
    if (first === undefined) return;
    this.#hasSaidHow = true;
    this.#parts.logger.warn(
      { closed },
      'messages wait: nothing is configured that sends them (courier.smtp.connection_uri, courier.channels)',
    );
  }

  /** Renews the lease of one message; false when it ran out meanwhile, and another server may be sending it. */
  async #isStillOurs(id: string): Promise<boolean> {
    const { store, clock } = this.#parts;
    const nowMs = clock.now();
    const { numUpdatedRows } = await store.write((trx) =>
      trx
        .updateTable('account_messages')
        .set({ taken_until_ms: nowMs + SEND_LEASE_MS })
        .where('id', '=', id)
        .where('taken_by', '=', this.#id)
        .where('taken_until_ms', '>', nowMs)
        .executeTakeFirst(),
    );
    return numUpdatedRows > 0n;
  }

  async #send(row: AccountMessagesTable): Promise<boolean> {
    const { clock } = this.#parts;
    const channel = this.#channels.get(row.channel === 'sms' ? 'sms' : 'email');
    if (channel === undefined || !(await this.#isStillOurs(row.id))) return false;
    try {
      const { data = {}, ...content } = await this.#open(row.content_sealed);
      await channel.send({
        ...{ id: row.id, recipient: row.recipient, templateType: row.template_type },
        ...{ type: row.type === 'phone' ? 'phone' : 'email', content, data },
      });
      await this.#note(row, 'sent', { id: newUuid(), status: 'success', atMs: clock.now() }, 0);
      return true;
    } catch (reason) {
      await this.#fail(row, reason);
      return false;
    }
  }

  async #fail(row: AccountMessagesTable, reason: unknown): Promise<void> {
    const { clock, config, logger } = this.#parts;
    const nowMs = clock.now();
    const tries = row.send_count + 1;
    const isRefused = reason instanceof DeliveryRefused;
    const refusals = dispatchesOf(row).filter((d) => d.isRefused === true).length;
    const isOver =
      (isRefused && refusals >= config.messageRetries) || nowMs - row.created_at_ms > AGE_MS_MAX;
    const error = reason instanceof Error ? reason.message.slice(0, 500) : 'unknown';
    logger.warn({ id: row.id, error, tries }, 'a message was not sent');
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 10), WAIT_MS_MAX);
    const dispatch: Dispatch = {
      ...{ id: newUuid(), status: 'failed', error, atMs: nowMs },
      ...(isRefused ? { isRefused } : {}),
    };
    await this.#note(row, isOver ? 'abandoned' : 'queued', dispatch, waitMs);
  }

  async #note(
    row: AccountMessagesTable,
    status: MessageStatus,
    dispatch: Dispatch,
    waitMs: number,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    const dispatches = [...dispatchesOf(row), dispatch].slice(-20);
    const nowMs = clock.now();
    await store.write(async (trx) => {
      await trx
        .updateTable('account_messages')
        .set({
          status,
          send_count: row.send_count + 1,
          dispatches_json: JSON.stringify(dispatches),
          next_at_ms: nowMs + waitMs,
          taken_by: null,
          taken_until_ms: null,
          updated_at_ms: nowMs,
        })
        .where('id', '=', row.id)
        .where('taken_by', '=', this.#id)
        .execute();
    });
  }

  async #open(sealed: Uint8Array): Promise<Kept> {
    const plain = await this.#parts.fabric.keyring.open(SEAL, sealed);
    // Sealed by this module.
    return JSON.parse(plain.toString()) as Kept;
  }

  async #message(row: AccountMessagesTable): Promise<CourierMessage> {
    const { subject, body } = await this.#open(row.content_sealed);
    return {
      id: row.id,
      status: statusOf(row.status),
      type: row.type,
      channel: row.channel,
      recipient: row.recipient,
      templateType: row.template_type,
      subject,
      body,
      sendCount: row.send_count,
      dispatches: dispatchesOf(row),
      createdAtMs: row.created_at_ms,
      updatedAtMs: row.updated_at_ms,
    };
  }

  /** Messages, newest first, before a number. */
  async list(o: {
    readonly status?: string;
    readonly recipient?: string;
    readonly limit: number;
    readonly before?: number;
  }): Promise<{ readonly messages: CourierMessage[]; readonly next: number | undefined }> {
    let query = this.#parts.store.db
      .selectFrom('account_messages')
      .selectAll()
      .orderBy('number', 'desc')
      .limit(o.limit + 1);
    if (o.status !== undefined) query = query.where('status', '=', o.status);
    if (o.recipient !== undefined) query = query.where('recipient', '=', o.recipient);
    if (o.before !== undefined) query = query.where('number', '<', o.before);
    const rows = await query.execute();
    const shown = rows.slice(0, o.limit);
    return {
      messages: await Promise.all(shown.map((row) => this.#message(row))),
      next: rows.length > o.limit ? shown.at(-1)?.number : undefined,
    };
  }
  /** Removes messages that were sent or given up so long ago, some at a time; answers how many. */
  async sweep(keptMs: number): Promise<number> {
    const { store, clock } = this.#parts;
    const before = clock.now() - keptMs;
    // They are numbered as they came: whether there is anything to remove is seen without a write.
    const oldest = await store.db
      .selectFrom('account_messages')
      .select(['id', 'status', 'updated_at_ms'])
      .orderBy('number')
      .limit(SWEEP_ROWS)
      .execute();
    const isOver = (status: string): boolean => status === 'sent' || status === 'abandoned';
    const ids = oldest.filter((m) => isOver(m.status) && m.updated_at_ms < before).map((m) => m.id);
    if (ids.length === 0) return 0;
    return store.write(async (trx) => {
      const gone = await trx
        .deleteFrom('account_messages')
        .where('id', 'in', ids)
        .executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }

  async get(id: string): Promise<CourierMessage | undefined> {
    const row = await this.#parts.store.db
      .selectFrom('account_messages')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? undefined : this.#message(row);
  }
}
