/** Asks a node over its Unix socket. Loads nothing but node:http, for the sake of the command line's start. */
import { request as httpRequest } from 'node:http';
import { fromErrorBody, PosternError } from '../kernel/index.ts';

/** Longer than anything a command may ask a node to wait for by default (120 s). */
const ANSWER_TIMEOUT_MS = 130_000;

/** Sends one request to a node's API. Throws the node's own error, or `unavailable` when it does not run. */
export function nodeRequest(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE' | 'PUT',
  path: string,
  body?: unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
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
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let value: unknown = text;
          try {
            value = text === '' ? undefined : JSON.parse(text);
          } catch {
            // Metrics are plain text.
          }
          if ((incoming.statusCode ?? 500) < 300) resolve(value);
          else
            reject(
              fromErrorBody(value) ??
                new PosternError('internal', 'The node answered with a fault'),
            );
        });
      },
    );
    outgoing.setTimeout(ANSWER_TIMEOUT_MS, () =>
      outgoing.destroy(new PosternError('unavailable', 'The node did not answer in time')),
    );
    outgoing.on('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause instanceof PosternError
          ? cause
          : new PosternError('unavailable', `The node does not run (${cause.code})`, {
              hint: 'Start it with: postern node start NAME',
              cause,
            }),
      ),
    );
    outgoing.end(payload);
  });
}
