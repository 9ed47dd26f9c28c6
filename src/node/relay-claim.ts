/** The other side of a relay on a node: keeps a name claimed there, and accepts the channels that come through it. */
import type { Duplex } from 'node:stream';
import type { Channel } from '../channel/index.ts';
import { type Logger, PosternError, toPosternError } from '../kernel/index.ts';
import { RENDEZVOUS_PREFIX } from './relay-host.ts';

const RETRY_FIRST_MS = 200;
/** Three waits come one after another when a network is back (session, relay, inlet): each is short. */
const RETRY_MAX_MS = 1_000;

export interface RelayClaimOptions {
  readonly name: string;
  readonly logger: Logger;
  /** Opens a channel to the node that holds the relay. */
  dial(signal: AbortSignal): Promise<Channel>;
  /** Takes a connection that came through the relay. */
  accept(socket: Duplex): Promise<void>;
  onChange(isUp: boolean, reason: PosternError | undefined): void;
}

export class RelayClaim {
  readonly #options: RelayClaimOptions;
  readonly #abort = new AbortController();
  #channel: Channel | undefined;
  #wait: NodeJS.Timeout | undefined;

  constructor(options: RelayClaimOptions) {
    this.#options = options;
  }

  /** Claims the name and keeps it claimed until `close`; answers when the first attempt ended either way. */
  start(): Promise<void> {
    return new Promise((resolve) => void this.#run(resolve));
  }

  async #run(onFirst: () => void): Promise<void> {
    let waitMs = RETRY_FIRST_MS;
    while (!this.#abort.signal.aborted) {
      try {
        const channel = await this.#options.dial(this.#abort.signal);
        this.#channel = channel;
        await this.#hold(channel, () => {
          waitMs = RETRY_FIRST_MS;
          this.#options.onChange(true, undefined);
          onFirst();
        });
      } catch (reason) {
        const error = toPosternError(reason);
        if (!this.#abort.signal.aborted) this.#options.onChange(false, error);
        this.#channel?.close(error);
        // Who was displaced stays down instead of fighting for the name.
        if (error.code === 'conflict') return;
      }
      onFirst();
      await new Promise<void>((resolve) => {
        this.#wait = setTimeout(resolve, waitMs * (0.5 + Math.random() / 2));
        this.#abort.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
    }
  }

  /** Serves the claim until the channel or the claim ends, which is always an error. */
  async #hold(channel: Channel, onUp: () => void): Promise<never> {
    const calls = await channel.claimRelay(this.#options.name);
    onUp();
    for await (const token of calls) {
      channel
        .tunnel(`${RENDEZVOUS_PREFIX}${token}`, this.#abort.signal)
        .then((socket) => this.#options.accept(socket))
        .catch((reason: unknown) =>
          this.#options.logger.warn(
            { err: toPosternError(reason), relay: this.#options.name },
            'a rendezvous failed',
          ),
        );
    }
    throw new PosternError('unavailable', 'The relay node ended the claim');
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#wait);
    this.#channel?.close(new PosternError('unavailable', 'The relay was deleted'));
  }
}
