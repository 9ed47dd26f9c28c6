/**
 * The node's local API, on a Unix socket of mode 0600: what the commands ask. JSON in and out; the answers are what the
 * commands print. It trusts whoever can open the socket, which is the home's owner.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { Gauge, Registry } from 'prom-client';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Channel } from '../channel/index.ts';
import { KEY_EXCHANGE_GROUP } from '../channel/index.ts';
import { dialTcp } from '../control/index.ts';
import type { OutletRecord } from '../home/index.ts';
import {
  HTTP_STATUS,
  type Logger,
  PosternError,
  toErrorBody,
  toPosternError,
} from '../kernel/index.ts';
import { parseRoute, printRoute, type Segment } from '../trust/index.ts';
import type { NodeAgent } from './agent.ts';
import { RESOURCE_TYPES } from './policies.ts';
import { listenerPlaceOf, placesOf } from './target.ts';

const BODY_BYTES_MAX = 1024 * 1024;
/** How long a request may take to arrive, milliseconds. */
const SLOW = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
} as const;
/** A node answers a handshake within this. */
const CHANNEL_TIMEOUT_MS = 3_000;
const Text = Type.String({ minLength: 1, maxLength: 4096 });
const Maybe = Type.Optional(Text);
const Ms = Type.Optional(Type.Number({ minimum: 0, maximum: 86_400_000 }));

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  run(params: string[], body: unknown): unknown;
}

/** Checks a body against its schema. Throws `invalid`, naming the field. */
function checked<T extends TSchema>(schema: T, body: unknown): Static<T> {
  if (Value.Check(schema, body)) return body;
  const [first] = Value.Errors(schema, body);
  throw new PosternError(
    'invalid',
    `The request is not valid: ${first?.instancePath || '/'} ${first?.message ?? ''}`,
  );
}

interface OpenChannel {
  readonly id: string;
  readonly channel: Channel;
  readonly to: string;
}

export class NodeApi {
  readonly #agent: NodeAgent;
  readonly #stop: () => void;
  readonly #routes: Route[] = [];
  readonly #opened = new Map<string, OpenChannel>();
  readonly #connections = new Map<string, { to: string; close(): void }>();
  readonly #hops = new Set<string>();
  readonly #registry = new Registry();

  constructor(agent: NodeAgent, stop: () => void) {
    this.#agent = agent;
    this.#stop = stop;
    this.#portals();
    this.#demonstrations();
    this.#metrics();
  }

  #on(method: string, path: string, run: Route['run']): void {
    const pattern = new RegExp(`^${path.replaceAll(/:\w+/g, '([^/]+)')}$`);
    this.#routes.push({ method, pattern, run });
  }

  #outletJson(o: OutletRecord): object {
    return {
      node_name: this.#agent.name,
      worker_addr: o.name,
      worker_address: `/service/${o.name}`,
      to: o.to,
      tls: o.tls,
      payload: null,
    };
  }
  #inletJson(i: NodeAgent['inlets'][number]): Record<string, unknown> {
    const { route, active } = this.#agent.printTarget(i);
    return {
      bind_addr: i.bound,
      worker_addr: i.record.name,
      alias: i.record.name,
      payload: null,
      outlet_route: route,
      outlet_addr: active ?? '',
      status: this.#agent.isUp(i) ? 'Up' : 'Down',
      last_failure: i.lastFailure?.message ?? null,
      decision_id: i.lastFailure?.decisionId ?? null,
    };
  }
  #relayJson(r: NodeAgent['relays'][number]): Record<string, unknown> {
    const { name } = r.record;
    return {
      forwarding_route: `0#forward_to_${name}`,
      remote_address: `forward_to_${name}`,
      worker_address: `/service/forward_to_${name}`,
      flow_control_id: null,
      connection_status: r.isUp ? 'Up' : 'Down',
      destination_address: r.record.at,
      name,
      destination: r.record.at,
      relay_route: `0#${this.#agent.project?.name ?? 'default'} => 0#forward_to_${name}`,
      last_failure: r.lastFailure ?? null,
    };
  }
  #services(): { addr: string; type: string }[] {
    return [
      { addr: 'api', type: 'secure_channel_listener' },
      { addr: 'echo', type: 'echo' },
      { addr: 'uppercase', type: 'uppercase' },
      { addr: 'forwarding_service', type: 'relay' },
      { addr: 'static_forwarding_service', type: 'relay' },
      ...this.#agent.relayHost.names.map((n) => ({ addr: `forward_to_${n}`, type: 'relay' })),
      ...[...this.#hops].map((addr) => ({ addr, type: 'hop' })),
      ...this.#agent.home
        .notes('secure-channel-listener', this.#agent.name)
        .list()
        .map((l) => ({ addr: l.name, type: 'secure_channel_listener' })),
    ];
  }

  /** What `node show` prints. */
  describe(): Record<string, unknown> {
    const a = this.#agent;
    const [listener = ''] = a.listeners;
    const port = listener.slice(listener.lastIndexOf(':') + 1);
    return {
      name: a.name,
      identity_name: a.identity.name,
      is_default: a.home.nodes.isDefault(a.name),
      status: 'running',
      pid: process.pid,
      route: {
        short: `/dnsaddr/localhost/tcp/${port}`,
        verbose: `/dnsaddr/${listener.slice(0, listener.lastIndexOf(':'))}/tcp/${port}`,
      },
      http_server_address: this.httpAddress,
      transports: a.listeners.map((l) => ({ tt: 'tcp', tm: 'listen', socket_addr: l })),
      secure_channel_listeners: [
        'api',
        ...a.home
          .notes('secure-channel-listener', a.name)
          .list()
          .map((l) => l.name),
      ],
      inlets: a.inlets.map((i) => this.#inletJson(i)),
      outlets: a.home
        .outlets(a.name)
        .list()
        .map((o) => this.#outletJson(o)),
      relays: a.relays.map((r) => this.#relayJson(r)),
      services: this.#services(),
      project: a.project?.name ?? null,
      connected: a.control?.isConnected ?? false,
      channels: a.channels(),
    };
  }
  httpAddress: string | null = null;

  /** The policy of an outlet or an inlet goes with it, unless another thing of that name is left. */
  #forgetPolicy(name: string): void {
    const a = this.#agent;
    const isNamed = a.policies.list().some((p) => p.name === name && !p.isType);
    const isUsed =
      a.home.outlets(a.name).find(name) !== undefined ||
      a.inlets.some((i) => i.record.name === name);
    if (isNamed && !isUsed) a.policies.delete(name);
  }

  #portals(): void {
    const a = this.#agent;
    const node = a.name;
    this.#on('GET', '/v1/node', () => this.describe());
    this.#on('POST', '/v1/stop', () => {
      setImmediate(this.#stop);
      return {};
    });
    this.#on('GET', '/v1/outlets', () =>
      a.home
        .outlets(node)
        .list()
        .map((o) => this.#outletJson(o)),
    );
    this.#on('POST', '/v1/outlets', (_p, body) => {
      const b = checked(
        Type.Object({ name: Maybe, to: Text, tls: Type.Optional(Type.Boolean()), allow: Maybe }),
        body,
      );
      return this.#outletJson(
        a.createOutlet({
          to: b.to,
          tls: b.tls ?? false,
          ...(b.name === undefined ? {} : { name: b.name }),
          ...(b.allow === undefined ? {} : { allow: b.allow }),
        }),
      );
    });
    this.#on('GET', '/v1/outlets/:name', ([name = '']) =>
      this.#outletJson(a.home.outlets(node).get(name)),
    );
    this.#on('DELETE', '/v1/outlets/:name', ([name = '']) => {
      a.deleteOutlet(name);
      this.#forgetPolicy(name);
      return { alias: name, node };
    });

    const Inlet = Type.Object({
      alias: Maybe,
      from: Text,
      to: Maybe,
      via: Maybe,
      authorized: Maybe,
      identity: Maybe,
      allow: Maybe,
      connection_wait_ms: Ms,
      timeout_ms: Ms,
      no_connection_wait: Type.Optional(Type.Boolean()),
    });
    this.#on('GET', '/v1/inlets', () => a.inlets.map((i) => this.#inletJson(i)));
    this.#on('POST', '/v1/inlets', async (_p, body) => {
      const { alias, from, to, via, authorized, allow, ...b } = checked(Inlet, body);
      const state = await a.createInlet({
        from,
        ...(alias === undefined ? {} : { alias }),
        ...(to === undefined ? {} : { to }),
        ...(via === undefined ? {} : { via }),
        ...(authorized === undefined ? {} : { authorized }),
        ...(allow === undefined ? {} : { allow }),
        waitMs:
          b.no_connection_wait === true
            ? 0
            : Math.min(b.connection_wait_ms ?? 5_000, b.timeout_ms ?? 10_000),
      });
      return this.#inletJson(state);
    });
    const inlet = (alias: string): NodeAgent['inlets'][number] => {
      const found = a.inlets.find((i) => i.record.name === alias);
      if (found === undefined)
        throw new PosternError('not_found', `The inlet named '${alias}' was not found`);
      return found;
    };
    this.#on('GET', '/v1/inlets/:alias', ([alias = '']) => this.#inletJson(inlet(alias)));
    this.#on('DELETE', '/v1/inlets/:alias', async ([alias = '']) => {
      await a.deleteInlet(alias);
      this.#forgetPolicy(alias);
      return { alias, node };
    });

    const Relay = Type.Object({
      name: Type.String({ pattern: '^[\\w.-]{1,128}$' }),
      at: Maybe,
      authorized: Maybe,
      no_connection_wait: Type.Optional(Type.Boolean()),
    });
    this.#on('GET', '/v1/relays', () => a.relays.map((r) => this.#relayJson(r)));
    this.#on('POST', '/v1/relays', async (_p, body) => {
      const b = checked(Relay, body);
      const at = b.at ?? `/project/${a.project?.name ?? 'default'}`;
      const record = {
        name: b.name,
        at,
        ...(b.authorized === undefined ? {} : { authorized: b.authorized }),
      };
      return this.#relayJson(await a.createRelay(record, b.no_connection_wait !== true));
    });
    const relay = (name: string): NodeAgent['relays'][number] => {
      const found = a.relays.find((r) => r.record.name === name);
      if (found === undefined)
        throw new PosternError('not_found', `The relay named '${name}' was not found`);
      return found;
    };
    this.#on('GET', '/v1/relays/:name', ([name = '']) => {
      const r = this.#relayJson(relay(name));
      return { ...r, remote_address: `/service/forward_to_${name}` };
    });
    this.#on('DELETE', '/v1/relays/:name', async ([name = '']) => {
      relay(name);
      await a.deleteRelay(name);
      return { name, node };
    });

    const Policy = Type.Object({ resource: Maybe, resource_type: Maybe, expression: Text });
    const policyJson = (p: { name: string; expression: string }): object => ({
      resource: p.name,
      action: 'handle_message',
      expression: p.expression,
    });
    this.#on('GET', '/v1/policies', () => a.policies.list().map(policyJson));
    this.#on('POST', '/v1/policies', (_p, body) => {
      const b = checked(Policy, body);
      const name = b.resource_type ?? b.resource;
      if (name === undefined)
        throw new PosternError(
          'invalid',
          'Say what the policy is for: --resource-type or --resource',
        );
      const isType = RESOURCE_TYPES.some((t) => t === name);
      if (b.resource_type !== undefined && !isType)
        throw new PosternError('invalid', `"${name}" is none of ${RESOURCE_TYPES.join(', ')}`);
      const record = a.policies.put(name, isType, b.expression);
      a.recheck();
      return policyJson(record);
    });
    this.#on('GET', '/v1/policies/:name', ([name = '']) => policyJson(a.policies.get(name)));
    this.#on('DELETE', '/v1/policies/:name', ([name = '']) => {
      a.policies.delete(name);
      a.recheck();
      return { resource: name, node };
    });
    this.#on('GET', '/v1/decisions/:id', ([id = '']) => {
      const found = a.home.findDecision(id);
      if (found === undefined) throw new PosternError('not_found', 'No such decision in this home');
      return found;
    });
  }

  /** Secure channels, listeners and messages by hand: for learning and for tests. */
  #demonstrations(): void {
    const a = this.#agent;
    const notes = a.home.notes('secure-channel-listener', a.name);
    this.#on('GET', '/v1/workers', () => this.#services().map((s) => ({ addr: s.addr })));
    this.#on('GET', '/v1/services', () => this.#services());
    this.#on('POST', '/v1/services', (_p, body) => {
      const b = checked(Type.Object({ type: Type.Literal('hop'), addr: Text }), body);
      if (this.#services().some((s) => s.addr === b.addr))
        throw new PosternError('conflict', `The service named '${b.addr}' already exists`);
      this.#hops.add(b.addr);
      return b;
    });

    const Open = Type.Object({
      to: Text,
      authorized: Type.Optional(Type.Array(Text)),
      identity: Maybe,
    });
    const channelJson = (c: OpenChannel): object => ({
      addr: c.id,
      address: `/service/${c.id}`,
      to: c.to,
      peer: c.channel.peer.identifier,
      group: KEY_EXCHANGE_GROUP,
      attributes: c.channel.peer.attributes,
    });
    const find = (addr: string): OpenChannel => {
      const found = this.#opened.get(addr.replace(/^\/service\//, ''));
      if (found === undefined)
        throw new PosternError('not_found', `The secure channel ${addr} was not found`);
      return found;
    };
    this.#on('POST', '/v1/secure-channels', async (_p, body) => {
      const b = checked(Open, body);
      const channel = await a.dial(
        listenerPlaceOf(b.to),
        AbortSignal.timeout(10_000),
        b.authorized,
      );
      const open = { id: randomBytes(16).toString('hex'), channel, to: b.to };
      this.#opened.set(open.id, open);
      channel.once('close', () => this.#opened.delete(open.id));
      return channelJson(open);
    });
    this.#on('GET', '/v1/secure-channels', () => [...this.#opened.values()].map(channelJson));
    this.#on('GET', '/v1/secure-channels/:addr', ([addr = '']) => channelJson(find(addr)));
    this.#on('DELETE', '/v1/secure-channels/:addr', ([addr = '']) => {
      const open = find(addr);
      open.channel.close(new PosternError('unavailable', 'closed by the user'));
      return channelJson(open);
    });
    const Listener = Type.Object({
      address: Maybe,
      addr: Maybe,
      authorized: Type.Optional(Type.Array(Text)),
      identity: Maybe,
    });
    this.#on('GET', '/v1/secure-channel-listeners', () => [
      { addr: 'api' },
      ...notes.list().map((l) => ({ addr: l.name })),
    ]);
    this.#on('POST', '/v1/secure-channel-listeners', (_p, body) => {
      const b = checked(Listener, body);
      const addr = b.addr ?? b.address;
      if (addr === undefined) throw new PosternError('invalid', 'Name the listener');
      if (this.#services().some((s) => s.addr === addr))
        throw new PosternError('conflict', `The service named '${addr}' already exists`);
      notes.create({ name: addr, data: { authorized: b.authorized ?? [] } });
      return { addr };
    });
    const listener = (addr: string): object => {
      if (addr !== 'api') notes.get(addr);
      return { addr };
    };
    this.#on('GET', '/v1/secure-channel-listeners/:addr', ([addr = '']) => listener(addr));
    this.#on('DELETE', '/v1/secure-channel-listeners/:addr', ([addr = '']) => {
      notes.delete(addr);
      return { addr };
    });

    this.#on('GET', '/v1/tcp-listeners', () =>
      a.listeners.map((l) => ({ id: l, address: l, bind_addr: l })),
    );
    this.#on('POST', '/v1/tcp-listeners', async (_p, body) => {
      const { address } = checked(Type.Object({ address: Text }), body);
      const bound = await a.listen(address);
      return { id: bound, address: bound, bind_addr: bound };
    });
    this.#on('GET', '/v1/tcp-listeners/:address', ([address = '']) => {
      if (!a.listeners.includes(address))
        throw new PosternError('not_found', `The listener ${address} was not found`);
      return { id: address, address, bind_addr: address };
    });
    this.#on('DELETE', '/v1/tcp-listeners/:address', ([address = '']) => {
      a.unlisten(address);
      return { address };
    });
    const connection = (id: string): { id: string; to: string } => {
      for (const [key, { to }] of this.#connections)
        if (key === id || to === id) return { id: key, to };
      throw new PosternError('not_found', `The connection ${id} was not found`);
    };
    this.#on('GET', '/v1/tcp-connections', () =>
      [...this.#connections].map(([id, { to }]) => ({ id, to })),
    );
    this.#on('POST', '/v1/tcp-connections', async (_p, body) => {
      const { to } = checked(Type.Object({ to: Text }), body);
      const id = randomBytes(16).toString('hex');
      const forget = (): void => void this.#connections.delete(id);
      try {
        // A node cuts off who says nothing: a connection to one is kept as a channel.
        const place = { kind: 'address', address: to, service: '' } as const;
        const channel = await a.dial(place, AbortSignal.timeout(CHANNEL_TIMEOUT_MS));
        channel.once('close', forget);
        const close = (): void =>
          channel.close(new PosternError('unavailable', 'closed by the user'));
        this.#connections.set(id, { to, close });
      } catch {
        // Something else than a node listens there.
        const socket = await dialTcp(to);
        socket.on('error', () => undefined);
        socket.once('close', forget);
        this.#connections.set(id, { to, close: () => void socket.destroy() });
      }
      return { id, to };
    });
    this.#on('GET', '/v1/tcp-connections/:id', ([id = '']) => connection(id));
    this.#on('DELETE', '/v1/tcp-connections/:id', ([id = '']) => {
      const found = connection(id);
      this.#connections.get(found.id)?.close();
      this.#connections.delete(found.id);
      return found;
    });

    const Message = Type.Object({
      to: Text,
      body_hex: Type.String({ pattern: '^([0-9a-fA-F]{2})*$', maxLength: 131_072 }),
      timeout_ms: Ms,
      authorized: Type.Optional(Type.Array(Text)),
      identity: Maybe,
    });
    this.#on('POST', '/v1/messages', async (_p, raw) => {
      const b = checked(Message, raw);
      const reply = await this.#send(b.to, Buffer.from(b.body_hex, 'hex'), b.timeout_ms ?? 10_000);
      return { body_hex: reply.toString('hex') };
    });
  }

  /** Sends a message along a route: over an open secure channel, to a service here, or to one behind a far node. */
  async #send(to: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    const a = this.#agent;
    const segments = parseRoute(to).filter(
      (s) => !(s.kind === 'service' && this.#hops.has(s.value)),
    );
    const [first, second] = segments;
    const open = first?.kind === 'service' ? this.#opened.get(first.value) : undefined;
    if (open !== undefined && second !== undefined)
      return open.channel.message(second.value, body, timeoutMs);
    if (first?.kind === 'service' && second === undefined) return a.answer(first.value, body);
    if (first?.kind === 'node' && first.value === a.name && second?.kind === 'service') {
      const opened = this.#opened.get(second.value);
      const third = segments[2];
      if (opened !== undefined && third !== undefined)
        return opened.channel.message(third.value, body, timeoutMs);
      if (third === undefined) return a.answer(second.value, body);
    }
    const [place] = placesOf(this.#withoutWorker(to, segments), undefined);
    if (place === undefined) throw new PosternError('invalid', 'No route');
    const channel = await a.dial(place, AbortSignal.timeout(timeoutMs));
    try {
      return await channel.message(place.service, body, timeoutMs);
    } finally {
      channel.close(new PosternError('unavailable', 'done'));
    }
  }

  /** A route that begins at a TCP connection of this node, as a route to the address that it leads to. */
  #withoutWorker(route: string, segments: readonly Segment[]): string {
    const [first, ...rest] = segments;
    if (first?.kind !== 'worker') return route;
    const address = this.#connections.get(first.value)?.to;
    if (address === undefined)
      throw new PosternError('not_found', `The connection ${first.value} was not found`);
    if (rest.some((s) => s.kind === 'worker'))
      throw new PosternError('unsupported', 'A route over two connections is not supported yet', {
        hint: 'Send from the node between them: `postern message send --from NODE`',
      });
    return printRoute([
      ...parseRoute(`/dnsaddr/${address.replace(/:(\d+)$/, '/tcp/$1')}`),
      ...rest,
    ]);
  }

  #metrics(): void {
    const a = this.#agent;
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(value());
        },
      });
    };
    gauge('postern_node_inlet_connections', 'App connections through inlets', () =>
      a.inlets.reduce((n, i) => n + i.inlet.liveConnections, 0),
    );
    gauge('postern_node_outlet_streams', 'Streams through outlets', () => a.outlets.liveStreams);
    gauge('postern_node_channels', 'Secure channels', () => a.channels().length);
    gauge('postern_node_connected', '1 while the session to the server is up', () =>
      a.control?.isConnected ? 1 : 0,
    );
    gauge('postern_node_resident_bytes', 'Resident memory', () => process.memoryUsage.rss());
  }
  metrics(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Handles one request. */
  async handle(request: IncomingMessage, response: ServerResponse, logger: Logger): Promise<void> {
    try {
      const path = new URL(request.url ?? '/', 'http://node').pathname;
      if (path === '/metrics') {
        response
          .writeHead(200, { 'content-type': this.#registry.contentType })
          .end(await this.metrics());
        return;
      }
      const body = await readBody(request);
      for (const route of this.#routes) {
        const match = route.method === request.method ? route.pattern.exec(path) : null;
        if (match === null) continue;
        const answer = await route.run(match.slice(1).map(decodeURIComponent), body);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
        return;
      }
      throw new PosternError('not_found', `The node knows no ${request.method} ${path}`);
    } catch (reason) {
      const error = toPosternError(reason);
      if (error.code === 'internal')
        logger.error({ err: error.cause ?? error }, 'a request met a fault');
      if (!response.headersSent)
        response.writeHead(HTTP_STATUS[error.code], { 'content-type': 'application/json' });
      response.end(JSON.stringify(toErrorBody(error)));
    }
  }

  /** Listens on the Unix socket. */
  async listen(path: string, logger: Logger): Promise<Server> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    const server = createServer(
      SLOW,
      (request, response) => void this.handle(request, response, logger),
    );
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
    } finally {
      process.umask(umask);
    }
    chmodSync(path, 0o600);
    return server;
  }

  /** The optional HTTP server on loopback: is it alive, and what runs on it. Read only. */
  async listenHttp(port: number): Promise<Server> {
    const server = createServer(SLOW, (request, response) => {
      const path = request.url;
      const isRead = request.method === 'GET';
      if (path === '/' && (isRead || request.method === 'HEAD')) response.writeHead(200).end();
      else if (path === '/show' && isRead)
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify(this.describe()));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    this.httpAddress =
      typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : null;
    return server;
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of request) {
    const bytes: Buffer = chunk;
    total += bytes.length;
    if (total > BODY_BYTES_MAX) throw new PosternError('invalid', 'The request is too long');
    chunks.push(bytes);
  }
  if (total === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new PosternError('invalid', 'The request is not JSON', { cause });
  }
}
