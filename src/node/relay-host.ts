/**
 * Relays on a node: another node claims a name here over its secure channel and is called when somebody dials
 * `forward_to_NAME`. What passes is the ciphertext of the channel that the two ends make inside.
 * INVARIANT: a claim is served only over the channel that made it; a token works once, within ten seconds. A node of a
 * project takes a claim only from a credential that allows the name; one without a project takes any.
 */
import { randomBytes } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import { type Channel, refuseStream } from '../channel/index.ts';
import { PosternError } from '../kernel/index.ts';

export const FORWARD_PREFIX = 'forward_to_';
export const RENDEZVOUS_PREFIX = 'rendezvous_';
const MEETING_TTL_MS = 10_000;
const CLAIMS_MAX = 1_024;
const MEETINGS_MAX = 4_096;

interface Claim {
  readonly stream: ServerHttp2Stream;
  readonly channel: Channel;
}
interface Meeting {
  readonly dialler: ServerHttp2Stream;
  readonly claim: Claim;
  readonly timer: NodeJS.Timeout;
}

export class RelayHost {
  readonly #claims = new Map<string, Claim>();
  readonly #meetings = new Map<string, Meeting>();
  readonly #hasAuthority: boolean;

  constructor(hasAuthority: boolean) {
    this.#hasAuthority = hasAuthority;
  }

  /** The names that are claimed now. */
  get names(): string[] {
    return [...this.#claims.keys()];
  }

  /** Takes a name for as long as the stream lives; the last claimant has it. Throws `denied` or `exhausted`. */
  claim(name: string, stream: ServerHttp2Stream, channel: Channel): void {
    const allowed = channel.peer.attributes['ockam-relay'];
    if (this.#hasAuthority && allowed !== '*' && allowed !== name)
      throw new PosternError(
        'denied',
        `The credential does not allow relay ${name.slice(0, 128)}`,
        {
          hint: 'Enrol with a ticket made by: postern project ticket --relay NAME',
        },
      );
    if (this.#claims.size >= CLAIMS_MAX && !this.#claims.has(name))
      throw new PosternError('exhausted', 'This node holds too many relays');
    const before = this.#claims.get(name);
    const claim = { stream, channel };
    this.#claims.set(name, claim);
    stream.once('close', () => {
      if (this.#claims.get(name) === claim) this.#claims.delete(name);
    });
    stream.respond({ ':status': 200 });
    before?.stream.end(`${JSON.stringify({ type: 'displaced' })}\n`);
  }

  /** A dialler wants the holder of a name: calls the holder, joins the two when it comes. */
  connect(name: string, dialler: ServerHttp2Stream): void {
    const claim = this.#claims.get(name);
    if (claim === undefined) {
      refuseStream(dialler, new PosternError('not_found', `No node holds relay ${name} here now`));
      return;
    }
    if (this.#meetings.size >= MEETINGS_MAX) {
      refuseStream(dialler, new PosternError('exhausted', 'Too many meetings at this node'));
      return;
    }
    const token = randomBytes(32).toString('hex');
    const timer = setTimeout(() => {
      this.#meetings.delete(token);
      refuseStream(
        dialler,
        new PosternError('unavailable', `Relay ${name} did not answer in time`),
      );
    }, MEETING_TTL_MS);
    this.#meetings.set(token, { dialler, claim, timer });
    dialler.once('close', () => {
      clearTimeout(timer);
      this.#meetings.delete(token);
    });
    claim.stream.write(`${JSON.stringify({ type: 'rendezvous', token })}\n`);
  }

  /** The holder comes with a token. */
  meet(token: string, stream: ServerHttp2Stream, channel: Channel): void {
    const meeting = this.#meetings.get(token);
    if (meeting === undefined || meeting.claim.channel !== channel) {
      refuseStream(stream, new PosternError('denied', 'There is no such rendezvous'));
      return;
    }
    this.#meetings.delete(token);
    clearTimeout(meeting.timer);
    join(meeting.dialler, stream);
  }
}

/** Carries bytes both ways. What is cut here breaks the channel inside, which tells its own streams. */
function join(a: ServerHttp2Stream, b: ServerHttp2Stream): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.respond({ ':status': 200 });
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.once('close', () => to.destroy());
  }
}
