/** Where an inlet leads: both meanings of `--to`, `--via`, full routes, listeners and relays on nodes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import { hostPlaceOf, listenerPlaceOf, type Place, placesOf, printPlace } from './target.ts';

const relay = (name: string, service: string): Place => ({ kind: 'relay', relay: name, service });
const routes = (to?: string, via?: string): string[] =>
  placesOf(to, via).map((place) => printPlace(place, 'p'));

describe('without a route', () => {
  it('an inlet leads to the outlet behind relay default', () => {
    expect(placesOf(undefined, undefined)).toEqual([relay('default', 'outlet')]);
    expect(routes()).toEqual(['/project/p/service/forward_to_default/secure/api/service/outlet']);
  });
  it.each(['outlet', '/service/outlet'])('--to %s means the same', (to) =>
    expect(placesOf(to, undefined)).toEqual([relay('default', 'outlet')]),
  );
  it.each(['db', '/service/db'])(
    '--to %s is first a service behind relay default, then a relay with an outlet',
    (to) =>
      expect(placesOf(to, undefined)).toEqual([relay('default', 'db'), relay('db', 'outlet')]),
  );
  it('--via names the relay, and --to is then the service and nothing else', () => {
    expect(placesOf(undefined, 'db')).toEqual([relay('db', 'outlet')]);
    expect(placesOf('api', 'db')).toEqual([relay('db', 'api')]);
    expect(placesOf('/service/api', 'db')).toEqual([relay('db', 'api')]);
    expect(placesOf('db', 'db')).toEqual([relay('db', 'db')]);
  });
});

describe('with a route', () => {
  it.each<[string, Place]>([
    ['/project/p', relay('default', 'outlet')],
    ['/project/p/service/web', relay('default', 'web')],
    ['/project/p/service/forward_to_db', relay('db', 'outlet')],
    ['/project/p/service/forward_to_db/secure/api/service/web', relay('db', 'web')],
    ['/service/forward_to_db/secure/api/service/web', relay('db', 'web')],
    ['/node/n1', { kind: 'node', node: 'n1', service: 'outlet' }],
    ['/node/n1/service/web', { kind: 'node', node: 'n1', service: 'web' }],
    ['/node/n1/secure/api/service/web', { kind: 'node', node: 'n1', service: 'web' }],
    ['/ip4/10.0.0.1/tcp/80', { kind: 'address', address: '10.0.0.1:80', service: 'outlet' }],
    [
      '/dnsaddr/h/tcp/80/secure/api/service/web',
      { kind: 'address', address: 'h:80', service: 'web' },
    ],
  ])('%s is followed', (route, place) => expect(placesOf(route, undefined)).toEqual([place]));
  it('a secure channel listener other than api is kept', () => {
    expect(placesOf('/node/n1/secure/strict/service/web', undefined)).toEqual([
      { kind: 'node', node: 'n1', service: 'web', listener: 'strict' },
    ]);
    expect(
      placesOf('/project/p/service/forward_to_db/secure/strict/service/web', undefined),
    ).toEqual([{ ...relay('db', 'web'), listener: 'strict' }]);
  });
  it('a relay on a node is dialled through that node', () => {
    const door = { service: 'web', through: 'db' };
    expect(placesOf('/node/n1/service/forward_to_db/secure/api/service/web', undefined)).toEqual([
      { kind: 'node', node: 'n1', ...door },
    ]);
    expect(
      placesOf('/ip4/10.0.0.1/tcp/80/service/forward_to_db/secure/x/service/web', undefined),
    ).toEqual([{ kind: 'address', address: '10.0.0.1:80', listener: 'x', ...door }]);
  });
  it('--via is refused', () =>
    expect(() => placesOf('/node/n1/service/web', 'db')).toThrow('--via names a relay'));
  it.each([
    '',
    '/service/',
    '/',
    '/node',
    '/node/',
    '/worker/a',
    '/tcp/80',
    '/dnsaddr/h',
    '/dnsaddr/h/service/web',
    '/secure/api/service/web',
    '/service/web/secure/api',
    '/elsewhere/x',
  ])('%j is refused', (to) => expect(() => placesOf(to, undefined)).toThrow(PosternError));
});

describe('the route of a secure channel', () => {
  it.each<[string, Place]>([
    ['/node/n1/service/api', { kind: 'node', node: 'n1', service: 'outlet' }],
    [
      '/node/n1/service/strict',
      { kind: 'node', node: 'n1', service: 'outlet', listener: 'strict' },
    ],
    ['/node/n1', { kind: 'node', node: 'n1', service: 'outlet' }],
    ['/project/p/service/forward_to_db/service/api', relay('db', 'outlet')],
    [
      '/project/p/service/forward_to_db/service/strict',
      { ...relay('db', 'outlet'), listener: 'strict' },
    ],
    ['/project/p/service/forward_to_db', relay('db', 'outlet')],
  ])('%s ends at the listener that it names', (route, place) =>
    expect(listenerPlaceOf(route)).toEqual(place),
  );
  it('that names only a listener, and nowhere to find it, is refused', () =>
    expect(() => listenerPlaceOf('/service/api')).toThrow(PosternError));
});

describe("a relay's --at", () => {
  it('is the project, or a node by name, route or address', () => {
    expect(hostPlaceOf('/project/p')).toBeUndefined();
    expect(hostPlaceOf('n1')).toEqual({ kind: 'node', node: 'n1', service: 'outlet' });
    expect(hostPlaceOf('/node/n1')).toEqual({ kind: 'node', node: 'n1', service: 'outlet' });
    expect(hostPlaceOf('/dnsaddr/h/tcp/80')).toMatchObject({ kind: 'address', address: 'h:80' });
  });
  it.each(['', '/', 'a/b/c', '/service/x'])('%j is refused', (at) =>
    expect(() => hostPlaceOf(at)).toThrow(PosternError),
  );
});

describe('properties', () => {
  const name = fc.stringMatching(/^[\w.-]{1,12}$/).filter((n) => !n.startsWith('forward_to_'));
  const listener = fc.option(
    name.filter((n) => n !== 'api'),
    { nil: undefined },
  );
  const through = fc.option(name, { nil: undefined });
  const known = (o: Record<string, string | undefined>): Record<string, string> =>
    Object.fromEntries(Object.entries(o).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
  it('every place prints as a route that leads to it', () => {
    const door = fc
      .tuple(name, listener)
      .map(([s, l]) => ({ service: s, ...known({ listener: l }) }));
    const far = fc.tuple(door, through).map(([d, t]) => ({ ...d, ...known({ through: t }) }));
    const host = fc.tuple(fc.oneof(fc.ipV4(), fc.domain()), fc.nat(65_535)).map((a) => a.join(':'));
    const place: fc.Arbitrary<Place> = fc.oneof(
      fc.tuple(name, door).map(([n, d]): Place => ({ kind: 'relay', relay: n, ...d })),
      fc.tuple(name, far).map(([n, d]): Place => ({ kind: 'node', node: n, ...d })),
      fc.tuple(host, far).map(([a, d]): Place => ({ kind: 'address', address: a, ...d })),
    );
    fc.assert(
      fc.property(place, name, (p, project) => {
        expect(placesOf(printPlace(p, project), undefined)).toEqual([p]);
      }),
    );
  });
  it('any text is followed or refused as invalid', () => {
    const kinds = ['node', 'project', 'service', 'secure', 'tcp', 'forward_to_db', 'api', '80', ''];
    const word = fc.constantFrom(...kinds);
    const text = fc.oneof(
      fc.string(),
      fc.array(word).map((w) => `/${w.join('/')}`),
    );
    const follow = fc.constantFrom(
      (t: string) => placesOf(t, undefined),
      listenerPlaceOf,
      hostPlaceOf,
    );
    fc.assert(
      fc.property(text, follow, (t, f) => {
        try {
          f(t);
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
