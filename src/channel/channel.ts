/**
 * A secure channel between two nodes: TLS 1.3 with mutual authentication and hybrid key exchange (X25519MLKEM768), one
 * HTTP/2 session on it (RFC 9113), one CONNECT stream (section 8.5) for each TCP connection of the app.
 *
 * INVARIANT: no byte of an app flows before both ends have verified the other's certificate and its evidence, and the
 * dialler has checked that the peer may hold the relay name it dialled. The channel ends when the peer's credential
 * expires without a successor, when the peer is revoked, or when the peer falls silent.
 * It never resumes a TLS session (the peer would go unverified) and never speaks less than TLS 1.3.
 */
import { constants, createPrivateKey, sign, verify, X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import http2 from 'node:http2';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { PosternError, toPosternError } from '../kernel/index.ts';
import { type IdentityKeys, type Peer, verifyPeer } from '../trust/index.ts';

/** What a node proves itself with. */
export interface LocalCredential {
  readonly identity: IdentityKeys;
  readonly leafPrivateKeyPem: string;
  readonly certificatePem: string;
  /** Absent for a node without a project. */
  readonly authorityCertificatePem?: string;
  readonly projectId?: string;
}
/** Where a channel asks what it may believe. */
export interface ChannelTrust {
  local(): LocalCredential;
  isRevoked(identifier: string, generation: number): boolean;
  nowMs(): number;
}
/** Decides whether a verified peer may have a channel at all; throws `denied`. */
export type Admission = (peer: Peer) => void;
export type ChannelSide = 'dialler' | 'acceptor';
export interface ChannelOptions {
  /** The relay name that was dialled, or through which the rendezvous came. */
  readonly relay?: string;
  readonly signal?: AbortSignal;
}
export interface DialOptions extends ChannelOptions {
  /** The peer's secure channel listener; `api` without it. */
  readonly listener?: string;
  /** Whom to accept; without it, who holds a credential of the local project. */
  readonly admit?: Admission;
}
/** Handles what arrives on a channel that this side accepted (or, for messages, either side). */
export interface ChannelHandlers {
  /** Whom a secure channel listener accepts; `undefined` for the listener's default. Throws `not_found`. */
  admission?(listener: string): Admission | undefined;
  /** A CONNECT stream for a service by name. */
  onConnect(stream: http2.ServerHttp2Stream, service: string, channel: Channel): void;
  /** A question: may the peer use this service? Throws `denied` or `not_found`. */
  onProbe(service: string, channel: Channel): void | Promise<void>;
  /** A short message to a service; answers the reply. */
  onMessage(service: string, body: Buffer, channel: Channel): Promise<Buffer>;
  /** The peer claims a relay name at this node; the stream lives as long as the claim. Throws `denied`. */
  onClaim?(name: string, stream: http2.ServerHttp2Stream, channel: Channel): void;
}

export const KEY_EXCHANGE_GROUP = 'X25519MLKEM768';
const ALPN = 'h2';
const CONTROL_PATH = '/postern/channel/v1/control';
/** The secure channel listener that every node has. */
export const LISTENER_DEFAULT = 'api';
const SERVICE_PATH = '/postern/channel/v1/services/';
const MESSAGE_PATH = '/postern/channel/v1/messages/';
const RELAY_PATH = '/postern/channel/v1/relays/';
/** A handshake that takes longer is dead or hostile. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 4_000;
/** Silence after which the peer is given up: not a byte came, of any kind. */
const SILENCE_MAX_MS = 10_000;
/** How often the connection below is looked at: what arrived, and whether the kernel still knows a peer. */
const WATCH_INTERVAL_MS = 500;
/** What a 100 ms path at 1 Gbit/s needs is 12.5 MB; a stalled stream may hold this much at the most. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_WINDOW_BYTES = 2 ** 31 - 1;
/** nghttp2's own memory for a session, in MB: frames queued for many busy streams. */
const SESSION_MEMORY_MB = 256;
const STREAMS_MAX = 100_000;
const MESSAGE_BYTES_MAX = 64 * 1024;
const CONTROL_LINE_BYTES_MAX = 64 * 1024;
const RENEW_LABEL = 'EXPORTER-postern-channel';
/** setTimeout's largest delay. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const H2_SETTINGS: http2.Settings = {
  initialWindowSize: STREAM_WINDOW_BYTES,
  maxConcurrentStreams: STREAMS_MAX,
  enablePush: false,
};

/** Headers in which a refusal of a stream travels. */
export const REASON_HEADER = 'x-postern-reason';
export const CODE_HEADER = 'x-postern-code';
export const DECISION_HEADER = 'x-postern-decision';

const renewalText = (exporter: Buffer, side: ChannelSide): Buffer =>
  Buffer.concat([Buffer.from(`postern-renew-v1\0${side}\0`), exporter]);

/** Reads the refusal out of a stream's response headers. */
export function refusalFromHeaders(headers: http2.IncomingHttpHeaders): PosternError {
  const one = (name: string): string | undefined => {
    const v = headers[name];
    return typeof v === 'string' ? v : undefined;
  };
  const encoded = one(REASON_HEADER);
  let message = 'The peer refused the connection';
  try {
    // It ends on somebody's terminal: no control characters.
    if (encoded !== undefined) message = decodeURIComponent(encoded).replaceAll(/\p{Cc}/gu, ' ');
  } catch {
    // The peer's text is not ours to trust: the plain sentence stays.
  }
  const code = one(CODE_HEADER);
  const decisionId = one(DECISION_HEADER);
  return new PosternError(
    code === 'not_found' ? 'not_found' : code === 'denied' ? 'denied' : 'unavailable',
    message,
    decisionId === undefined ? {} : { decisionId },
  );
}

/** Refuses a stream with its reason, as headers that `refusalFromHeaders` reads. */
export function refuseStream(stream: http2.ServerHttp2Stream, error: PosternError): void {
  if (stream.destroyed || stream.closed) return;
  const status = error.code === 'denied' ? 403 : error.code === 'not_found' ? 404 : 502;
  stream.respond(
    {
      ':status': status,
      [CODE_HEADER]: error.code,
      // A cut through a surrogate pair, which the peer's own text can bring about, must not throw here.
      [REASON_HEADER]: encodeURIComponent(error.message.slice(0, 2000).toWellFormed()),
      ...(error.decisionId === undefined ? {} : { [DECISION_HEADER]: error.decisionId }),
    },
    { endStream: true },
  );
  stream.on('error', () => undefined);
  stream.resume();
}

/**
 * The kernel's word on a socket: false once the connection was reset. An HTTP/2 session that waits for a write does not
 * read, and when that write fails it waits for ever: neither an error nor a close is emitted, so somebody has to ask.
 */
function hasPeer(socket: Duplex): boolean {
  // A tunnel within another channel ends with that one.
  if (!(socket instanceof Socket)) return !socket.destroyed;
  // No public property asks anew: remoteAddress keeps its first answer.
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return false;
  const ask: unknown = Reflect.get(handle, 'getpeername');
  return typeof ask !== 'function' || Reflect.apply(ask, handle, [{}]) === 0;
}

interface ChannelEvents {
  close: [reason: PosternError];
  peer: [peer: Peer];
}

export class Channel extends EventEmitter<ChannelEvents> {
  readonly side: ChannelSide;
  readonly relay: string | undefined;
  #peer: Peer;
  readonly #trust: ChannelTrust;
  readonly #admit: Admission;
  readonly #session: http2.Http2Session;
  readonly #dialling: http2.ClientHttp2Session | undefined;
  readonly #exporter: Buffer;
  /** The connection below TLS, and TLS on it. */
  readonly #socket: Duplex;
  readonly #tls: TLSSocket;
  #control: http2.Http2Stream | undefined;
  #closed: PosternError | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #lastHeardMs: number;
  #bytesHeard = 0;
  #streams = 0;

  constructor(o: {
    side: ChannelSide;
    relay: string | undefined;
    peer: Peer;
    trust: ChannelTrust;
    admit: Admission;
    session: http2.Http2Session;
    /** The same session at the dialling side, which alone opens streams. */
    dialling?: http2.ClientHttp2Session;
    exporter: Buffer;
    socket: Duplex;
    tls: TLSSocket;
  }) {
    super();
    this.side = o.side;
    this.relay = o.relay;
    this.#peer = o.peer;
    this.#trust = o.trust;
    this.#admit = o.admit;
    this.#session = o.session;
    this.#dialling = o.dialling;
    this.#exporter = o.exporter;
    this.#socket = o.socket;
    this.#tls = o.tls;
    this.#lastHeardMs = performance.now();
    o.session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    o.session.on('error', (e) =>
      this.close(new PosternError('unavailable', 'The channel broke', { cause: e })),
    );
    o.session.on('close', () =>
      this.close(new PosternError('unavailable', 'The peer closed the channel')),
    );
    o.session.on('goaway', () =>
      this.close(new PosternError('unavailable', 'The peer is leaving')),
    );
    this.#armExpiry();
    this.#keepAlive = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#keepAlive.unref();
    this.#watch = setInterval(() => this.#look(), WATCH_INTERVAL_MS);
    this.#watch.unref();
  }

  get peer(): Peer {
    return this.#peer;
  }
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }
  get closeReason(): PosternError | undefined {
    return this.#closed;
  }
  get streams(): number {
    return this.#streams;
  }
  /** Bytes that went through in either direction so far. */
  get bytesCarried(): number {
    return this.#tls.bytesRead + this.#tls.bytesWritten;
  }

  /** Is there still somebody? Whatever arrives is a sign of life: on a slow link a ping's answer waits behind bulk. */
  #look(): void {
    if (this.#tls.bytesRead > this.#bytesHeard) {
      this.#bytesHeard = this.#tls.bytesRead;
      this.#lastHeardMs = performance.now();
    }
    if (!hasPeer(this.#socket))
      this.close(new PosternError('unavailable', 'The connection below the channel was reset'));
    else if (performance.now() - this.#lastHeardMs > SILENCE_MAX_MS)
      this.close(
        new PosternError('unavailable', `The peer has been silent for ${SILENCE_MAX_MS / 1000} s`),
      );
  }

  #ping(): void {
    if (!this.#session.destroyed) this.#session.ping(() => undefined);
  }

  #armExpiry(): void {
    clearTimeout(this.#expiry);
    const left = this.#peer.notAfterMs - this.#trust.nowMs();
    this.#expiry = setTimeout(
      () => {
        if (this.#peer.notAfterMs > this.#trust.nowMs()) this.#armExpiry();
        else
          this.close(
            new PosternError('expired', `The credential of ${this.#peer.identifier} expired`),
          );
      },
      Math.min(Math.max(left, 0), TIMER_MS_MAX),
    );
    this.#expiry.unref();
  }

  /** Counts a stream while it lives; both sides of a portal call this. */
  track(stream: http2.Http2Stream): void {
    this.#streams++;
    stream.once('close', () => {
      this.#streams--;
    });
  }

  #client(): http2.ClientHttp2Session {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#dialling === undefined)
      throw new PosternError('denied', 'The accepting side of a channel does not open streams');
    return this.#dialling;
  }

  /** Opens a CONNECT stream to a service of the peer. The peer's answer arrives as the stream's `response`. */
  openStream(service: string): http2.ClientHttp2Stream {
    const stream = this.#client().request(
      { ':method': 'CONNECT', ':authority': service },
      { endStream: false },
    );
    this.track(stream);
    return stream;
  }

  /** Asks the peer whether a service exists and may be used. Throws `denied`, `not_found` or `unavailable`. */
  async probe(service: string, timeoutMs: number = HANDSHAKE_TIMEOUT_MS): Promise<void> {
    await this.#ask(
      'GET',
      `${SERVICE_PATH}${encodeURIComponent(service)}`,
      Buffer.alloc(0),
      timeoutMs,
    );
  }

  /** Sends a short message to a service of the peer; answers its reply. */
  message(
    service: string,
    body: Buffer,
    timeoutMs: number = HANDSHAKE_TIMEOUT_MS,
  ): Promise<Buffer> {
    return this.#ask('POST', `${MESSAGE_PATH}${encodeURIComponent(service)}`, body, timeoutMs);
  }

  #ask(method: string, path: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#client().request(
        { ':method': method, ':path': path },
        { endStream: false },
      );
      let status = 0;
      let refusal: PosternError | undefined;
      stream.setTimeout(timeoutMs, () =>
        stream.destroy(new PosternError('unavailable', 'The peer did not answer in time')),
      );
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
        if (status !== 200) refusal = refusalFromHeaders(headers);
      });
      collect(stream, MESSAGE_BYTES_MAX).then((bytes) => {
        if (status === 200) resolve(bytes);
        else
          reject(
            refusal ??
              new PosternError('unavailable', 'The channel closed before the peer answered'),
          );
      }, reject);
      stream.end(body);
    });
  }

  /** Opens a stream to a service of the peer and waits until it is joined; for channels inside this one. */
  async tunnel(service: string, signal?: AbortSignal): Promise<Duplex> {
    const stream = this.openStream(service);
    await answered(stream, withTimeout(signal));
    return stream;
  }

  /** Claims a relay name at the peer; answers the tokens of those who dial it, until the claim ends. */
  async claimRelay(name: string): Promise<AsyncIterable<string>> {
    const stream = this.#client().request(
      { ':method': 'POST', ':path': `${RELAY_PATH}${encodeURIComponent(name)}` },
      { endStream: false },
    );
    await answered(stream, withTimeout(undefined));
    return tokens(stream);
  }

  /** Binds the control stream; both ends send their renewals on it. */
  bindControl(stream: http2.Http2Stream): void {
    this.#control = stream;
    stream.on('close', () =>
      this.close(new PosternError('unavailable', 'The control stream of the channel closed')),
    );
    readLines(
      stream,
      (line) => this.#onControl(line),
      (why) => this.close(new PosternError('invalid', why)),
    );
  }

  #onControl(line: string): void {
    const message = parseJson(line);
    if (message['type'] !== 'renew') return;
    try {
      const other: ChannelSide = this.side === 'dialler' ? 'acceptor' : 'dialler';
      const peer = checkPeer(readRenewal(message, renewalText(this.#exporter, other)), this.#trust);
      this.#admit(peer);
      if (peer.identifier !== this.#peer.identifier || peer.generation < this.#peer.generation)
        throw new PosternError('denied', 'A renewal names another member, or an older state of it');
      if (this.side === 'dialler') checkRelay(peer, this.relay);
      this.#peer = peer;
      this.#armExpiry();
      this.emit('peer', peer);
    } catch (reason) {
      this.close(toPosternError(reason));
    }
  }

  /** Presents this side's current credential to the peer, after it was renewed; no stream is dropped. */
  renew(): void {
    const local = this.#trust.local();
    const key = createPrivateKey(local.leafPrivateKeyPem);
    const signature = sign(null, renewalText(this.#exporter, this.side), key).toString('base64');
    this.#send({ type: 'renew', certificate: local.certificatePem, signature });
  }

  #send(message: object): void {
    if (this.#closed === undefined) this.#control?.write(`${JSON.stringify(message)}\n`);
  }

  /** Reruns the checks that can change while a channel lives; closes it when one fails. */
  recheck(): void {
    try {
      if (
        this.#peer.hasCredential &&
        this.#trust.isRevoked(this.#peer.identifier, this.#peer.generation)
      )
        throw new PosternError('denied', `${this.#peer.identifier} was revoked`);
      this.#admit(this.#peer);
    } catch (reason) {
      this.close(toPosternError(reason));
    }
  }

  /** Closes at once: every stream is reset, so that nothing cut looks complete. */
  close(reason: PosternError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    clearTimeout(this.#expiry);
    clearInterval(this.#keepAlive);
    clearInterval(this.#watch);
    this.#session.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
    this.emit('close', reason);
  }
}

/** The certificate of a renewal that its own key signed, as DER. Throws `denied`: what can't be read is the peer's doing. */
function readRenewal(message: Record<string, unknown>, text: Buffer): Uint8Array {
  try {
    const certificate = new X509Certificate(String(message['certificate'] ?? ''));
    const signature = Buffer.from(String(message['signature'] ?? ''), 'base64');
    if (verify(null, text, certificate.publicKey, signature)) return certificate.raw;
  } catch (cause) {
    throw new PosternError('denied', "A renewal's certificate can't be read", { cause });
  }
  throw new PosternError('denied', 'A renewal is not signed by its new leaf key');
}

function parseJson(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Falls through to the refusal.
  }
  throw new PosternError(
    'invalid',
    'The peer sent something that is not JSON on the control stream',
  );
}

function readLines(
  stream: http2.Http2Stream,
  onLine: (line: string) => void,
  onBad: (why: string) => void,
): void {
  let pending = '';
  stream.setEncoding('utf8');
  stream.on('error', () => undefined);
  stream.on('data', (chunk: string) => {
    pending += chunk;
    if (pending.length > CONTROL_LINE_BYTES_MAX) return onBad('A control message is too long');
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end);
      pending = pending.slice(end + 1);
      try {
        onLine(line);
      } catch (reason) {
        return onBad(toPosternError(reason).message);
      }
    }
  });
}

/** Waits for a stream's 200. Throws the peer's refusal. */
function answered(stream: http2.ClientHttp2Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown): void => {
      signal.removeEventListener('abort', fail);
      stream.destroy();
      reject(
        cause instanceof PosternError
          ? cause
          : new PosternError('unavailable', 'The peer did not answer', { cause }),
      );
    };
    signal.addEventListener('abort', fail, { once: true });
    stream.once('error', fail);
    stream.once('close', fail);
    stream.once('response', (headers) => {
      if (headers[':status'] !== 200) return fail(refusalFromHeaders(headers));
      signal.removeEventListener('abort', fail);
      stream.off('close', fail);
      stream.off('error', fail);
      stream.on('error', () => undefined);
      resolve();
    });
  });
}

/** The tokens that a claim's stream carries, one JSON line each. */
async function* tokens(stream: http2.Http2Stream): AsyncGenerator<string> {
  let pending = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    pending += String(chunk);
    if (pending.length > CONTROL_LINE_BYTES_MAX)
      throw new PosternError('invalid', 'A control message is too long');
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const { type, token } = parseJson(pending.slice(0, end));
      pending = pending.slice(end + 1);
      if (type === 'displaced')
        throw new PosternError('conflict', 'Another node took the relay name');
      if (typeof token === 'string' && /^[0-9a-f]{64}$/.test(token)) yield token;
    }
  }
}

function collect(stream: http2.Http2Stream, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    stream.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > bytesMax) stream.destroy(new PosternError('invalid', 'A message is too long'));
      else chunks.push(chunk);
    });
    stream.on('error', (e) =>
      reject(
        e instanceof PosternError
          ? e
          : new PosternError('unavailable', 'The channel closed before the peer answered', {
              cause: e,
            }),
      ),
    );
    stream.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

function checkPeer(der: Uint8Array, trust: ChannelTrust): Peer {
  const local = trust.local();
  const base = { nowMs: trust.nowMs(), isRevoked: trust.isRevoked.bind(trust) };
  if (local.authorityCertificatePem === undefined || local.projectId === undefined)
    return verifyPeer(der, base);
  // A peer of no project is verified as far as it goes; admission then asks for more, or for its identifier.
  const { subjectAltName } = new X509Certificate(der);
  if (subjectAltName?.startsWith('URI:spiffe://none/')) return verifyPeer(der, base);
  return verifyPeer(der, {
    ...base,
    authorityCertificatePem: local.authorityCertificatePem,
    projectId: local.projectId,
  });
}

/** The rule where nothing else is said: a node of a project talks to members of that project alone. */
const admitMembers =
  (trust: ChannelTrust): Admission =>
  (peer) => {
    if (trust.local().projectId === undefined || peer.hasCredential) return;
    throw new PosternError('denied', `${peer.identifier} holds no credential of this project`);
  };

/** May this peer hold the relay name? A peer without a project has no names to defend. */
function checkRelay(peer: Peer, relay: string | undefined): void {
  if (relay === undefined || !peer.hasCredential) return;
  const held = peer.attributes['ockam-relay'];
  if (held !== '*' && held !== relay)
    throw new PosternError(
      'denied',
      `${peer.identifier} answered for relay ${relay}, which its credential does not allow`,
    );
}

const exporterOf = (socket: TLSSocket): Buffer =>
  socket.exportKeyingMaterial(32, RENEW_LABEL, Buffer.alloc(0));

function withTimeout(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

/**
 * The dialling side: verifies the peer and opens the HTTP/2 session over a raw socket. Owns the socket from the call on.
 * Throws `denied` with the side that refused, or `unavailable`.
 */
export async function connectChannel(
  socket: Duplex,
  trust: ChannelTrust,
  options: DialOptions = {},
): Promise<Channel> {
  const local = trust.local();
  const admit = options.admit ?? admitMembers(trust);
  const signal = withTimeout(options.signal);
  const tls = tlsConnect({
    socket,
    servername: '',
    ALPNProtocols: [ALPN],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: KEY_EXCHANGE_GROUP,
    key: local.leafPrivateKeyPem,
    cert: local.certificatePem,
    // Verified below by verifyPeer, which checks the chain, the SAN and the evidence.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  return new Promise((resolve, reject) => {
    let session: http2.ClientHttp2Session | undefined;
    let isUp = false;
    const fail = (reason: unknown): void => {
      // Once the channel is up, its own session tells it what breaks.
      if (isUp) return;
      session?.destroy();
      tls.destroy();
      socket.destroy();
      reject(
        reason instanceof PosternError
          ? reason
          : new PosternError('unavailable', 'The peer closed the connection during the handshake', {
              cause: reason,
            }),
      );
    };
    signal.addEventListener(
      'abort',
      () => fail(new PosternError('unavailable', 'The channel was not up in time')),
      { once: true },
    );
    tls.on('error', fail);
    tls.on('close', () =>
      fail(new PosternError('unavailable', 'The peer closed the connection during the handshake')),
    );
    tls.once('secureConnect', () => {
      try {
        // Works once on a client: a second call gives nothing.
        const certificate = tls.getPeerX509Certificate();
        if (certificate === undefined || tls.alpnProtocol !== ALPN)
          throw new PosternError('denied', 'The peer is not a node');
        const peer = checkPeer(certificate.raw, trust);
        admit(peer);
        checkRelay(peer, options.relay);
        const exporter = exporterOf(tls);
        const h2 = http2.connect('https://peer.invalid', {
          createConnection: () => tls,
          settings: H2_SETTINGS,
          maxSessionMemory: SESSION_MEMORY_MB,
          peerMaxConcurrentStreams: STREAMS_MAX,
        });
        session = h2;
        h2.on('error', fail);
        h2.once('remoteSettings', () => {
          const control = h2.request(
            {
              ':method': 'POST',
              ':path': `${CONTROL_PATH}/${encodeURIComponent(options.listener ?? LISTENER_DEFAULT)}`,
            },
            { endStream: false },
          );
          control.on('error', fail);
          control.once('response', (headers) => {
            if (headers[':status'] !== 200) return fail(refusalFromHeaders(headers));
            if (peer.hasCredential && trust.isRevoked(peer.identifier, peer.generation))
              return fail(new PosternError('denied', `${peer.identifier} was revoked`));
            const channel = new Channel({
              side: 'dialler',
              relay: options.relay,
              peer,
              trust,
              admit,
              session: h2,
              dialling: h2,
              exporter,
              socket,
              tls,
            });
            channel.bindControl(control);
            isUp = true;
            resolve(channel);
          });
          control.write(
            `${JSON.stringify({ type: 'hello', version: 1, relay: options.relay ?? null })}\n`,
          );
        });
      } catch (reason) {
        fail(reason);
      }
    });
  });
}

/** The accepting side: runs the handshake as the TLS server over a raw socket. Owns the socket from the call on. */
export async function acceptChannel(
  socket: Duplex,
  trust: ChannelTrust,
  handlers: ChannelHandlers,
  options: ChannelOptions = {},
): Promise<Channel> {
  const local = trust.local();
  const signal = withTimeout(options.signal);
  const server = http2.createSecureServer({
    key: local.leafPrivateKeyPem,
    cert: local.certificatePem,
    ALPNProtocols: [ALPN],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: KEY_EXCHANGE_GROUP,
    secureOptions: constants.SSL_OP_NO_TICKET,
    requestCert: true,
    // Verified below by verifyPeer; the refusal then travels as an answer with its reason.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    settings: H2_SETTINGS,
    maxSessionMemory: SESSION_MEMORY_MB,
    streamResetBurst: 1_000_000,
    streamResetRate: 1_000_000,
  });
  return new Promise((resolve, reject) => {
    let leaf: Uint8Array | undefined;
    let refusal: PosternError | undefined;
    let exporter: Buffer | undefined;
    let carrier: TLSSocket | undefined;
    let channel: Channel | undefined;
    const fail = (reason: unknown): void => {
      if (channel !== undefined) return;
      socket.destroy();
      reject(
        reason instanceof PosternError
          ? reason
          : new PosternError('unavailable', 'The peer closed the connection during the handshake', {
              cause: reason,
            }),
      );
    };
    signal.addEventListener(
      'abort',
      () => fail(new PosternError('unavailable', 'The channel was not up in time')),
      { once: true },
    );
    socket.on('error', fail);
    socket.on('close', () =>
      fail(new PosternError('unavailable', 'The peer closed the connection during the handshake')),
    );
    let isRefused = false;
    const refuse = (stream: http2.ServerHttp2Stream, why: PosternError): void => {
      // A dialler makes one request and waits; each one more of a flood would cost as much as the first.
      if (isRefused) {
        stream.session?.destroy();
        fail(why);
        return;
      }
      isRefused = true;
      refuseStream(stream, why);
      // The refusal gets a moment to travel.
      setTimeout(() => fail(why), 200).unref();
    };
    server.on('tlsClientError', fail);
    server.on('sessionError', fail);
    server.on('secureConnection', (tls: TLSSocket) => {
      carrier = tls;
      tls.on('error', fail);
      try {
        const certificate = tls.getPeerX509Certificate();
        if (certificate === undefined)
          throw new PosternError('denied', 'The peer presented no credential');
        exporter = exporterOf(tls);
        checkPeer(certificate.raw, trust);
        leaf = certificate.raw;
      } catch (reason) {
        refusal = toPosternError(reason);
      }
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      const path = headers[':path'] ?? '';
      if (channel !== undefined) {
        if (channel.isClosed) stream.destroy(new Error('channel closed'));
        else serve(channel, handlers, stream, headers);
        return;
      }
      const session = stream.session;
      if (
        refusal !== undefined ||
        leaf === undefined ||
        exporter === undefined ||
        carrier === undefined ||
        session === undefined ||
        !path.startsWith(`${CONTROL_PATH}/`)
      ) {
        refuse(stream, refusal ?? new PosternError('denied', 'The channel is not open yet'));
        return;
      }
      let admit: Admission;
      let peer: Peer;
      try {
        // Again, now: who was revoked since the handshake must not come in by a connection that it kept half-open.
        peer = checkPeer(leaf, trust);
        const listener = decodeURIComponent(path.slice(CONTROL_PATH.length + 1));
        admit = handlers.admission?.(listener) ?? admitMembers(trust);
        admit(peer);
      } catch (reason) {
        refuse(stream, toPosternError(reason));
        return;
      }
      channel = new Channel({
        side: 'acceptor',
        relay: options.relay,
        peer,
        trust,
        admit,
        session,
        exporter,
        socket,
        tls: carrier,
      });
      stream.respond({ ':status': 200 });
      channel.bindControl(stream);
      resolve(channel);
    });
    server.emit('connection', socket);
  });
}

/** The name that a path ends with. Throws `invalid` for a broken escape. */
function nameIn(path: string, prefix: string): string {
  try {
    return decodeURIComponent(path.slice(prefix.length));
  } catch (cause) {
    throw new PosternError('invalid', 'The path is not well-formed', { cause });
  }
}

function serve(
  channel: Channel,
  handlers: ChannelHandlers,
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
): void {
  const method = headers[':method'];
  const path = headers[':path'] ?? '';
  try {
    if (method === 'CONNECT') {
      channel.track(stream);
      handlers.onConnect(stream, headers[':authority'] ?? '', channel);
    } else if (method === 'GET' && path.startsWith(SERVICE_PATH)) {
      Promise.resolve(handlers.onProbe(nameIn(path, SERVICE_PATH), channel))
        .then(() => {
          if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true });
        })
        .catch((reason: unknown) => refuseStream(stream, toPosternError(reason)));
    } else if (method === 'POST' && path.startsWith(MESSAGE_PATH)) {
      const service = nameIn(path, MESSAGE_PATH);
      collectBody(stream)
        .then((body) => handlers.onMessage(service, body, channel))
        .then((reply) => {
          if (stream.destroyed) return;
          stream.respond({ ':status': 200 });
          stream.end(reply);
        })
        .catch((reason: unknown) => refuseStream(stream, toPosternError(reason)));
    } else if (method === 'POST' && path.startsWith(RELAY_PATH) && handlers.onClaim) {
      handlers.onClaim(nameIn(path, RELAY_PATH), stream, channel);
      stream.resume();
    } else throw new PosternError('not_found', 'A channel knows no such path');
  } catch (reason) {
    refuseStream(stream, toPosternError(reason));
  }
}

function collectBody(stream: http2.ServerHttp2Stream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    stream.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > MESSAGE_BYTES_MAX) reject(new PosternError('invalid', 'A message is too long'));
      else chunks.push(chunk);
    });
    stream.on('end', () => resolve(Buffer.concat(chunks)));
    stream.on('close', () => reject(new PosternError('unavailable', 'The peer went away')));
  });
}
