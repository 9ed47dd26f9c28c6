/** Random identifiers and names. All randomness comes from node:crypto. */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';

/** A fresh id such as `tkt_` followed by 128 random bits in hex. */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(16).toString('hex')}`;
}

/** A fresh UUID (RFC 9562 version 4), for spaces and projects. */
export function newUuid(): string {
  return randomUUID();
}

/** Whether a text is a UUID as this program writes them: in lower case, with hyphens. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(text);
}

const FIRST =
  'able bold brave brisk bright calm clear clever crisp deft eager early fair fast fine firm fond free fresh glad gold good grand green happy keen kind large late lean light live loyal lucky merry mild neat noble open pale plain proud pure quick quiet rapid rare ready rich ripe royal safe sharp shy silent silver sleek smart smooth snug solid spare steady still stout sunny super sure sweet swift tall tame tidy true vast vivid warm wide wild wise witty young zesty'.split(
    ' ',
  );
const SECOND =
  'acorn alder apple aspen badger bay beach beaver birch bison brook canyon cedar cliff clover coral crane creek cricket dale deer delta dove dune eagle elk elm falcon fern finch fjord forest fox glade grove gull harbor hare hawk hazel heron hill holly island ivy jay juniper koala lake lark leaf linden lynx maple marsh meadow mesa moose moss oak ocean olive orchid otter owl palm peak pebble pine plover pond poplar prairie puffin quail rabbit raven reef ridge river robin rook rose sage seal shore sparrow spring spruce stone stork stream swan teal thistle tiger trail trout tulip valley walnut willow wolf wren'.split(
    ' ',
  );

/** A random two-word name such as `calm-otter`, for what the user did not name. */
export function newName(): string {
  return `${FIRST[randomInt(FIRST.length)]}-${SECOND[randomInt(SECOND.length)]}`;
}
