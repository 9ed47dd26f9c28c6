/**
 * One TLS 1.3 HTTP/2 connection to the server's node port, and requests on it. The server is believed because its
 * certificate chains to the CA that the ticket or the home pinned, never because of its name.
 */
import { createHash, X509Certificate } from 'node:crypto';
import http2 from 'node:http2';
import { type Socket, connect as tcpConnect } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { fromErrorBody, PosternError, toPosternError } from '../kernel/index.ts';
import { parseAddress } from '../trust/light.ts';

export interface LinkOptions {
  readonly address: string;
  /** The pinned CA, or its SHA-256 fingerprint when only a ticket is at hand. */
  readonly serverCa: { readonly pem: string } | { readonly fingerprint: string };
  readonly clientCertificate?: {
    readonly certificatePem: string;
    readonly leafPrivateKeyPem: string;
  };
  readonly signal?: AbortSignal;
}

/** After a lost SYN the kernel waits 1, then 2, then 4 seconds; a new try is sooner back when the network is. */
const TCP_TIMEOUT_MS = 2_500;
const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const fingerprintOf = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('hex');

/** Dials `host:port`. Throws `unavailable`. */
export function dialTcp(address: string, signal?: AbortSignal): Promise<Socket> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const socket = tcpConnect({ host, port, noDelay: true, keepAlive: true });
    const fail = (cause: Error): void => {
      socket.destroy();
      const code = 'code' in cause ? String(cause.code) : cause.message;
      reject(
        new PosternError('unavailable', `${address} can't be reached (${code})`, {
          cause,
          hint: 'Does it run, and does a firewall let this machine through? `postern server status` says the first',
        }),
      );
    };
    const timer = setTimeout(() => fail(new Error('no answer in time')), TCP_TIMEOUT_MS);
    const abort = (): void => fail(new Error('given up'));
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function checkServer(tls: TLSSocket, pinned: LinkOptions['serverCa']): string {
  const leaf = tls.getPeerX509Certificate();
  const ca = leaf?.issuerCertificate;
  const why =
    'The server is not the one that this home or ticket knows: its certificate chains to another authority';
  if (leaf === undefined || ca === undefined) throw new PosternError('denied', why);
  const expected =
    'pem' in pinned
      ? fingerprintOf(new X509Certificate(pinned.pem))
      : pinned.fingerprint.toLowerCase();
  const now = Date.now();
  if (
    fingerprintOf(ca) !== expected ||
    !leaf.checkIssued(ca) ||
    !leaf.verify(ca.publicKey) ||
    leaf.ca
  )
    throw new PosternError('denied', why);
  if (now > leaf.validToDate.getTime() || now < leaf.validFromDate.getTime())
    throw new PosternError(
      'denied',
      "The server's certificate is not valid at this machine's time",
      { hint: 'Check the clocks of both machines' },
    );
  return ca.toString();
}

export class Link {
  readonly tls: TLSSocket;
  readonly session: http2.ClientHttp2Session;
  /** The server's CA, as it presented and the pin confirmed. */
  readonly serverCaPem: string;
  readonly address: string;

  private constructor(
    tls: TLSSocket,
    session: http2.ClientHttp2Session,
    serverCaPem: string,
    address: string,
  ) {
    this.tls = tls;
    this.session = session;
    this.serverCaPem = serverCaPem;
    this.address = address;
  }

  /** Connects and verifies the server. Throws `unavailable` or `denied`. */
  static async open(options: LinkOptions): Promise<Link> {
    const socket = await dialTcp(options.address, options.signal);
    const tls = tlsConnect({
      socket,
      servername: '',
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.3',
      ecdhCurve: 'X25519MLKEM768',
      // The pin is checked by checkServer, before a byte is sent.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(options.clientCertificate === undefined
        ? {}
        : {
            cert: options.clientCertificate.certificatePem,
            key: options.clientCertificate.leafPrivateKeyPem,
          }),
    });
    return new Promise((resolve, reject) => {
      const fail = (reason: unknown): void => {
        tls.destroy();
        reject(
          reason instanceof PosternError
            ? reason
            : new PosternError(
                'unavailable',
                `${options.address} closed the connection during the handshake`,
                { cause: reason },
              ),
        );
      };
      const timer = setTimeout(
        () => fail(new PosternError('unavailable', `${options.address} did not answer in time`)),
        CONNECT_TIMEOUT_MS,
      );
      tls.on('error', fail);
      tls.once('close', () => {
        clearTimeout(timer);
        fail(new Error('closed'));
      });
      tls.once('secureConnect', () => {
        try {
          const caPem = checkServer(tls, options.serverCa);
          const session = http2.connect('https://server.postern.invalid', {
            createConnection: () => tls,
          });
          session.on('error', fail);
          session.once('remoteSettings', () => {
            clearTimeout(timer);
            resolve(new Link(tls, session, caPem, options.address));
          });
        } catch (reason) {
          fail(reason);
        }
      });
    });
  }

  /** Sends a JSON request; answers the JSON body. Throws the server's own error, or `unavailable`. */
  request(
    method: string,
    path: string,
    body?: unknown,
    timeoutMs: number = 30_000,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const stream = this.session.request(
        {
          ':method': method,
          ':path': path,
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': payload.length }),
        },
        { endStream: payload === undefined },
      );
      const away = (cause?: unknown): PosternError =>
        new PosternError('unavailable', 'The server closed the connection before it answered', {
          cause,
        });
      let status = 0;
      const chunks: Buffer[] = [];
      let total = 0;
      stream.setTimeout(timeoutMs, () =>
        stream.destroy(new PosternError('unavailable', 'The server did not answer in time')),
      );
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total > ANSWER_BYTES_MAX)
          stream.destroy(new PosternError('internal', "The server's answer is too long"));
        else chunks.push(chunk);
      });
      stream.on('error', (e) => reject(e instanceof PosternError ? e : away(e)));
      stream.on('close', () => {
        if (status === 0) return reject(away());
        settle(status, Buffer.concat(chunks), resolve, reject);
      });
      if (payload !== undefined) stream.end(payload);
    });
  }

  close(): void {
    this.session.destroy();
    this.tls.destroy();
  }
}

/** Turns an answer of our own APIs into a value or the error that it carries. */
export function settle(
  status: number,
  bytes: Buffer,
  resolve: (value: unknown) => void,
  reject: (reason: unknown) => void,
): void {
  let value: unknown;
  try {
    value = bytes.length === 0 ? undefined : JSON.parse(bytes.toString());
  } catch (cause) {
    reject(new PosternError('internal', 'The answer is not JSON', { cause }));
    return;
  }
  if (status >= 200 && status < 300) resolve(value);
  else
    reject(
      fromErrorBody(value) ??
        new PosternError('unavailable', `The server answered with status ${status}`),
    );
}

/** Tries addresses in turn; answers the first link that opens, or throws what the last one threw. */
export async function openFirst(
  addresses: readonly string[],
  options: Omit<LinkOptions, 'address'>,
): Promise<Link> {
  let last: unknown = new PosternError('invalid', 'No address of the server is known');
  for (const address of addresses) {
    try {
      return await Link.open({ ...options, address });
    } catch (reason) {
      last = reason;
    }
  }
  throw toPosternError(last);
}
