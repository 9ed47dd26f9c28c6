/** Where an inlet leads: its `--to` and `--via` turned into the places to try, in order. Pure. */
import { PosternError } from '../kernel/index.ts';
import { parseRoute, type Segment } from '../trust/light.ts';

interface Door {
  readonly service: string;
  /** The secure channel listener at the far node; its default without it. */
  readonly listener?: string;
  /** A relay at that node, to be dialled through it. */
  readonly through?: string;
}
export type Place =
  | ({ readonly kind: 'relay'; readonly relay: string } & Door)
  | ({ readonly kind: 'address'; readonly address: string } & Door)
  | ({ readonly kind: 'node'; readonly node: string } & Door);

const SERVICE_DEFAULT = 'outlet';
const RELAY_DEFAULT = 'default';
const FORWARD = 'forward_to_';
const LISTENER = 'api';

function fromSegments(segments: readonly Segment[], route: string): Place {
  const bad = (): PosternError =>
    new PosternError('invalid', `An inlet can't follow the route ${route}`);
  const services = segments.filter((s) => s.kind === 'service').map((s) => s.value);
  const service = services.filter((s) => !s.startsWith(FORWARD)).at(-1) ?? SERVICE_DEFAULT;
  const relay = services.find((s) => s.startsWith(FORWARD))?.slice(FORWARD.length);
  const secure = segments.find((s) => s.kind === 'secure')?.value;
  const door: Door = {
    service,
    ...(secure === undefined || secure === LISTENER ? {} : { listener: secure }),
  };
  const far: Door = { ...door, ...(relay === undefined ? {} : { through: relay }) };
  const [first, second] = segments;
  if (first === undefined) throw bad();
  if (first.kind === 'project' || (first.kind === 'service' && relay !== undefined))
    return { kind: 'relay', relay: relay ?? RELAY_DEFAULT, ...door };
  if (first.kind === 'node') return { kind: 'node', node: first.value, ...far };
  if ((first.kind === 'dnsaddr' || first.kind === 'ip4') && second?.kind === 'tcp')
    return { kind: 'address', address: `${first.value}:${second.value}`, ...far };
  throw bad();
}

/**
 * The places that an inlet tries, first to last. `--to NAME` without `--via` means service NAME behind relay `default`,
 * and, where that is absent, the `outlet` behind relay NAME (the meaning before Ockam 0.118). Throws `invalid`.
 */
export function placesOf(to: string | undefined, via: string | undefined): readonly Place[] {
  const name =
    to === undefined
      ? undefined
      : to.startsWith('/service/') && to.indexOf('/', '/service/'.length) < 0
        ? to.slice('/service/'.length)
        : to;
  if (to !== undefined && name === '')
    throw new PosternError('invalid', `"${to}" names no service`);
  if (name?.startsWith('/')) {
    if (via !== undefined)
      throw new PosternError(
        'invalid',
        '--via names a relay and goes with a service name, not with a full route',
      );
    return [fromSegments(parseRoute(name), name)];
  }
  const service = name ?? SERVICE_DEFAULT;
  if (via !== undefined) return [{ kind: 'relay', relay: via, service }];
  const first: Place = { kind: 'relay', relay: RELAY_DEFAULT, service };
  return name === undefined || name === SERVICE_DEFAULT
    ? [first]
    : [first, { kind: 'relay', relay: name, service: SERVICE_DEFAULT }];
}

/** How a place is shown as a route. */
export function printPlace(place: Place, project: string): string {
  const head =
    place.kind === 'relay'
      ? `/project/${project}/service/${FORWARD}${place.relay}`
      : place.kind === 'node'
        ? `/node/${place.node}`
        : `/dnsaddr/${place.address.replace(/:(\d+)$/, '/tcp/$1')}`;
  const through =
    place.kind === 'relay' || place.through === undefined
      ? ''
      : `/service/${FORWARD}${place.through}`;
  return `${head}${through}/secure/${place.listener ?? LISTENER}/service/${place.service}`;
}

/** The place of a route whose last service is a secure channel listener, as `secure-channel create` takes it. */
export function listenerPlaceOf(route: string): Place {
  const segments = parseRoute(route);
  const last = segments.at(-1);
  if (last?.kind !== 'service' || last.value.startsWith(FORWARD))
    return fromSegments(segments, route);
  const place = fromSegments(segments.slice(0, -1), route);
  return last.value === LISTENER ? place : { ...place, listener: last.value };
}

/** The node that a relay's `--at` names, or undefined for the project's relay. Throws `invalid`. */
export function hostPlaceOf(at: string): Place | undefined {
  if (at.startsWith('/project/')) return undefined;
  return fromSegments(parseRoute(at.startsWith('/') ? at : `/node/${at}`), at);
}
