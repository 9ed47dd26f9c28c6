/**
 * A few channels between two nodes instead of one, so that bulk transfers do not share one TCP window with each other or
 * with interactive streams. Streams that say little share a channel: their frames then share records and system calls.
 * INVARIANT: a new stream goes to a channel that carries no bulk transfer, as long as there is one or one can be opened.
 */
import { PosternError, toPosternError } from '../kernel/index.ts';
import type { Channel } from './channel.ts';

export interface ChannelPoolOptions {
  /** Opens one more channel to the same peer. */
  open(signal: AbortSignal): Promise<Channel>;
  readonly channelsMax?: number;
  onUp?(channel: Channel): void;
  onDown?(reason: PosternError, left: number): void;
}

const CHANNELS_MAX = 4;
/** A channel that carries more than this is busy with bulk: some hundred interactive streams together stay below it. */
const BULK_BYTES_PER_S = 24 * 1024 * 1024;
/** Rates are taken over at least this long. */
const SAMPLE_MS = 100;

/** How much a channel carries, measured when somebody asks. */
class Meter {
  readonly #channel: Channel;
  #atMs: number = performance.now();
  #bytes: number;
  #rate = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#bytes = channel.bytesCarried;
  }
  /** Bytes a second, in both directions together, since the last sample. */
  rate(): number {
    const elapsedMs = performance.now() - this.#atMs;
    const carried = this.#channel.bytesCarried - this.#bytes;
    const rate = (carried * 1000) / Math.max(elapsedMs, SAMPLE_MS);
    if (elapsedMs < SAMPLE_MS) return Math.max(rate, this.#rate);
    this.#rate = rate;
    this.#bytes += carried;
    this.#atMs += elapsedMs;
    return this.#rate;
  }
}

export class ChannelPool {
  readonly #options: ChannelPoolOptions;
  readonly #channels = new Map<Channel, Meter>();
  readonly #abort = new AbortController();
  #opening: Promise<Channel> | undefined;

  constructor(options: ChannelPoolOptions) {
    this.#options = options;
  }

  get channels(): readonly Channel[] {
    return [...this.#channels.keys()];
  }
  get isUp(): boolean {
    return this.#channels.size > 0;
  }

  #openOne(): Promise<Channel> {
    this.#opening ??= this.#options
      .open(this.#abort.signal)
      .then((channel) => {
        if (this.#abort.signal.aborted) {
          channel.close(new PosternError('unavailable', 'The portal was closed'));
          return channel;
        }
        this.#channels.set(channel, new Meter(channel));
        channel.once('close', (reason) => {
          this.#channels.delete(channel);
          this.#options.onDown?.(reason, this.#channels.size);
        });
        this.#options.onUp?.(channel);
        return channel;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** The channel that carries least. */
  #quietest(): { channel: Channel; rate: number } | undefined {
    let best: { channel: Channel; rate: number } | undefined;
    for (const [channel, meter] of this.#channels) {
      const rate = meter.rate();
      if (!channel.isClosed && (best === undefined || rate < best.rate)) best = { channel, rate };
    }
    return best;
  }

  /**
   * A channel for a new stream, without waiting; undefined when one has to be opened first, because none is up or all
   * that are carry bulk transfers.
   */
  peek(): Channel | undefined {
    // The first that is quiet, not the quietest: streams that say little are better off together.
    for (const [channel, meter] of this.#channels)
      if (!channel.isClosed && meter.rate() < BULK_BYTES_PER_S) return channel;
    if (this.#channels.size < (this.#options.channelsMax ?? CHANNELS_MAX)) return undefined;
    return this.#quietest()?.channel;
  }

  /** A channel for a new stream, opened when need be. Throws what opening threw when there is no other. */
  async get(): Promise<Channel> {
    if (this.#abort.signal.aborted) throw new PosternError('unavailable', 'The portal was closed');
    const found = this.peek();
    if (found !== undefined) return found;
    try {
      return await this.#openOne();
    } catch (reason) {
      // A busy channel is better than none.
      const busy = this.#quietest();
      if (busy !== undefined) return busy.channel;
      throw reason;
    }
  }

  /** Closes every channel and any that is being opened. */
  close(reason: PosternError = new PosternError('unavailable', 'The portal was closed')): void {
    this.#abort.abort(toPosternError(reason));
    for (const c of this.#channels.keys()) c.close(reason);
  }
}
