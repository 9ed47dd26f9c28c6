/** Against DNS rebinding and cross-site requests: on a loopback listener a foreign Host is refused, on any a foreign Origin. */
import type { IncomingHttpHeaders } from 'node:http';
import { PosternError } from '../kernel/index.ts';
import type { CorsRules } from './cors.ts';

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** Throws `denied` for a request that a page of another site could have made. */
export function refuseForeign(
  listener: { readonly host: string; readonly cors: CorsRules | undefined },
  headers: IncomingHttpHeaders,
): void {
  const host = headers.host ?? headers[':authority'] ?? '';
  const isLoopback = LOOPBACK_HOST.test(`${listener.host}`) || listener.host === '::1';
  if (isLoopback && typeof host === 'string' && host !== '' && !LOOPBACK_HOST.test(host))
    throw new PosternError('denied', 'This listener answers to loopback names alone', {
      hint: 'Ask 127.0.0.1, or let the server listen on the address that you mean',
    });
  const { origin } = headers;
  if (origin === undefined) return;
  const from = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (from !== undefined && from === host) return;
  if (listener.cors?.isAllowed(origin) === true) return;
  throw new PosternError('denied', 'A page of another site may not ask here', {
    hint: 'Name its origin under serve.*.cors.allowed_origins',
  });
}
