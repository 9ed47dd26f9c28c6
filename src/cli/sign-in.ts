/**
 * Signs a person in to a server by the device flow (RFC 8628): this machine shows a code, the person enters it in a browser
 * anywhere. The access token stays in memory; nothing of it is printed or kept.
 */
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import * as oidc from 'openid-client';
import { fromErrorBody, PosternError } from '../kernel/index.ts';
import { usageError } from './exit.ts';
import { note, waiting } from './talk.ts';

const CLIENT_ID = 'postern-cli';
const SCOPE = 'openid profile email';
const PATIENCE_S = 30;
const LOOPBACK = /^(127\.0\.0\.1|\[::1\]|localhost)$/;

/** A server's public listener, and how this machine believes that it is that one. */
export interface PublicServer {
  /** Without a slash at its end. */
  readonly url: string;
}

/** Reads `--server URL` and `--ca FILE`. Throws a usage error for what is no address. */
export function publicServer(url: string, caFile: string | undefined): PublicServer {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw usageError(`--server "${url}" is no address such as https://id.example.org:4433`);
  const { protocol, hostname, origin } = new URL(url);
  if (protocol === 'http:' && !LOOPBACK.test(hostname))
    throw usageError(
      `--server ${url} would send the sign-in over the network in the clear: use https`,
    );
  // Beside what this machine trusts anyway.
  if (caFile !== undefined)
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(caFile, 'utf8')]);
  return { url: origin };
}

function unreachable(url: string, cause: unknown): PosternError {
  const { code } = cause instanceof Error ? ((cause.cause ?? cause) as { code?: string }) : {};
  const isTrust = code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO/.test(code);
  return new PosternError(
    'unavailable',
    isTrust
      ? `The certificate of ${url} is not known to this machine (${code})`
      : `${url} can't be reached${code === undefined ? '' : ` (${code})`}`,
    {
      cause,
      hint: isTrust
        ? "Bring ca.pem from the server's home, and name it: --ca ca.pem"
        : 'It is the address of sign-in, by default port 4433 of the server',
    },
  );
}

/** An access token of whoever signs in. Throws `denied` when they refuse, `unavailable`. */
export async function signIn({ url }: PublicServer): Promise<string> {
  const execute = url.startsWith('http:') ? [oidc.allowInsecureRequests] : [];
  const config = await oidc
    .discovery(new URL(url), CLIENT_ID, undefined, oidc.None(), { execute, timeout: PATIENCE_S })
    .catch((reason: unknown) => {
      throw unreachable(url, reason);
    });
  const begun = await oidc.initiateDeviceAuthorization(config, { scope: SCOPE });
  note(`Open ${begun.verification_uri_complete ?? begun.verification_uri}`);
  note(`and confirm that it shows the code ${begun.user_code}`);
  try {
    const tokens = await waiting(
      'waiting for you to sign in',
      oidc.pollDeviceAuthorizationGrant(config, begun),
    );
    return tokens.access_token;
  } catch (cause) {
    const isRefused = cause instanceof oidc.ResponseBodyError && cause.error === 'access_denied';
    throw new PosternError('denied', isRefused ? 'The sign-in was refused' : 'The sign-in failed', {
      cause,
      hint: 'Begin again; the code is good for ten minutes',
    });
  }
}

/** A question to the management API of a server, with a person's token. Throws what the server answered. */
export async function askServer(
  { url }: PublicServer,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(PATIENCE_S * 1_000),
  }).catch((reason: unknown) => {
    throw unreachable(url, reason);
  });
  const told: unknown = await answer.json().catch(() => undefined);
  if (!answer.ok)
    throw (
      fromErrorBody(told) ??
      new PosternError('unavailable', `${url} answered ${answer.status} to ${method} ${path}`)
    );
  return told;
}
