/**
 * `X-Forwarded-For` as proxies write it, made what the framework reads: addresses. Pure but for the headers it is given.
 * INVARIANT: what is no address ends the list, since nobody vouches for what stands before it; a port makes no other visitor.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** The address of an entry such as `192.0.2.1:5000` or `[2001:db8::1]:5000`; undefined for what is none. */
function addressOf(entry: string): string | undefined {
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry) ?? [];
  const plain = bracketed ?? entry.replace(/^([\d.]+):\d{1,5}$/, '$1');
  return isIP(plain) === 0 ? undefined : plain;
}

/** The addresses of a header, as far from its end as all are addresses. */
export function forwardedFor(header: string): readonly string[] {
  const kept: string[] = [];
  for (const entry of header.split(',').reverse()) {
    const address = addressOf(entry.trim());
    if (address === undefined) break;
    kept.unshift(address);
  }
  return kept;
}

/** Puts the addresses in the place of the header; takes it away where there are none. */
export function takeForwarded(headers: IncomingHttpHeaders): void {
  const given = headers['x-forwarded-for'];
  if (given === undefined) return;
  const kept = forwardedFor([given].flat().join(','));
  if (kept.length === 0) delete headers['x-forwarded-for'];
  else headers['x-forwarded-for'] = kept.join(', ');
}
