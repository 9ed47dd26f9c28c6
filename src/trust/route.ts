/** Routes: multiaddr strings such as `/node/n1/secure/api/service/outlet`. Pure; nothing is resolved here. */
import { PosternError } from '../kernel/index.ts';

const KINDS = ['node', 'project', 'service', 'worker', 'secure', 'dnsaddr', 'ip4', 'tcp'] as const;
export type SegmentKind = (typeof KINDS)[number];
export interface Segment {
  readonly kind: SegmentKind;
  readonly value: string;
}
const SEGMENTS_MAX = 32;

/** Parses a route. Throws `invalid`. */
export function parseRoute(route: string): Segment[] {
  const bad = (why: string): PosternError =>
    new PosternError('invalid', `"${route.slice(0, 200)}" is not a route: ${why}`);
  if (!route.startsWith('/')) throw bad('it must begin with /');
  const parts = route.slice(1).split('/');
  if (parts.length % 2 !== 0 || parts.length > SEGMENTS_MAX * 2)
    throw bad('every part is a /kind/value pair');
  const segments: Segment[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const kind = KINDS.find((k) => k === parts[i]);
    const value = parts[i + 1];
    if (kind === undefined) throw bad(`"${parts[i]}" is none of ${KINDS.join(', ')}`);
    if (value === undefined || value === '') throw bad(`/${kind} lacks a value`);
    if (kind === 'tcp' && !(/^\d{1,5}$/.test(value) && Number(value) < 65536))
      throw bad(`"${value}" is not a port`);
    segments.push({ kind, value });
  }
  return segments;
}

export function printRoute(segments: readonly Segment[]): string {
  return segments.map((s) => `/${s.kind}/${s.value}`).join('');
}

/** Reads `HOST:PORT`, `:PORT` or `PORT`; the host defaults to 127.0.0.1. Throws `invalid`. */
export function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:\s/[\]]*):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (!match || port > 65535)
    throw new PosternError('invalid', `"${text}" is not an address; write HOST:PORT or PORT`);
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, '') || '127.0.0.1', port };
}

/** Accepts `n1` and `/node/n1`; answers `n1`. */
export function parseNodeArgument(text: string): string {
  return text.startsWith('/node/') ? text.slice('/node/'.length) : text;
}
