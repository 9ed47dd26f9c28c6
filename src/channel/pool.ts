/**
 * A few channels between two nodes instead of one, so that bulk transfers do not share one TCP window with interactive
 * streams. The first channel opens on demand; more follow while streams are many or heavy, up to a bound.
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
/** Streams on the least busy channel at which another one is worth its handshake. */
const BUSY_STREAMS = 16;

export class ChannelPool {
  readonly #options: ChannelPoolOptions;
  readonly #channels = new Set<Channel>();
  readonly #abort = new AbortController();
  #opening: Promise<Channel> | undefined;

  constructor(options: ChannelPoolOptions) {
    this.#options = options;
  }

  get channels(): readonly Channel[] {
    return [...this.#channels];
  }

  #openOne(): Promise<Channel> {
    this.#opening ??= this.#options
      .open(this.#abort.signal)
      .then((channel) => {
        if (this.#abort.signal.aborted) {
          channel.close(new PosternError('unavailable', 'The portal was closed'));
          return channel;
        }
        this.#channels.add(channel);
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

  /** The least busy channel when one is up, without waiting. */
  peek(): Channel | undefined {
    let best: Channel | undefined;
    for (const c of this.#channels)
      if (!c.isClosed && (best === undefined || c.streams < best.streams)) best = c;
    if (
      best !== undefined &&
      best.streams >= BUSY_STREAMS &&
      this.#channels.size < (this.#options.channelsMax ?? CHANNELS_MAX)
    ) {
      // One more in the background; when it fails the present ones go on and the next busy stream tries again.
      this.#openOne().catch(() => undefined);
    }
    return best;
  }

  /** The least busy channel, opened when there is none. Throws what opening threw. */
  async get(): Promise<Channel> {
    if (this.#abort.signal.aborted) throw new PosternError('unavailable', 'The portal was closed');
    return this.peek() ?? (await this.#openOne());
  }

  /** Closes every channel and any that is being opened. */
  close(reason: PosternError = new PosternError('unavailable', 'The portal was closed')): void {
    this.#abort.abort(toPosternError(reason));
    for (const c of this.#channels) c.close(reason);
  }
}
