/**
 * The node port's control paths: enrolment and renewal for who proves an identity, the session with its pushes, relay
 * names, rendezvous and reports for who holds a credential.
 */
import type { TLSSocket } from 'node:tls';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type TString, Type } from 'typebox';
import { CONTROL, type ControlPush, checkProof, PING_INTERVAL_MS } from '../../control/index.ts';
import { newId, PosternError, toPosternError } from '../../kernel/index.ts';
import type { RelaySession } from '../../relay/index.ts';
import { type Peer, verifyChangeHistory, verifyPeer } from '../../trust/index.ts';
import type { Caller } from '../caller.ts';
import type { ServerParts } from './parts.ts';
import { EvidenceBody, grantJson } from './wire.ts';

/** Wrong tickets that one address may show in a minute before it has to wait. */
const FAILURES_MAX = 20;
const FAILURE_WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;
/** Pushes that may wait for a node that reads nothing; beyond it the session ends and the node comes again. */
const PUSH_BYTES_MAX = 1024 * 1024;

/** What a node says is printed on other people's terminals: no control characters. */
const Line = (maxLength: number): TString => Type.String({ maxLength, pattern: '^\\P{Cc}*$' });

/** Denials that one session may put into the audit log in a minute. */
const REPORTS_MAX = 600;

class FailureBudget {
  readonly #counts = new Map<string, { count: number; sinceMs: number }>();
  /** Takes a try before its outcome is known, so that tries side by side can't pass the bound. Throws `exhausted`. */
  take(address: string): void {
    let entry = this.#counts.get(address);
    if (entry !== undefined && performance.now() - entry.sinceMs > FAILURE_WINDOW_MS)
      entry = undefined;
    if (entry !== undefined && entry.count >= FAILURES_MAX)
      throw new PosternError('exhausted', 'Too many wrong tickets from this address', {
        hint: 'Wait a minute and try again',
      });
    const oldest = this.#counts.keys().next();
    if (this.#counts.size >= ADDRESSES_MAX && !oldest.done) this.#counts.delete(oldest.value);
    const { count, sinceMs } = entry ?? { count: 0, sinceMs: performance.now() };
    this.#counts.set(address, { count: count + 1, sinceMs });
  }
  /** The try was a good one: it does not count. */
  giveBack(address: string): void {
    const entry = this.#counts.get(address);
    if (entry !== undefined && entry.count > 0) entry.count--;
  }
}

/** The TLS socket below a request on the node port. */
export function tlsOf(request: FastifyRequest): TLSSocket {
  const raw: unknown = request.raw.socket;
  // The node port is TLS alone; Http2ServerRequest.socket is a proxy of its TLSSocket.
  return raw as TLSSocket;
}

export interface LiveSession extends RelaySession {
  /** Set once the node asked about relations: it is told when some change. */
  hasAsked: boolean;
  end(): void;
}

export class NodeSessions {
  readonly #live = new Map<string, LiveSession>();
  get all(): readonly LiveSession[] {
    return [...this.#live.values()];
  }
  add(session: LiveSession): void {
    this.#live.set(session.id, session);
  }
  remove(session: LiveSession): void {
    this.#live.delete(session.id);
  }
  /** The session of the connection that a request came on. */
  of(tls: object): LiveSession {
    const found = this.#byConnection.get(tls);
    if (found === undefined) throw new PosternError('denied', 'Open a control session first');
    return found;
  }
  has(tls: object): boolean {
    return this.#byConnection.has(tls);
  }
  readonly #byConnection = new WeakMap<object, LiveSession>();
  bind(tls: object, session: LiveSession): void {
    this.#byConnection.set(tls, session);
  }
  unbind(tls: object): void {
    this.#byConnection.delete(tls);
  }
}

/** Verifies the client certificate of a connection against its project's authority, now. Throws `unauthenticated` or `denied`. */
export function machineOf(
  leafDer: Uint8Array | undefined,
  subjectAltName: string | undefined,
  parts: ServerParts,
): { peer: Peer; projectId: string } {
  const match = /^URI:spiffe:\/\/([0-9a-f-]{36})\/identity\//.exec(subjectAltName ?? '');
  if (leafDer === undefined || match?.[1] === undefined)
    throw new PosternError('unauthenticated', 'This needs a credential of a project');
  const project = parts.authority.project(match[1]);
  const peer = verifyPeer(leafDer, {
    authorityCertificatePem: project.authorityCertificatePem,
    projectId: project.id,
    nowMs: Date.now(),
    isRevoked: (identifier, generation) =>
      parts.authority.isRevoked(project.id, identifier, generation),
  });
  return { peer, projectId: project.id };
}

export function addNodeRoutes(
  app: FastifyInstance,
  parts: ServerParts,
  sessions: NodeSessions,
  callerOf: (request: FastifyRequest) => Promise<Caller>,
  connectionOf: (request: FastifyRequest) => { tls: TLSSocket; key: object },
): void {
  const { authority, relay, fabric, audit } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();
  const failures = new FailureBudget();
  const reported = new WeakMap<LiveSession, { count: number; sinceMs: number }>();
  const Proof = { ...EvidenceBody, proof: EvidenceBody.spki };

  function proved(
    request: FastifyRequest,
    body: { change_history: string; spki: string; evidence_signature: string; proof: string },
    purpose: string,
  ) {
    const spki = Buffer.from(body.spki, 'base64');
    const changeHistory = Buffer.from(body.change_history, 'base64');
    const { publicKey } = verifyChangeHistory(changeHistory, Date.now());
    if (
      !checkProof(
        connectionOf(request).tls,
        purpose,
        spki,
        publicKey,
        Buffer.from(body.proof, 'base64'),
      )
    )
      throw new PosternError(
        'unauthenticated',
        "The identity's proof does not match this connection",
      );
    return {
      spki,
      evidence: { changeHistory, signature: Buffer.from(body.evidence_signature, 'base64') },
    };
  }

  api.post(
    `${CONTROL}/enroll`,
    { schema: { body: Type.Object({ ...Proof, one_time_code: Type.String({ maxLength: 256 }) }) } },
    async (request) => {
      const address = request.ip;
      failures.take(address);
      const { spki, evidence } = proved(request, request.body, 'enroll');
      const { alreadyMember, ...credential } = await authority.redeem(
        request.body.one_time_code,
        evidence,
        spki,
      );
      failures.giveBack(address);
      return grantJson(credential, alreadyMember, parts);
    },
  );

  api.post(
    `${CONTROL}/credential`,
    { schema: { body: Type.Object({ ...Proof, project_id: Type.String({ maxLength: 64 }) }) } },
    async (request) => {
      const { spki, evidence } = proved(request, request.body, 'renew');
      return grantJson(await authority.issue(request.body.project_id, evidence, spki), true, parts);
    },
  );

  async function machine(request: FastifyRequest): Promise<Extract<Caller, { kind: 'machine' }>> {
    const caller = await callerOf(request);
    if (caller.kind !== 'machine')
      throw new PosternError('unauthenticated', 'This needs a credential of a project');
    return caller;
  }

  api.get(
    `${CONTROL}/session`,
    { schema: { querystring: Type.Object({ node: Line(64) }) } },
    async (request, reply) => {
      const { peer, projectId } = await machine(request);
      const connection = connectionOf(request).key;
      if (sessions.has(connection))
        throw new PosternError('conflict', 'This connection has a control session already');
      reply.hijack();
      const raw = reply.raw;
      // Its end was told while the revocations were read, and will not be told again.
      if (raw.destroyed || raw.closed || sessions.has(connection)) {
        raw.destroy();
        return;
      }
      raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const push = (message: ControlPush): void => {
        if (raw.writableLength > PUSH_BYTES_MAX) raw.destroy();
        else if (!raw.destroyed) raw.write(`${JSON.stringify(message)}\n`);
      };
      const session: LiveSession = {
        id: newId('ses'),
        projectId,
        identifier: peer.identifier,
        node: request.query.node,
        attributes: peer.attributes,
        hasAsked: false,
        push: (message) => push(message as ControlPush),
        end: () => raw.destroy(),
      };
      sessions.add(session);
      sessions.bind(connection, session);
      // INVARIANT: nothing is awaited since the session was added, so what is revoked from now on is pushed to it.
      push({
        type: 'revocations',
        list: authority.revocationsOf(projectId).map((r) => ({
          number: r.number,
          identifier: r.identifier,
          min_generation: r.minGeneration,
        })),
      });
      const ping = setInterval(() => push({ type: 'ping' }), PING_INTERVAL_MS);
      raw.on('error', () => undefined);
      raw.on('close', () => {
        clearInterval(ping);
        sessions.remove(session);
        sessions.unbind(connection);
        relay.dropSession(session);
      });
    },
  );

  const Relay = {
    params: Type.Object({
      name: Type.String({ minLength: 1, maxLength: 128, pattern: '^[\\w.-]+$' }),
    }),
  };
  const Facts = Type.Object({
    services: Type.Array(Line(128), { maxItems: 1024 }),
    direct_addresses: Type.Array(Line(255), { maxItems: 16 }),
  });
  api.put(`${CONTROL}/relays/:name`, { schema: { ...Relay, body: Facts } }, async (request) => {
    const { peer } = await machine(request);
    const session = sessions.of(connectionOf(request).key);
    try {
      relay.register(
        // The credential of this very request decides, not the one that the session began with.
        { ...session, attributes: peer.attributes, push: session.push },
        request.params.name,
        { services: request.body.services, directAddresses: request.body.direct_addresses },
        Date.now(),
      );
    } catch (reason) {
      const error = toPosternError(reason);
      const decision = fabric.decisions.record({
        principalId: peer.identifier,
        action: 'relay:hold',
        resource: `relay/${request.params.name}`,
        isAllowed: false,
        rule: 'credential attribute ockam-relay',
        why: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
      await fabric.store.write((trx) =>
        audit.append(trx, {
          actor: peer.identifier,
          action: 'relay:hold',
          resource: `relay/${request.params.name}`,
          outcome: 'denied',
          data: { why: error.message },
        }),
      );
      throw new PosternError(error.code, error.message, {
        decisionId: decision.id,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    return {};
  });
  api.delete(`${CONTROL}/relays/:name`, { schema: Relay }, async (request) => {
    await machine(request);
    relay.release(sessions.of(connectionOf(request).key), request.params.name);
    return {};
  });
  api.post(
    `${CONTROL}/rendezvous`,
    { schema: { body: Type.Object({ relay: Type.String({ maxLength: 128 }) }) } },
    async (request) => {
      await machine(request);
      const { token, holder } = relay.rendezvous(
        sessions.of(connectionOf(request).key),
        request.body.relay,
      );
      return {
        token,
        peer_identifier: holder.session.identifier,
        services: holder.services,
        direct_addresses: holder.directAddresses,
      };
    },
  );

  const RelationQuestion = Type.Object({
    peer: Line(128),
    namespace: Type.String({ maxLength: 65_536 }),
    object: Type.String({ maxLength: 65_536 }),
    relation: Type.String({ maxLength: 65_536 }),
  });
  /** Null: the server does not say. A node learns of members of its own project alone. */
  async function relationOf(
    projectId: string,
    q: { peer: string; namespace: string; object: string; relation: string },
  ): Promise<boolean | null> {
    if (parts.permissions === undefined) return null;
    if ((await authority.findMember(projectId, q.peer)) === undefined) return null;
    const { namespace, object, relation } = q;
    try {
      const on = { namespace, object, relation };
      return (await parts.permissions.check(on, { id: q.peer })).allowed;
    } catch {
      // An unknown namespace, an undeclared relation, a check without an end: no answer, which denies.
      return null;
    }
  }
  api.post(
    `${CONTROL}/relations`,
    {
      schema: {
        body: Type.Object({ questions: Type.Array(RelationQuestion, { maxItems: 1_000 }) }),
      },
    },
    async (request) => {
      const { projectId } = await machine(request);
      sessions.of(connectionOf(request).key).hasAsked = true;
      const answers: (boolean | null)[] = [];
      for (const q of request.body.questions) answers.push(await relationOf(projectId, q));
      return { answers };
    },
  );

  const Report = Type.Object({
    id: Type.String({ maxLength: 64, pattern: '^[\\w-]+$' }),
    at_ms: Type.Number(),
    // A node reports what it refused itself, and nothing that a server decides.
    action: Type.String({ pattern: '^tcp-(inlet|outlet|channel|relay):use$' }),
    resource: Line(256),
    peer: Line(128),
    rule: Line(4096),
    why: Line(4096),
    count: Type.Integer({ minimum: 1 }),
  });
  api.post(
    `${CONTROL}/reports`,
    { schema: { body: Type.Object({ decisions: Type.Array(Report, { maxItems: 100 }) }) } },
    async (request) => {
      const { peer } = await machine(request);
      const session = sessions.of(connectionOf(request).key);
      const window = reported.get(session);
      const isFresh =
        window === undefined || performance.now() - window.sinceMs > FAILURE_WINDOW_MS;
      const { count, sinceMs } = isFresh ? { count: 0, sinceMs: performance.now() } : window;
      if (count + request.body.decisions.length > REPORTS_MAX)
        throw new PosternError('exhausted', 'This node has reported too many denials in a minute');
      reported.set(session, { count: count + request.body.decisions.length, sinceMs });
      for (const d of request.body.decisions)
        fabric.decisions.record({
          id: d.id,
          atMs: d.at_ms,
          principalId: d.peer,
          action: d.action,
          resource: d.resource,
          isAllowed: false,
          rule: d.rule,
          why: d.why,
          facts: { reported_by: peer.identifier, node: session.node, count: d.count },
        });
      await fabric.store.write(async (trx) => {
        for (const d of request.body.decisions)
          await audit.append(trx, {
            actor: d.peer,
            action: d.action,
            resource: d.resource,
            outcome: 'denied',
            data: {
              decision: d.id,
              rule: d.rule,
              why: d.why,
              reported_by: peer.identifier,
              node: session.node,
              count: d.count,
            },
          });
      });
      return {};
    },
  );
}
