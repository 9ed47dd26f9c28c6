/** The usual pair: home `db` with an outlet behind relay `db`, home `web` with an inlet to it. */
import type { World } from './postern.ts';

/** Enrols both against the world's running server; answers the inlet's port. */
export async function createPortalPair(world: World, targetPort: number): Promise<number> {
  await world.ok('admin', 'enroll');
  const ticket = ['project', 'ticket', '--attribute'];
  const db = await world.ok('admin', ...ticket, 'component=db', '--relay', 'db');
  const web = await world.ok('admin', ...ticket, 'component=web');
  await world.ok('db', 'project', 'enroll', db);
  await world.ok('db', 'node', 'create', 'db');
  await world.ok(
    'db',
    ...['tcp-outlet', 'create', '--to', String(targetPort)],
    ...['--allow', '(= subject.component "web")'],
  );
  await world.ok('db', 'relay', 'create', 'db');
  await world.ok('web', 'project', 'enroll', web);
  await world.ok('web', 'node', 'create', 'web');
  const bound = await world.ok(
    'web',
    ...['tcp-inlet', 'create', '--to', 'db', '--alias', 'web-db'],
    ...['--allow', '(= subject.component "db")'],
  );
  return Number(bound.split(':')[1]);
}
