/**
 * How providers are asked. INVARIANT: within bounds of time and size, by TLS, and following no redirect; in the clear only
 * where the configuration names a provider on this machine.
 */
import type { JsonObject } from '../account.ts';
import type { TokenDialect } from './preset.ts';

export const ANSWER_MS: number = 10_000;
/** Discovery documents and profiles have some kilobytes. */
export const ANSWER_BYTES_MAX: number = 1024 * 1024;

export type Fetch = (url: string | URL, init: RequestInit) => Promise<Response>;

/** Fetches within the bounds; throws for what is outside of them. */
export function boundedFetch({ isPlainAllowed }: { readonly isPlainAllowed: boolean }): Fetch {
  return async (url, init) => {
    const { protocol } = new URL(url);
    // Keys of a https issuer that its discovery puts at http would be anybody's on the way.
    if (protocol !== 'https:' && !(isPlainAllowed && protocol === 'http:'))
      throw new Error('A provider is asked by https alone');
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(url, { ...init, redirect: 'manual', signal });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.body ?? []) {
      size += chunk.byteLength;
      if (size > ANSWER_BYTES_MAX) throw new Error('The answer is too large');
      chunks.push(chunk);
    }
    const { status, statusText, headers } = answer;
    const bare = [101, 204, 205, 304].includes(status);
    return new Response(bare ? null : Buffer.concat(chunks), { status, statusText, headers });
  };
}

/** The same, with the dialect of one token endpoint put into RFC 6749's words and back. */
export function dialectFetch(fetch: Fetch, tokenUrl: string, dialect: TokenDialect = {}): Fetch {
  return async (url, init) => {
    if (String(url) !== tokenUrl) return fetch(url, init);
    const answer = await fetch(url, asked(init, dialect));
    if (!answer.ok) return answer;
    const told = standardised(await answer.json(), dialect);
    return Response.json(told, { status: answer.status });
  };
}

function asked(init: RequestInit, { json }: TokenDialect): RequestInit {
  if (json === undefined) return init;
  const form = new URLSearchParams(String(init.body));
  const body = Object.fromEntries(
    Object.entries(json).flatMap(([ours, theirs]) => {
      const value = form.get(ours);
      return value === null ? [] : [[theirs, value]];
    }),
  );
  const headers = new Headers(init.headers);
  headers.set('content-type', 'application/json');
  return { ...init, headers, body: JSON.stringify(body) };
}

/**
 * A token endpoint's answer as RFC 6749 5.1 has it. How long the token lasts is nobody's concern here; an ID token of a
 * provider that nobody has keys of would be no proof, and is not looked at.
 */
export function standardised(answer: unknown, { accessToken }: TokenDialect): JsonObject {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return {};
  // JSON of the provider's.
  const { expires_in: _expiry, id_token: _unproved, ...rest } = answer as JsonObject;
  const token = rest[accessToken ?? 'access_token'];
  return { ...rest, token_type: 'bearer', ...(token === undefined ? {} : { access_token: token }) };
}
