/**
 * The relay: who holds which name, and the meetings of two nodes. It sees only ciphertext: after a rendezvous it splices
 * two sockets and looks at nothing.
 * INVARIANT: a name is held by at most one session of a project, and only by one whose credential allows it; a token
 * works once, within ten seconds, and dies with the session that it was given to.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { splice } from '../channel/index.ts';
import { PosternError } from '../kernel/index.ts';

/** A node's control session, as far as the relay needs to know it. */
export interface RelaySession {
  readonly id: string;
  readonly projectId: string;
  readonly identifier: string;
  readonly node: string;
  readonly attributes: Readonly<Record<string, string>>;
  push(message: object): void;
}
export interface RelayHolder {
  readonly projectId: string;
  readonly name: string;
  readonly session: RelaySession;
  readonly services: readonly string[];
  readonly directAddresses: readonly string[];
  readonly sinceMs: number;
}
interface Meeting {
  readonly tokens: readonly [string, string];
  readonly sessions: readonly [string, string];
  readonly timer: NodeJS.Timeout;
  waiting: { readonly token: string; readonly socket: Socket } | undefined;
}

const TOKEN_TTL_MS = 10_000;
/** Meetings under way at once; a flood of them by members is refused, not queued. */
const MEETINGS_MAX = 10_000;
/** Meetings that one session may have asked for at once: one member can't take them all, nor call a holder without end. */
const MEETINGS_OF_SESSION_MAX = 256;
const SPLICED = Buffer.from([1]);

export class RelayService {
  readonly #holders = new Map<string, RelayHolder>();
  readonly #meetings = new Map<string, Meeting>();
  /** How many of the meetings each session asked for. */
  readonly #asked = new Map<string, number>();
  #spliced = 0;

  get holders(): readonly RelayHolder[] {
    return [...this.#holders.values()];
  }
  get splices(): number {
    return this.#spliced;
  }

  /** May a credential with these attributes hold the name? Throws `denied`. */
  static checkName(attributes: Readonly<Record<string, string>>, name: string): void {
    const allowed = attributes['ockam-relay'];
    if (allowed === '*' || allowed === name) return;
    throw new PosternError(
      'denied',
      `The credential does not allow relay ${name}: it says ${allowed === undefined ? 'no ockam-relay' : `ockam-relay="${allowed}"`}`,
      {
        hint: `Enrol with a ticket made by: postern project ticket --relay ${name}`,
      },
    );
  }

  /** Takes a name, from another session when need be; that one is told. Throws `denied`. */
  register(
    session: RelaySession,
    name: string,
    facts: { services: readonly string[]; directAddresses: readonly string[] },
    nowMs: number,
  ): void {
    RelayService.checkName(session.attributes, name);
    const key = `${session.projectId} ${name}`;
    const before = this.#holders.get(key);
    this.#holders.set(key, {
      projectId: session.projectId,
      name,
      session,
      ...facts,
      sinceMs: nowMs,
    });
    if (
      before !== undefined &&
      before.session.id !== session.id &&
      !(before.session.identifier === session.identifier && before.session.node === session.node)
    )
      before.session.push({ type: 'relay_displaced', relay: name, by: session.identifier });
  }

  release(session: RelaySession, name: string): void {
    const key = `${session.projectId} ${name}`;
    if (this.#holders.get(key)?.session.id === session.id) this.#holders.delete(key);
  }

  /** Forgets a session that ended: its names are free, its tokens void. */
  dropSession(session: RelaySession): void {
    for (const [key, holder] of this.#holders)
      if (holder.session.id === session.id) this.#holders.delete(key);
    for (const meeting of new Set(this.#meetings.values()))
      if (meeting.sessions.includes(session.id)) this.#end(meeting);
  }

  #end(meeting: Meeting): void {
    clearTimeout(meeting.timer);
    if (!this.#meetings.has(meeting.tokens[0])) return;
    const [asker] = meeting.sessions;
    const left = (this.#asked.get(asker) ?? 1) - 1;
    if (left > 0) this.#asked.set(asker, left);
    else this.#asked.delete(asker);
    for (const token of meeting.tokens) this.#meetings.delete(token);
    meeting.waiting?.socket.destroy();
  }

  /** Arranges a meeting with the holder of a name; tells the holder, answers the asker's token. Throws `not_found`. */
  rendezvous(session: RelaySession, name: string): { token: string; holder: RelayHolder } {
    const holder = this.#holders.get(`${session.projectId} ${name}`);
    if (holder === undefined)
      throw new PosternError('not_found', `No node holds relay ${name.slice(0, 128)} now`);
    if (this.#meetings.size / 2 >= MEETINGS_MAX)
      throw new PosternError('exhausted', 'The relay is arranging too many meetings');
    const asked = this.#asked.get(session.id) ?? 0;
    if (asked >= MEETINGS_OF_SESSION_MAX)
      throw new PosternError('exhausted', 'This node has asked for too many meetings at once');
    this.#asked.set(session.id, asked + 1);
    const tokens = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')] as const;
    const meeting: Meeting = {
      tokens,
      sessions: [session.id, holder.session.id],
      timer: setTimeout(() => this.#end(meeting), TOKEN_TTL_MS),
      waiting: undefined,
    };
    for (const token of tokens) this.#meetings.set(token, meeting);
    holder.session.push({
      type: 'rendezvous',
      token: tokens[1],
      relay: name,
      peer_identifier: session.identifier,
    });
    return { token: tokens[0], holder };
  }

  /** A socket presented a token. Joins the two when both are there; an unknown token ends the socket. */
  present(token: string, socket: Socket): void {
    const meeting = this.#meetings.get(token);
    if (meeting === undefined || meeting.waiting?.token === token) {
      socket.destroy();
      return;
    }
    if (meeting.waiting === undefined) {
      meeting.waiting = { token, socket };
      socket.once('close', () => {
        if (this.#meetings.has(token)) this.#end(meeting);
      });
      return;
    }
    const other = meeting.waiting.socket;
    meeting.waiting = undefined;
    this.#end(meeting);
    this.#spliced++;
    socket.once('close', () => {
      this.#spliced--;
    });
    for (const s of [socket, other]) s.write(SPLICED);
    splice(socket, other);
  }
}
