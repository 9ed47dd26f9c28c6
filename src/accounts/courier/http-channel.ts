/**
 * The channel for messages over HTTP: mail by somebody's API, text messages (reference: Kratos's `courier.channels` and
 * `courier.http`). INVARIANT: where it goes is the configuration's; an answer's words are never kept, they may repeat codes.
 */
import { PosternError } from '../../kernel/index.ts';
import { send } from '../outgoing/client.ts';
import { encodedBody, type OutgoingRequest } from '../outgoing/request.ts';
import { type Channel, DeliveryRefused, type Outgoing } from './channel.ts';

const ATTEMPT_MS = 10_000;
/** Answers that may be others in a moment: they cost a message nothing. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

export class HttpChannel implements Channel {
  readonly #request: OutgoingRequest;
  constructor(request: OutgoingRequest) {
    this.#request = request;
  }

  async send(message: Outgoing): Promise<void> {
    // The courier tries again by itself, and remembers that over restarts.
    const { status } = await send(this.#request, this.#bodyOf(message), {
      tries: 1,
      attemptMs: ATTEMPT_MS,
    });
    if (status >= 200 && status < 300) return;
    const why = `the receiver answered ${status}`;
    if (status >= 500 || PASSING.has(status)) throw new Error(why);
    throw new DeliveryRefused(why);
  }

  #bodyOf({ recipient, content, templateType, type, data }: Outgoing): string | undefined {
    const { body } = this.#request;
    if (body === undefined) return undefined;
    const ctx = {
      ...{ recipient, subject: content.subject, body: content.body },
      ...{ template_type: templateType, template_data: data, message_type: type },
    };
    try {
      return encodedBody(this.#request, body.evaluate({ named: { ctx } }));
    } catch (reason) {
      // What a program says may hold the code.
      const [, place = ''] = /(line \d+, column \d+)/.exec(String(reason)) ?? [];
      throw new PosternError('invalid', `The body's program failed ${place}`.trim());
    }
  }

  close(): void {
    // Each request has a connection of its own.
  }
}
