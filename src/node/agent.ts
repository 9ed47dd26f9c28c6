/**
 * A node as it runs: its identity and credential, its session to the server, its channels, and the portals on them.
 * Everything it is told to do is in the home before it is answered, so that a restart restores all of it.
 * INVARIANT: a channel's peer is asked about at every stream, on both sides; a change of policy, a revocation or a new
 * credential acts on what is already running.
 */
import { BlockList, createServer, isIP, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import {
  type Admission,
  acceptChannel,
  type Channel,
  type ChannelHandlers,
  ChannelPool,
  type ChannelTrust,
  connectChannel,
  type DialOptions,
  KEY_EXCHANGE_GROUP,
  LISTENER_DEFAULT,
  type LocalCredential,
} from '../channel/index.ts';
import {
  ControlSession,
  dialTcp,
  type GrantedCredential,
  type Link,
  type RevocationFacts,
  renewCredential,
  TLS_FIRST_BYTE,
} from '../control/index.ts';
import type {
  Home,
  IdentityRecord,
  InletRecord,
  NodeRecord,
  OutletRecord,
  ProjectRecord,
  RelayRecord,
} from '../home/index.ts';
import { type Logger, newName, PosternError, toPosternError } from '../kernel/index.ts';
import { Inlet, OutletRegistry } from '../portal/index.ts';
import {
  exportPrivateKey,
  generateLeafKey,
  type IdentityKeys,
  type Peer,
  parseAddress,
  selfIssue,
} from '../trust/index.ts';
import { type Denial, PolicyBook } from './policies.ts';
import { type PeerQuestion, RelationAnswers } from './relations.ts';
import { RelayClaim } from './relay-claim.ts';
import { FORWARD_PREFIX, RENDEZVOUS_PREFIX, RelayHost } from './relay-host.ts';
import { hostPlaceOf, type Place, placesOf, printPlace } from './target.ts';

const RETRY_FIRST_MS = 200;
/** Three waits come one after another when a network is back (session, relay, inlet): each is short. */
const RETRY_MAX_MS = 1_000;
const DIRECT_TIMEOUT_MS = 1_000;
const RENEW_RETRY_MS = 10_000;
/** Handshakes of unknown diallers at the node's own listener at once; then the oldest gives way, not the newcomer. */
const HANDSHAKES_MAX = 256;
/** The kernel's queue: who does not fit is left hanging there, and nobody cuts it off. */
const BACKLOG = 4_096;
/** A dialler that has said nothing by then is cut off. */
const FIRST_BYTE_MS = 2_000;
const REPORTS_MAX = 100;
const REPORT_INTERVAL_MS = 250;
const TIMER_MS_MAX = 2 ** 31 - 1;
/** How often relations that live streams rest on are asked about without a push. */
const RELATIONS_INTERVAL_MS = 5_000;
const DRAIN_MS = 3_000;
/** A node that starts waits this long for its server before it goes by the revocations it has kept. */
const CATCH_UP_MS = 2_000;
/** As many as the server takes. */
const DIRECT_ADDRESSES_MAX = 16;

interface InletState {
  readonly record: InletRecord;
  readonly places: readonly Place[];
  readonly inlet: Inlet;
  bound: string;
  active: Place | undefined;
  lastFailure: PosternError | undefined;
  retry: NodeJS.Timeout | undefined;
  retryMs: number;
  isStopped: boolean;
}
interface RelayState {
  readonly record: RelayRecord;
  isUp: boolean;
  /** Another node took the name; this one does not fight for it. */
  isDisplaced: boolean;
  lastFailure: string | undefined;
  /** Of a relay on another node. */
  claim?: RelayClaim;
}

/**
 * Whether an address that a peer announces may be dialled: never this machine, its link or everybody, so that no peer
 * makes this node knock at doors that only it can reach.
 */
function isElsewhere(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return isIP(host) !== 0 && !NEAR.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}
const NEAR = new BlockList();
NEAR.addSubnet('127.0.0.0', 8, 'ipv4');
NEAR.addSubnet('0.0.0.0', 8, 'ipv4');
NEAR.addSubnet('169.254.0.0', 16, 'ipv4');
NEAR.addSubnet('224.0.0.0', 3, 'ipv4');
NEAR.addAddress('::1', 'ipv6');
NEAR.addAddress('::', 'ipv6');
NEAR.addSubnet('fe80::', 10, 'ipv6');
NEAR.addSubnet('ff00::', 8, 'ipv6');

/** Where other machines may reach a listener; nowhere when it is on loopback. */
function announced(listener: string): string[] {
  const host = listener.slice(0, listener.lastIndexOf(':'));
  const port = listener.slice(listener.lastIndexOf(':') + 1);
  if (/^(127\.|localhost$|\[?::1\]?$)/.test(host)) return [];
  if (!/^(0\.0\.0\.0|\[?::\]?)$/.test(host)) return [listener];
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((i) => !i.internal && i.family === 'IPv4')
    .map((i) => `${i.address}:${port}`);
}

/** Admits the identities that somebody named, whatever credentials they hold. */
function admitOnly(identifiers: readonly string[]): Admission {
  return (peer) => {
    if (identifiers.includes(peer.identifier)) return;
    throw new PosternError(
      'denied',
      `The peer is ${peer.identifier}, which --authorized does not name`,
    );
  };
}

export class NodeAgent {
  readonly home: Home;
  readonly record: NodeRecord;
  readonly identity: IdentityRecord;
  readonly project: ProjectRecord | undefined;
  readonly policies: PolicyBook;
  readonly outlets: OutletRegistry;
  readonly relayHost: RelayHost;
  readonly logger: Logger;
  readonly startedAtMs: number = Date.now();
  readonly #keys: IdentityKeys;
  #local: LocalCredential | undefined;
  #notAfterMs = Number.POSITIVE_INFINITY;
  #notBeforeMs = 0;
  #renewal: NodeJS.Timeout | undefined;
  /** For when the server is out of reach and pushes nothing. */
  readonly #relationTimer = setInterval(() => void this.#recheckRelations(), RELATIONS_INTERVAL_MS);
  #isRenewing = false;
  #control: ControlSession | undefined;
  readonly #revoked = new Map<string, number | null>();
  readonly #accepted = new Set<Channel>();
  readonly #pools = new Map<string, ChannelPool>();
  readonly #inlets = new Map<string, InletState>();
  readonly #relays = new Map<string, RelayState>();
  readonly #listeners = new Map<string, { server: Server; address: string }>();
  /** Diallers that have not proved themselves, in order of arrival. */
  readonly #strangers = new Set<Socket>();
  readonly #reports: Denial[] = [];
  #reporting: NodeJS.Timeout | undefined;
  #isClosing = false;
  /** Channels are accepted from then on. */
  #caughtUp: Promise<void> = Promise.resolve();

  constructor(o: { home: Home; name: string; logger: Logger }) {
    this.home = o.home;
    this.logger = o.logger;
    this.record = o.home.nodes.get(o.name);
    this.identity = o.home.identity(this.record.identityName);
    this.#keys = o.home.identityKeys(this.identity);
    this.project = this.#findProject();
    this.policies = new PolicyBook({
      records: o.home.policies(o.name),
      hasAuthority: this.project !== undefined,
      node: o.name,
      relations: this.#relationAnswers,
      onDenial: (denial) => this.#onDenial(denial),
    });
    this.relayHost = new RelayHost(this.project !== undefined);
    this.outlets = new OutletRegistry({
      prepare: (service, peer) => this.policies.prepare('outlet', service, peer),
      check: (service, peer, isLive) => this.policies.check('outlet', service, peer, isLive),
    });
  }

  get name(): string {
    return this.record.name;
  }
  get control(): ControlSession | undefined {
    return this.#control;
  }
  get peer(): { notAfterMs: number } {
    return { notAfterMs: this.#notAfterMs };
  }

  /** The project of the node: the one it was created with, else the default one that its identity is enrolled in. */
  #findProject(): ProjectRecord | undefined {
    const isEnrolled = (p: ProjectRecord): boolean =>
      this.home.enrolments.find(`${this.identity.identifier}@${p.id}`) !== undefined;
    if (this.record.projectName !== undefined)
      return this.home.projects.get(this.record.projectName);
    const fallback = this.home.projects.default;
    return fallback !== undefined && isEnrolled(fallback)
      ? fallback
      : this.home.projects.list().find(isEnrolled);
  }

  readonly #relationAnswers = new RelationAnswers(async (questions) => {
    if (this.#control === undefined)
      throw new PosternError('unavailable', 'This node has no server to ask');
    return this.#control.askRelations(questions);
  });

  /** What the policies ask about everybody who is connected now. */
  #liveQuestions(): readonly PeerQuestion[] {
    const outlets = this.outlets.live.flatMap(({ service, peer }) =>
      this.policies.questions('outlet', service, peer),
    );
    const inlets = this.inlets.flatMap(({ record, inlet }) =>
      inlet.livePeers.flatMap((peer) => this.policies.questions('inlet', record.name, peer)),
    );
    return [...outlets, ...inlets];
  }

  /** Asks again about what live streams rest on, and cuts those that have lost it. */
  async #recheckRelations(): Promise<void> {
    const questions = this.#liveQuestions();
    if (questions.length === 0) return;
    await this.#relationAnswers.refresh(questions);
    this.recheck();
  }

  readonly #trust: ChannelTrust = {
    local: () => {
      if (this.#local === undefined)
        throw new PosternError('unavailable', 'This node has no credential yet');
      return this.#local;
    },
    isRevoked: (identifier, generation) => {
      const least = this.#revoked.get(identifier);
      return least === null || (least !== undefined && generation < least);
    },
    nowMs: () => Date.now(),
  };

  /** Whom a secure channel listener of this node accepts. Throws `not_found`. */
  #admission(listener: string): Admission | undefined {
    if (listener === LISTENER_DEFAULT) return undefined;
    const found = this.home.notes('secure-channel-listener', this.name).find(listener);
    if (found === undefined)
      throw new PosternError(
        'not_found',
        `There is no secure channel listener "${listener.slice(0, 100)}" at node ${this.name}`,
      );
    const authorized: unknown = found.data['authorized'];
    return Array.isArray(authorized) && authorized.length > 0
      ? admitOnly(authorized.map(String))
      : undefined;
  }

  readonly #handlers: ChannelHandlers = {
    admission: (listener) => this.#admission(listener),
    onConnect: (stream, service, channel) => {
      if (service.startsWith(FORWARD_PREFIX))
        this.relayHost.connect(service.slice(FORWARD_PREFIX.length), stream);
      else if (service.startsWith(RENDEZVOUS_PREFIX))
        this.relayHost.meet(service.slice(RENDEZVOUS_PREFIX.length), stream, channel);
      else this.outlets.connect(stream, service, channel);
    },
    onClaim: (name, stream, channel) => this.relayHost.claim(name, stream, channel),
    onProbe: async (service, channel) => {
      if (!this.isService(service)) await this.outlets.probe(service, channel.peer);
    },
    onMessage: async (service, body) => this.answer(service, body),
  };

  /** The message services that every node has. */
  isService(service: string): boolean {
    return service === 'echo' || service === 'uppercase';
  }
  answer(service: string, body: Buffer): Buffer {
    if (service === 'echo') return body;
    if (service === 'uppercase') return Buffer.from(body.toString('utf8').toUpperCase());
    throw new PosternError(
      'not_found',
      `There is no service "${service.slice(0, 100)}" at node ${this.name}`,
    );
  }

  #onDenial(denial: Denial): void {
    this.logger.warn(
      {
        decision: denial.id,
        side: denial.side,
        resource: denial.resource,
        peer: denial.peer,
        rule: denial.rule,
        why: denial.why,
      },
      'denied',
    );
    try {
      this.home.recordDecision({
        name: denial.id,
        atMs: denial.atMs,
        isAllowed: false,
        side: denial.side,
        node: this.name,
        resource: denial.resource,
        peer: denial.peer,
        rule: denial.rule,
        why: denial.why,
      });
    } catch (reason) {
      this.logger.error({ err: reason }, 'a decision could not be kept in the home');
    }
    if (this.#control === undefined || this.#reports.length >= REPORTS_MAX) return;
    this.#reports.push(denial);
    this.#reporting ??= setTimeout(() => this.#report(), REPORT_INTERVAL_MS);
  }

  #report(): void {
    this.#reporting = undefined;
    const list = this.#reports.splice(0);
    this.#control
      ?.report(
        list.map((d) => ({
          id: d.id,
          at_ms: d.atMs,
          action: `tcp-${d.side}:use`,
          resource: d.resource,
          peer: d.peer,
          rule: d.rule,
          why: d.why,
          count: d.count,
        })),
      )
      .catch((reason: unknown) =>
        this.logger.warn({ err: reason }, 'denials could not be reported to the server'),
      );
  }

  /** Starts everything that the home knows of this node. */
  async start(): Promise<void> {
    await this.#loadCredential();
    this.#loadRevocations();
    const listener = await this.listen(this.record.tcpListenerAddress);
    this.home.nodes.put({
      ...this.record,
      boundAddress: listener,
      pid: process.pid,
      startedAtMs: this.startedAtMs,
    });
    for (const outlet of this.home.outlets(this.name).list()) this.#addOutlet(outlet);
    for (const record of this.home.relays(this.name).list()) {
      const state = { record, isUp: false, isDisplaced: false, lastFailure: undefined };
      this.#relays.set(record.name, state);
      if (hostPlaceOf(record.at) !== undefined) void this.#register(state);
    }
    if (this.project !== undefined) this.#caughtUp = this.#startControl(this.project);
    for (const inlet of this.home.inlets(this.name).list()) await this.#restoreInlet(inlet);
    this.logger.info(
      {
        node: this.name,
        identifier: this.identity.identifier,
        listener,
        project: this.project?.name ?? null,
      },
      'the node is ready',
    );
  }

  /** Binds an inlet of the home; while its address is taken, tries again until it is free or the inlet is deleted. */
  async #restoreInlet(record: InletRecord): Promise<void> {
    if (this.#isClosing || this.home.inlets(this.name).find(record.name) === undefined) return;
    try {
      await this.#addInlet(record);
    } catch (reason) {
      this.logger.error({ err: reason, inlet: record.name }, 'an inlet could not be restored yet');
      setTimeout(() => void this.#restoreInlet(record), RETRY_MAX_MS).unref();
    }
  }

  #loadRevocations(): void {
    if (this.project === undefined) return;
    for (const { name, data } of this.home.notes('revocation', this.project.id).list()) {
      const least = data['min_generation'];
      this.#revoked.set(name, typeof least === 'number' ? least : null);
    }
  }

  async #loadCredential(): Promise<void> {
    const project = this.project;
    if (project === undefined) {
      const leaf = generateLeafKey();
      this.#local = {
        identity: this.#keys,
        leafPrivateKeyPem: exportPrivateKey(leaf.privateKey),
        certificatePem: await selfIssue(this.#keys, leaf, Date.now()),
      };
      return;
    }
    const stored = this.home.credentials.find(`${this.identity.identifier}@${project.id}`);
    if (stored === undefined) return;
    this.#use(project, stored.leafPrivateKeyPem, stored.certificatePem, stored.notAfterMs);
  }

  #use(
    project: ProjectRecord,
    leafPrivateKeyPem: string,
    certificatePem: string,
    notAfterMs: number,
  ): void {
    this.#local = {
      identity: this.#keys,
      leafPrivateKeyPem,
      certificatePem,
      authorityCertificatePem: project.authorityCertificatePem,
      projectId: project.id,
    };
    this.#notBeforeMs = Date.now();
    this.#notAfterMs = notAfterMs;
    clearTimeout(this.#renewal);
    const half = Math.max((notAfterMs - this.#notBeforeMs) / 2, 1_000);
    this.#renewal = setTimeout(() => this.#renew(), Math.min(half, TIMER_MS_MAX));
  }

  #keep(project: ProjectRecord, granted: GrantedCredential): void {
    const { grant, leafPrivateKeyPem } = granted;
    this.home.credentials.put({
      name: `${this.identity.identifier}@${project.id}`,
      identifier: this.identity.identifier,
      projectId: project.id,
      leafPrivateKeyPem,
      certificatePem: grant.certificate_pem,
      attributes: grant.attributes,
      notAfterMs: grant.not_after_ms,
    });
    this.#use(project, leafPrivateKeyPem, grant.certificate_pem, grant.not_after_ms);
  }

  /** Renews over the session, presents the successor on every live channel, and connects anew with it. */
  #renew(): void {
    const { project } = this;
    const control = this.#control;
    if (project === undefined || control === undefined || this.#isRenewing || this.#isClosing)
      return;
    this.#isRenewing = true;
    (async () => {
      this.#keep(project, await renewCredential(control.link, this.#keys, project.id));
      for (const channel of this.#channels()) channel.renew();
      control.reconnect();
    })()
      .catch((reason: unknown) => {
        this.logger.warn(
          { err: toPosternError(reason) },
          'the credential could not be renewed; trying again',
        );
        clearTimeout(this.#renewal);
        this.#renewal = setTimeout(() => this.#renew(), RENEW_RETRY_MS);
      })
      .finally(() => {
        this.#isRenewing = false;
      });
  }

  #channels(): Channel[] {
    return [...this.#accepted, ...[...this.#pools.values()].flatMap((p) => p.channels)];
  }

  /** Answers when the node knows who was revoked while it was away, or the server is not to be reached. */
  #startControl(project: ProjectRecord): Promise<void> {
    const control = new ControlSession({
      addresses: project.serverAddresses,
      serverCaPem: project.serverCaPem,
      nodeName: this.name,
      logger: this.logger,
      credential: async (open: () => Promise<Link>) => {
        if (this.#local === undefined || this.#notAfterMs - Date.now() < 60_000) {
          const link = await open();
          try {
            this.#keep(project, await renewCredential(link, this.#keys, project.id));
          } finally {
            link.close();
          }
          for (const channel of this.#channels()) channel.renew();
        }
        const { certificatePem, leafPrivateKeyPem } = this.#trust.local();
        return { certificatePem, leafPrivateKeyPem };
      },
    });
    this.#control = control;
    control.on('connected', () => {
      this.logger.info({ server: control.link.address }, 'connected to the server');
      for (const state of this.#relays.values()) void this.#register(state);
      for (const state of this.#inlets.values()) if (!this.isUp(state)) this.#retrySoon(state, 0);
    });
    control.on('disconnected', (reason) => {
      for (const state of this.#relays.values()) {
        if (state.claim !== undefined) continue;
        state.isUp = false;
        state.lastFailure ??= reason.message;
      }
      this.logger.warn({ err: reason }, 'not connected to the server');
    });
    control.on('revocations', (list) => this.#onRevocations(list));
    control.on('renew', () => this.#renew());
    control.on('relations', () => void this.#recheckRelations());
    control.on('displaced', ({ relay, by }) => {
      const state = this.#relays.get(relay);
      if (state === undefined) return;
      state.isUp = false;
      state.isDisplaced = true;
      state.lastFailure = `${by} holds the name now`;
      this.logger.warn({ relay, by }, 'another node took the relay name');
    });
    control.on('rendezvous', (push) => {
      control
        .meet(push.token)
        .then((socket) => this.#accept(socket, push.relay))
        .catch((reason: unknown) =>
          this.logger.warn(
            { err: toPosternError(reason), relay: push.relay },
            'a rendezvous failed',
          ),
        );
    });
    control.start();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CATCH_UP_MS);
      control.once('connected', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #onRevocations(list: readonly RevocationFacts[]): void {
    const kept = this.home.notes('revocation', this.project?.id ?? '');
    for (const { identifier, min_generation } of list) {
      if (this.#revoked.get(identifier) === min_generation) continue;
      // Within one member's history the newest entry rules; entries arrive in order.
      this.#revoked.set(identifier, min_generation);
      // A node that starts while its server is away must not forget whom it knew to be revoked.
      kept.put({ name: identifier, data: { min_generation } });
    }
    for (const channel of this.#channels()) channel.recheck();
  }

  async #accept(socket: Duplex, relay?: string): Promise<void> {
    await this.#caughtUp;
    const channel = await acceptChannel(
      socket,
      this.#trust,
      this.#handlers,
      relay === undefined ? {} : { relay },
    );
    this.#accepted.add(channel);
    channel.once('close', () => this.#accepted.delete(channel));
    channel.on('peer', () => this.recheck());
  }

  /** Listens for channels from nodes that can reach this one directly. Throws `conflict`. */
  listen(address: string): Promise<string> {
    const { host, port } = parseAddress(address);
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      const [oldest] = this.#strangers;
      if (this.#strangers.size >= HANDSHAKES_MAX) oldest?.destroy();
      this.#strangers.add(socket);
      const timer = setTimeout(() => socket.destroy(), FIRST_BYTE_MS);
      socket.once('close', () => {
        clearTimeout(timer);
        this.#strangers.delete(socket);
      });
      // A TLS context costs milliseconds: who has not begun to speak TLS gets none.
      socket.once('readable', () => {
        clearTimeout(timer);
        const first: Buffer | null = socket.read(1);
        if (first?.[0] !== TLS_FIRST_BYTE) {
          socket.destroy();
          return;
        }
        socket.unshift(first);
        this.#accept(socket)
          .catch((reason: unknown) =>
            this.logger.debug({ err: toPosternError(reason) }, 'a dialler was refused'),
          )
          .finally(() => this.#strangers.delete(socket));
      });
    });
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          new PosternError('conflict', `The node can't listen on ${address} (${cause.code})`, {
            cause,
          }),
        ),
      );
      server.listen({ host, port, backlog: BACKLOG }, () => {
        const bound = server.address();
        const text = `${host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`;
        this.#listeners.set(text, { server, address: text });
        resolve(text);
      });
    });
  }
  get listeners(): string[] {
    return [...this.#listeners.keys()];
  }
  unlisten(address: string): void {
    const found = this.#listeners.get(address);
    if (found === undefined)
      throw new PosternError('not_found', `The listener ${address} was not found`);
    found.server.close();
    this.#listeners.delete(address);
  }

  // Outlets

  #addOutlet(record: OutletRecord): void {
    const { host, port } = parseAddress(record.to);
    this.outlets.add({ name: record.name, host, port, tls: record.tls });
  }
  /** Throws `conflict` for a name in use. */
  createOutlet(o: { name?: string; to: string; tls: boolean; allow?: string }): OutletRecord {
    const records = this.home.outlets(this.name);
    const { host, port } = parseAddress(o.to);
    const name = o.name ?? (records.find('outlet') === undefined ? 'outlet' : newName());
    const record = { name, to: `${host}:${port}`, tls: o.tls };
    if (this.isService(name))
      throw new PosternError('conflict', `The service named '${name}' already exists`);
    if (records.find(name) !== undefined)
      throw new PosternError('conflict', `The outlet named '${name}' already exists`);
    // The policy first: an outlet must never be there without the policy that it was asked for with.
    if (o.allow !== undefined) this.policies.put(name, false, o.allow);
    records.create(record);
    this.#addOutlet(record);
    this.#announce();
    return record;
  }
  deleteOutlet(name: string): void {
    this.home.outlets(this.name).delete(name);
    this.outlets.remove(name);
    this.#announce();
  }
  /** Tells the relays what is behind them now. */
  #announce(): void {
    for (const state of this.#relays.values()) if (state.isUp) void this.#register(state);
  }

  // Relays

  get relays(): RelayState[] {
    return [...this.#relays.values()];
  }
  async createRelay(record: RelayRecord, waits: boolean): Promise<RelayState> {
    const host = hostPlaceOf(record.at);
    if (this.project === undefined && host === undefined)
      throw new PosternError('denied', 'A relay needs a project: this node belongs to none', {
        hint: 'Please enroll first: postern enroll, or postern project enroll TICKET',
      });
    this.#relays.get(record.name)?.claim?.close();
    this.home.relays(this.name).put(record);
    const state: RelayState = { record, isUp: false, isDisplaced: false, lastFailure: undefined };
    this.#relays.set(record.name, state);
    if (waits && host === undefined) await this.#untilConnected(5_000);
    await this.#register(state);
    return state;
  }
  async #untilConnected(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (this.#control?.isConnected === false && performance.now() < until)
      await new Promise((r) => setTimeout(r, 20));
  }
  /** Keeps a name claimed at another node. Throws never; the state says how it went. */
  async #claim(state: RelayState, place: Place): Promise<void> {
    if (state.claim !== undefined) return;
    const { name } = state.record;
    state.claim = new RelayClaim({
      name,
      logger: this.logger,
      dial: (signal) => this.dial(place, signal),
      accept: (socket) => this.#accept(socket, name),
      onChange: (isUp, reason) => {
        state.isUp = isUp;
        state.lastFailure = reason?.message;
        if (reason !== undefined)
          this.logger.warn({ err: reason, relay: name }, 'the relay is not reached');
      },
    });
    await state.claim.start();
  }
  async #register(state: RelayState): Promise<void> {
    const host = hostPlaceOf(state.record.at);
    if (host !== undefined) return this.#claim(state, host);
    if (state.isDisplaced || this.#control === undefined) return;
    try {
      const direct = this.listeners.flatMap(announced).slice(0, DIRECT_ADDRESSES_MAX);
      await this.#control.registerRelay(state.record.name, {
        services: this.outlets.names,
        direct_addresses: direct,
      });
      state.isUp = true;
      state.lastFailure = undefined;
    } catch (reason) {
      const error = toPosternError(reason);
      state.isUp = false;
      state.lastFailure = error.message;
      this.logger.warn(
        { err: error, relay: state.record.name, decision: error.decisionId },
        'the relay name was refused',
      );
    }
  }
  async deleteRelay(name: string): Promise<void> {
    this.home.relays(this.name).delete(name);
    const state = this.#relays.get(name);
    this.#relays.delete(name);
    state?.claim?.close();
    if (state?.claim !== undefined) return;
    if (this.#control?.isConnected) await this.#control.releaseRelay(name).catch(() => undefined);
  }

  // Inlets

  get inlets(): InletState[] {
    return [...this.#inlets.values()];
  }

  /** Opens a channel to a place, outside any pool; with `authorized`, to one of these identities alone. */
  async dial(place: Place, signal: AbortSignal, authorized?: readonly string[]): Promise<Channel> {
    const options: DialOptions = {
      signal,
      ...(place.listener === undefined ? {} : { listener: place.listener }),
      ...(authorized === undefined ? {} : { admit: admitOnly(authorized) }),
    };
    if (place.kind !== 'relay') {
      const address = place.kind === 'address' ? place.address : this.#addressOf(place.node);
      const { through } = place;
      if (through === undefined)
        return connectChannel(await dialTcp(address, signal), this.#trust, options);
      const outer = await connectChannel(await dialTcp(address, signal), this.#trust, { signal });
      try {
        const socket = await outer.tunnel(`${FORWARD_PREFIX}${through}`, signal);
        const inner = await connectChannel(socket, this.#trust, { ...options, relay: through });
        inner.once('close', (reason) => outer.close(reason));
        return inner;
      } catch (reason) {
        outer.close(toPosternError(reason));
        throw reason;
      }
    }
    if (this.#control === undefined)
      throw new PosternError('denied', 'A relay needs a project: this node belongs to none', {
        hint: 'Please enroll first',
      });
    const control = this.#control;
    const grant = await control.requestRendezvous(place.relay);
    for (const address of grant.direct_addresses.filter(isElsewhere)) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(DIRECT_TIMEOUT_MS)]);
      try {
        const channel = await connectChannel(await dialTcp(address, limit), this.#trust, {
          ...options,
          relay: place.relay,
        });
        this.logger.info({ relay: place.relay, address }, 'the peer is reached directly');
        return channel;
      } catch (reason) {
        this.logger.debug(
          { err: toPosternError(reason), address },
          'no direct path; the relay stays',
        );
      }
    }
    return connectChannel(await control.meet(grant.token, signal), this.#trust, {
      ...options,
      relay: place.relay,
    });
  }
  #addressOf(node: string): string {
    const address = this.home.nodes.get(node).boundAddress;
    if (address === undefined)
      throw new PosternError('unavailable', `The node ${node} does not run`);
    return address;
  }

  /** Inlets to the same node, through the same listener and for the same identity, share their channels. */
  #poolKey({ record }: InletState, place: Place): string {
    const { service: _service, ...door } = place;
    return JSON.stringify([door, record.authorized ?? null]);
  }
  #closeUnusedPools(): void {
    const used = new Set(this.inlets.flatMap((s) => s.places.map((p) => this.#poolKey(s, p))));
    for (const [key, pool] of this.#pools)
      if (!used.has(key)) {
        this.#pools.delete(key);
        pool.close();
      }
  }
  #pool(state: InletState, place: Place): ChannelPool {
    const { authorized } = state.record;
    const key = this.#poolKey(state, place);
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const pool = new ChannelPool({
      open: (signal) =>
        this.dial(place, signal, authorized === undefined ? undefined : [authorized]),
      onUp: (channel) => channel.on('peer', () => this.recheck()),
      onDown: (reason, left) => {
        if (left > 0 || this.#isClosing) return;
        this.logger.warn(
          { err: reason, to: printPlace(place, this.project?.name ?? 'default') },
          'the channel went down',
        );
        for (const state of this.#inlets.values()) {
          if (state.active === undefined || this.#pool(state, state.active) !== pool) continue;
          state.lastFailure = reason;
          this.#retrySoon(state, 0);
        }
      },
    });
    this.#pools.set(key, pool);
    return pool;
  }

  #check(state: InletState, peer: Peer, isLive: boolean = false): void {
    const { authorized, name } = state.record;
    if (authorized !== undefined && peer.identifier !== authorized)
      throw this.policies.deny(
        'inlet',
        name,
        peer.identifier,
        `--authorized ${authorized}`,
        `needs the identity ${authorized}, the peer is ${peer.identifier}`,
      );
    this.policies.check('inlet', name, peer, isLive);
  }

  #peek(state: InletState): { channel: Channel; service: string } | undefined {
    if (state.active === undefined) return undefined;
    const channel = this.#pool(state, state.active).peek();
    if (channel === undefined) return undefined;
    // Questions about relations are asked on the slow way.
    if (!this.policies.isPrepared('inlet', state.record.name, channel.peer)) return undefined;
    return { channel, service: state.active.service };
  }

  /** Finds the first place that answers, and asks whether it will have us. */
  async #connect(state: InletState): Promise<{ channel: Channel; service: string }> {
    let last: PosternError | undefined;
    for (const place of state.places) {
      try {
        const channel = await this.#pool(state, place).get();
        await this.policies.prepare('inlet', state.record.name, channel.peer);
        this.#check(state, channel.peer);
        await channel.probe(place.service);
        state.active = place;
        state.lastFailure = undefined;
        state.retryMs = RETRY_FIRST_MS;
        return { channel, service: place.service };
      } catch (reason) {
        const error = toPosternError(reason);
        if (last === undefined || error.code !== 'not_found') last = error;
        if (error.code !== 'not_found' && error.code !== 'denied') break;
      }
    }
    state.active = undefined;
    state.lastFailure = last ?? new PosternError('unavailable', 'Nowhere to connect to');
    throw state.lastFailure;
  }

  #retrySoon(state: InletState, afterMs: number): void {
    if (state.isStopped || this.#isClosing) return;
    clearTimeout(state.retry);
    state.retry = setTimeout(() => {
      this.#connect(state).catch(() => {
        state.retryMs = Math.min(state.retryMs * 2, RETRY_MAX_MS);
        this.#retrySoon(state, state.retryMs * (0.5 + Math.random() / 2));
      });
    }, afterMs);
  }

  async #addInlet(record: InletRecord): Promise<InletState> {
    const { host, port } = parseAddress(record.from);
    const inlet: Inlet = new Inlet({
      host,
      port,
      peek: () => this.#peek(state),
      connect: () => this.#connect(state),
      check: (channel, isLive) => this.#check(state, channel.peer, isLive),
      onFailure: (reason) => {
        state.lastFailure = reason;
        this.logger.warn(
          { err: reason, inlet: record.name, decision: reason.decisionId },
          'a connection was not carried',
        );
        if (reason.code === 'not_found') {
          // The service moved or went: look for it again, in order.
          state.active = undefined;
          this.#retrySoon(state, 0);
        }
      },
    });
    const state: InletState = {
      record,
      places: placesOf(record.to === '' ? undefined : record.to, record.via),
      inlet,
      bound: '',
      active: undefined,
      lastFailure: undefined,
      retry: undefined,
      retryMs: RETRY_FIRST_MS,
      isStopped: false,
    };
    const bound = await inlet.start();
    state.bound = `${bound.host}:${bound.port}`;
    this.#inlets.set(record.name, state);
    this.#retrySoon(state, 0);
    return state;
  }

  /** Binds an inlet and waits for its outlet up to `waitMs`. Throws `conflict` for a name or an address in use. */
  async createInlet(o: {
    alias?: string;
    from: string;
    to?: string;
    via?: string;
    authorized?: string;
    allow?: string;
    waitMs: number;
  }): Promise<InletState> {
    const name = o.alias ?? newName();
    if (this.#inlets.has(name))
      throw new PosternError('conflict', `The inlet named '${name}' already exists`);
    const record: InletRecord = {
      name,
      from: o.from,
      to: o.to ?? '',
      ...(o.via === undefined ? {} : { via: o.via }),
      ...(o.authorized === undefined ? {} : { authorized: o.authorized }),
    };
    placesOf(o.to, o.via);
    if (o.allow !== undefined) this.policies.put(name, false, o.allow);
    const state = await this.#addInlet(record);
    try {
      // A restart listens on the same port again.
      this.home.inlets(this.name).create({ ...record, from: state.bound });
    } catch (reason) {
      await this.#dropInlet(state);
      throw reason;
    }
    const until = performance.now() + o.waitMs;
    while (state.active === undefined && performance.now() < until) {
      if (state.lastFailure?.code === 'denied') break;
      await new Promise((r) => setTimeout(r, 20));
    }
    return state;
  }
  async deleteInlet(name: string): Promise<void> {
    // One that waits for its address is in the home alone.
    this.home.inlets(this.name).delete(name);
    const state = this.#inlets.get(name);
    if (state !== undefined) await this.#dropInlet(state);
  }
  async #dropInlet(state: InletState): Promise<void> {
    state.isStopped = true;
    clearTimeout(state.retry);
    this.#inlets.delete(state.record.name);
    await state.inlet.stop();
    this.#closeUnusedPools();
  }
  isUp(state: InletState): boolean {
    return state.active !== undefined && this.#pool(state, state.active).isUp;
  }
  printTarget(state: InletState): { route: string; active: string | null } {
    const project = this.project?.name ?? 'default';
    const [first] = state.places;
    return {
      route: first === undefined ? '' : printPlace(first, project),
      active: state.active === undefined ? null : printPlace(state.active, project),
    };
  }

  /** Asks every policy again about everything that is live. */
  recheck(): void {
    this.outlets.recheck();
    for (const state of this.#inlets.values()) {
      state.inlet.recheck();
      if (!this.isUp(state)) this.#retrySoon(state, 0);
    }
  }

  /** For status pages: every channel that is up. */
  channels(): {
    peer: string;
    side: string;
    relay: string | null;
    streams: number;
    group: string;
  }[] {
    return this.#channels().map((c) => ({
      peer: c.peer.identifier,
      side: c.side,
      relay: c.relay ?? null,
      streams: c.streams,
      group: KEY_EXCHANGE_GROUP,
    }));
  }

  /** Stops: no new connections, live ones drain for a moment, then everything closes. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearTimeout(this.#renewal);
    clearTimeout(this.#reporting);
    clearInterval(this.#relationTimer);
    for (const { server } of this.#listeners.values()) server.close();
    const hasLive =
      this.outlets.liveStreams > 0 || this.inlets.some((s) => s.inlet.liveConnections > 0);
    await Promise.all(
      this.inlets.map((s) => {
        s.isStopped = true;
        clearTimeout(s.retry);
        return s.inlet.stop(hasLive ? DRAIN_MS : 0);
      }),
    );
    const until = performance.now() + DRAIN_MS;
    while (this.outlets.liveStreams > 0 && performance.now() < until)
      await new Promise((r) => setTimeout(r, 50));
    for (const { claim } of this.#relays.values()) claim?.close();
    for (const pool of this.#pools.values()) pool.close();
    for (const channel of this.#accepted)
      channel.close(new PosternError('unavailable', 'The node is stopping'));
    this.#control?.close();
    const {
      pid: _pid,
      boundAddress: _bound,
      ...rest
    } = this.home.nodes.find(this.name) ?? this.record;
    if (this.home.nodes.find(this.name) !== undefined) this.home.nodes.put(rest);
  }
}
