/** The management API's client: over the admin Unix socket, or over the node port with the home's credential. */
import { request as httpRequest } from 'node:http';
import { PosternError } from '../kernel/index.ts';
import { type LinkOptions, openFirst, settle } from './link.ts';

/** A server that is up answers within this, also when its database is slow. */
const ANSWER_TIMEOUT_MS = 30_000;

export interface ManagementClient {
  /** Throws the server's error, or `unavailable`. */
  request(method: string, path: string, body?: unknown): Promise<unknown>;
  close(): void;
}

/** Over the admin socket of a server on this machine. */
export function managementOverSocket(socketPath: string): ManagementClient {
  return {
    request: (method, path, body) =>
      new Promise((resolve, reject) => {
        const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
        const outgoing = httpRequest(
          {
            socketPath,
            method,
            path,
            headers:
              payload === undefined
                ? {}
                : { 'content-type': 'application/json', 'content-length': payload.length },
          },
          (incoming) => {
            const chunks: Buffer[] = [];
            incoming.on('data', (c: Buffer) => chunks.push(c));
            incoming.on('end', () =>
              settle(incoming.statusCode ?? 0, Buffer.concat(chunks), resolve, reject),
            );
            incoming.on('error', reject);
          },
        );
        outgoing.setTimeout(ANSWER_TIMEOUT_MS, () =>
          outgoing.destroy(new PosternError('unavailable', 'The server did not answer in time')),
        );
        outgoing.on('error', (cause: NodeJS.ErrnoException) =>
          reject(
            cause instanceof PosternError
              ? cause
              : new PosternError(
                  'unavailable',
                  `No server answers on this machine (${cause.code})`,
                  {
                    hint: 'Start one with: postern server start',
                    cause,
                  },
                ),
          ),
        );
        outgoing.end(payload);
      }),
    close: () => undefined,
  };
}

/** Over the node port, as the machine that the certificate names. */
export async function managementOverNodePort(
  addresses: readonly string[],
  trust: Pick<LinkOptions, 'serverCa' | 'clientCertificate'>,
): Promise<ManagementClient> {
  const link = await openFirst(addresses, trust);
  return {
    request: (method, path, body) => link.request(method, path, body),
    close: () => link.close(),
  };
}
