/** Routes, addresses and node arguments, as commands take them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import {
  parseAddress,
  parseNodeArgument,
  parseRoute,
  printRoute,
  type SegmentKind,
} from './route.ts';

function corpus(name: string): string[][] {
  return readFileSync(resolve(import.meta.dirname, '../../test/corpus', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ==> '));
}

describe('routes', () => {
  it.each(corpus('routes_valid.txt'))('%s prints as it stands', (text = '') =>
    expect(printRoute(parseRoute(text))).toBe(text),
  );
  it.each(corpus('routes_invalid.txt'))('%s is refused: %s', (text = '', why = '') =>
    expect(() => parseRoute(text)).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining(why) }),
    ),
  );
  it.each([
    ['/node/n1', [['node', 'n1']]],
    ['/service/echo', [['service', 'echo']]],
    [
      '/dnsaddr/localhost/tcp/4000',
      [
        ['dnsaddr', 'localhost'],
        ['tcp', '4000'],
      ],
    ],
    [
      '/ip4/127.0.0.1/tcp/0/worker/0a',
      [
        ['ip4', '127.0.0.1'],
        ['tcp', '0'],
        ['worker', '0a'],
      ],
    ],
    [
      '/project/default/service/forward_to_db/secure/api/service/outlet',
      [
        ['project', 'default'],
        ['service', 'forward_to_db'],
        ['secure', 'api'],
        ['service', 'outlet'],
      ],
    ],
  ])('reads %s', (route, segments) => {
    expect(parseRoute(route).map((s) => [s.kind, s.value])).toEqual(segments);
    expect(printRoute(parseRoute(route))).toBe(route);
  });
  it.each([
    '',
    '/',
    'node/n1',
    'n1',
    '/node',
    '/node/',
    '/node//service/x',
    '//node/n1',
    '/node/n1/',
    '/node/n1/service',
    '/Node/n1',
    '/udp/1',
    '/tcp/',
    '/tcp/65536',
    '/tcp/-1',
    '/tcp/1e3',
    '/tcp/x',
    '/service/a'.repeat(33),
  ])('refuses %j', (route) => expect(() => parseRoute(route)).toThrow(PosternError));
  it('says which part is wrong', () => {
    expect(() => parseRoute('/nodes/n1')).toThrow('"nodes" is none of node, project, service');
    expect(() => parseRoute('/tcp/70000')).toThrow('"70000" is not a port');
    expect(() => parseRoute('/node/')).toThrow('/node lacks a value');
  });
});

describe('addresses', () => {
  it.each([
    ['4000', '127.0.0.1', 4000],
    [':4000', '127.0.0.1', 4000],
    ['0', '127.0.0.1', 0],
    [' localhost:65535 ', 'localhost', 65_535],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:80', '::1', 80],
  ])('reads %j', (text, host, port) => expect(parseAddress(text)).toEqual({ host, port }));
  it.each([
    '',
    ':',
    'localhost',
    'localhost:',
    'h:65536',
    'h:-1',
    '::1:80',
    'a b:1',
    'http://h:1',
    'h:1/x',
    '1.5',
    '[]:80',
    '[h]:80',
    '[::1:80',
  ])('refuses %j', (text) => expect(() => parseAddress(text)).toThrow('write HOST:PORT or PORT'));
});

it.each([
  ['n1', 'n1'],
  ['/node/n1', 'n1'],
])('the node argument %s names %s', (text, name) => expect(parseNodeArgument(text)).toBe(name));

describe('properties', () => {
  const named = fc.record({
    kind: fc.constantFrom<SegmentKind[]>(
      'node',
      'project',
      'service',
      'worker',
      'secure',
      'dnsaddr',
      'ip4',
    ),
    value: fc.string({ minLength: 1 }).filter((v) => !v.includes('/')),
  });
  const port = fc.nat(65_535).map((p) => ({ kind: 'tcp' as const, value: `${p}` }));
  const segments = fc.array(fc.oneof(named, port), { minLength: 1, maxLength: 32 });

  it('every route that prints reads back', () =>
    fc.assert(
      fc.property(segments, (s) => {
        expect(parseRoute(printRoute(s))).toEqual(s);
      }),
    ));
  it('any text is read or refused as invalid, by each reader', () => {
    const part = fc.constantFrom('/', 'node', 'tcp', 'service', '1', '65536', ':', '[', ']', '');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part).map((p) => p.join('')),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(parseRoute, parseAddress), (t, read) => {
        try {
          read(t);
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
      { numRuns: 1_000 },
    );
  });
  it('every host and port reads back', () => {
    const host = fc.oneof(fc.ipV4(), fc.domain());
    fc.assert(
      fc.property(host, fc.nat(65_535), (h, p) => {
        expect(parseAddress(`${h}:${p}`)).toEqual({ host: h, port: p });
      }),
    );
  });
});
