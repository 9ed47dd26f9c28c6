/**
 * Watch: the committed changes after a cursor, in order and each once, by long poll or as server-sent events. One event
 * holds what one read gave, whole transactions with the cursor behind them, so a reader that was cut off goes on exactly
 * behind the last event that it got.
 *
 * A slow reader costs nothing: while the socket's buffer is full no changes are read, and after a minute of that the
 * connection is closed.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PosternError } from '../../kernel/index.ts';
import type { Change, Permissions } from '../permissions.ts';
import { badRequest, faultBody } from './fault.ts';
import type { RestParts } from './parts.ts';
import { readInteger } from './query.ts';
import * as schemas from './schemas.ts';
import { queryOf, sendJson, tell } from './scope.ts';
import { tupleJson } from './tuple-json.ts';

export interface WatchTimes {
  readonly waitMs: number;
  readonly waitMaxMs: number;
  readonly heartbeatMs: number;
  /** How long a reader may take nothing. */
  readonly stallMs: number;
}
const TIMES: WatchTimes = {
  waitMs: 30_000,
  waitMaxMs: 60_000,
  heartbeatMs: 15_000,
  stallMs: 60_000,
};
const CHANGES_PER_READ = 100;
const WATCHERS_MAX = 1000;

/** Rings when there may be something to do; remembers a ring that nobody waited for. */
class Bell {
  #isRung = false;
  #wake: () => void = () => undefined;
  /** Nobody listens any more, or the server stops. */
  isOver = false;

  readonly ring = (): void => {
    this.#isRung = true;
    this.#wake();
  };

  end(): void {
    this.isOver = true;
    this.ring();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isRung)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#isRung = false;
  }
}

function changeJson({ operation, tuple, token, atMs }: Change): object {
  const at = new Date(atMs).toISOString();
  return { operation, relation_tuple: tupleJson(tuple), snaptoken: token, at };
}

interface Batch {
  readonly changes: readonly object[];
  readonly cursor: string;
  /** The JSON of both, made once for all who read it. */
  readonly text: string;
}

/** Reads kept for those who come to the same place a moment later. */
const BATCHES_KEPT = 64;

/**
 * What comes after a cursor, read and encoded once for all watchers: a thousand of them stand at the same place when a
 * tuple is written. History does not change, so a batch that was read stays right; an empty one is never kept.
 */
class Changes {
  readonly #permissions: Permissions;
  readonly #batches = new Map<string, Promise<Batch>>();
  constructor(permissions: Permissions) {
    this.#permissions = permissions;
  }

  /** Throws `expired` for a cursor out of the window. */
  after(cursor: string): Promise<Batch> {
    const known = this.#batches.get(cursor);
    if (known !== undefined) return known;
    const reading = this.#read(cursor);
    this.#batches.set(cursor, reading);
    const forget = (): void => {
      if (this.#batches.get(cursor) === reading) this.#batches.delete(cursor);
    };
    reading.then((batch) => {
      if (batch.changes.length === 0) forget();
    }, forget);
    const [oldest] = this.#batches.keys();
    if (this.#batches.size > BATCHES_KEPT && oldest !== undefined) this.#batches.delete(oldest);
    return reading;
  }

  async #read(after: string): Promise<Batch> {
    const { changes, cursor } = await this.#permissions.changes(after, CHANGES_PER_READ);
    const shown = changes.map(changeJson);
    return { changes: shown, cursor, text: JSON.stringify({ changes: shown, cursor }) };
  }
}

/** Those who wait for changes. */
class Watchers {
  readonly #parts: RestParts;
  readonly #times: WatchTimes;
  readonly #changes: Changes;
  readonly #bells = new Set<Bell>();
  #isStopping = false;

  constructor(parts: RestParts, times: WatchTimes) {
    this.#parts = parts;
    this.#changes = new Changes(parts.permissions);
    this.#times = times;
  }

  /** Lets everyone go, so that the server can stop. */
  readonly stop = async (): Promise<void> => {
    this.#isStopping = true;
    for (const bell of this.#bells) bell.end();
  };

  /** A bell for one answer. Throws `unavailable` when there are too many. */
  #enter(reply: FastifyReply): Bell {
    if (this.#bells.size >= WATCHERS_MAX)
      throw new PosternError('unavailable', 'Too many watchers are connected', {
        hint: 'Try again later, or let one watcher serve many',
      });
    const bell = new Bell();
    if (this.#isStopping) bell.end();
    this.#bells.add(bell);
    const unlisten = this.#parts.permissions.onChange(bell.ring);
    reply.raw.once('close', () => {
      this.#bells.delete(bell);
      unlisten();
      bell.end();
    });
    return bell;
  }

  readonly answer = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const query = queryOf(request);
    const timeout = query.get('timeout_ms') ?? '';
    const asked = timeout === '' ? this.#times.waitMs : readInteger(timeout, 10, 'timeout_ms: ');
    if (asked < 0) throw badRequest('"timeout_ms" must not be negative');
    const bell = this.#enter(reply);
    // What a browser sends when it connects again holds over what its address says.
    const last = request.headers['last-event-id'];
    const given = typeof last === 'string' && last !== '' ? last : (query.get('cursor') ?? '');
    const cursor = given === '' ? await this.#parts.permissions.headCursor() : given;
    if (/\btext\/event-stream\b/i.test(request.headers.accept ?? ''))
      return this.#stream(request, reply, bell, cursor);
    const batch = await this.#poll(bell, cursor, Math.min(asked, this.#times.waitMaxMs));
    tell(reply, batch.cursor);
    return sendJson(reply, batch.text);
  };

  async #poll(bell: Bell, cursor: string, waitMs: number): Promise<Batch> {
    const endMs = performance.now() + waitMs;
    for (let after = cursor; ; ) {
      const batch = await this.#changes.after(after);
      const restMs = endMs - performance.now();
      if (batch.changes.length > 0 || restMs <= 0 || bell.isOver) return batch;
      after = batch.cursor;
      await bell.wait(restMs);
    }
  }

  async #stream(
    request: FastifyRequest,
    reply: FastifyReply,
    bell: Bell,
    cursor: string,
  ): Promise<FastifyReply> {
    // The first read is before the head of the answer, so that a cursor that is no good has a status of its own.
    const first = await this.#changes.after(cursor);
    const events = this.#paced(reply, this.#events(request, bell, first));
    return reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-cache, no-transform')
      .header('x-accel-buffering', 'no')
      .send(Readable.from(events, { objectMode: false, highWaterMark: 1 }));
  }

  async *#events(request: FastifyRequest, bell: Bell, first: Batch): AsyncGenerator<string> {
    // An id alone makes no event, but is where a client that is cut off now goes on.
    yield `id: ${first.cursor}\n\n`;
    for (let batch = first; !bell.isOver; ) {
      if (batch.changes.length > 0) yield `id: ${batch.cursor}\ndata: ${batch.text}\n\n`;
      else {
        const beganMs = performance.now();
        await bell.wait(this.#times.heartbeatMs);
        if (bell.isOver) return;
        if (performance.now() - beganMs >= this.#times.heartbeatMs) yield ': still here\n\n';
      }
      try {
        batch = await this.#changes.after(batch.cursor);
      } catch (reason) {
        request.log.warn({ err: reason }, 'a watcher was cut off');
        yield `event: error\ndata: ${JSON.stringify(faultBody(reason, request))}\n\n`;
        return;
      }
    }
  }

  /** Closes the connection when a piece is not taken in time. */
  async *#paced(reply: FastifyReply, events: AsyncGenerator<string>): AsyncGenerator<string> {
    for await (const event of events) {
      const timer = setTimeout(() => reply.raw.destroy(), this.#times.stallMs);
      try {
        yield event;
      } finally {
        clearTimeout(timer);
      }
    }
  }
}

/** Adds `/relation-tuples/watch`. */
export function addWatchRoute(
  scope: FastifyInstance,
  parts: RestParts,
  times: WatchTimes = TIMES,
): void {
  const watchers = new Watchers(parts, times);
  scope.addHook('preClose', watchers.stop);
  const options = schemas.describe('relationship', 'The changes after a cursor', {
    querystring: schemas.WATCH_QUERY,
    response: { 200: schemas.CHANGES },
  });
  scope.get('/relation-tuples/watch', { ...options, exposeHeadRoute: false }, watchers.answer);
}
