/** Where an inlet leads: its `--to` and `--via` turned into the places to try, in order. Pure. */
import { PosternError } from '../kernel/index.ts';
import { parseRoute, type Segment } from '../trust/light.ts';

export type Place =
  | { readonly kind: 'relay'; readonly relay: string; readonly service: string }
  | { readonly kind: 'address'; readonly address: string; readonly service: string }
  | { readonly kind: 'node'; readonly node: string; readonly service: string };

const SERVICE_DEFAULT = 'outlet';
const RELAY_DEFAULT = 'default';
const FORWARD = 'forward_to_';

function fromSegments(segments: readonly Segment[], route: string): Place {
  const bad = (): PosternError =>
    new PosternError('invalid', `An inlet can't follow the route ${route}`);
  const services = segments.filter((s) => s.kind === 'service').map((s) => s.value);
  const service = services.filter((s) => !s.startsWith(FORWARD)).at(-1) ?? SERVICE_DEFAULT;
  const relay = services.find((s) => s.startsWith(FORWARD))?.slice(FORWARD.length);
  const [first, second] = segments;
  if (first === undefined) throw bad();
  if (first.kind === 'project' || (first.kind === 'service' && relay !== undefined))
    return { kind: 'relay', relay: relay ?? RELAY_DEFAULT, service };
  if (first.kind === 'node') return { kind: 'node', node: first.value, service };
  if ((first.kind === 'dnsaddr' || first.kind === 'ip4') && second?.kind === 'tcp')
    return { kind: 'address', address: `${first.value}:${second.value}`, service };
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
  return `${head}/secure/api/service/${place.service}`;
}
