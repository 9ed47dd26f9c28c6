/**
 * Ory's own client for TypeScript, unmodified, against Postern's accounts. Every operation of its four accounts' classes is
 * called, and every answer is held to the package's declarations and, with POSTERN_KRATOS_OPENAPI, to Kratos's published
 * document (harness/ory/). The tests stand by topic beside this file: the last one here counts for all of them.
 */
import { CourierApi, FrontendApi, IdentityApi, MetadataApi } from '@ory/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEVIATIONS } from '../harness/ory/known.ts';
import { operations } from '../harness/ory/operations.ts';
import { watchAnswers } from '../harness/ory/watch.ts';
import { World } from '../harness/postern.ts';
import { pageTests } from './accounts-clients-page.ts';
import { peopleTests } from './accounts-clients-people.ts';
import { programTests } from './accounts-clients-program.ts';
import { refusalTests } from './accounts-clients-refusals.ts';
import { socialTests } from './accounts-clients-social.ts';
import { Stage } from './accounts-clients-stage.ts';

/** Of a browser's federated credentials, which Postern leaves out. */
const LEFT_OUT: readonly string[] = ['FrontendApi.createFedcmFlow', 'FrontendApi.updateFedcmFlow'];

const watch = watchAnswers();
const world = new World();
const stage = new Stage(watch);
beforeAll(async () => {
  await world.startServer();
  await stage.open(world);
}, 60_000);
afterAll(() => world.close(), 60_000);

programTests(stage);
pageTests(stage);
peopleTests(stage);
refusalTests(stage);
socialTests(watch);

describe('all of the above', () => {
  const offered = [FrontendApi, IdentityApi, CourierApi, MetadataApi].flatMap((api) =>
    Object.getOwnPropertyNames(api.prototype)
      .filter((name) => name !== 'constructor')
      .map((name) => `${api.name}.${name}`),
  );
  it('knows what each operation may answer', () => {
    expect(operations.map((o) => `${o.api}.${o.name}`).toSorted()).toEqual(offered.toSorted());
    for (const { name, statuses } of operations)
      expect([name, statuses.size]).not.toEqual([name, 0]);
  });
  it('called every operation', () => {
    const expected = offered.filter((name) => !LEFT_OUT.includes(name));
    expect([...watch.called].toSorted()).toEqual(expected.toSorted());
  });
  it('needed every deviation that is excused', () => {
    const unused = DEVIATIONS.filter(
      (d, i) => !watch.deviationsSeen.has(i) && (watch.hasDocument || !d.isOfDocument),
    );
    expect(unused.map((d) => d.why)).toEqual([]);
    console.log(`${watch.answers} answers of ${watch.called.size} operations were looked at`);
  });
  it.skipIf(!watch.hasDocument)('held every answer to the published document', () => {
    expect(watch.documented).toBe(watch.answers);
  });
});
