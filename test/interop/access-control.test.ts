/** The example of a web app behind sign-in and permissions, run as its reader runs it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DEBIAN_PATH,
  has,
  missingPeers,
  type Postgres,
  postgresBin,
  startPostgres,
} from '../harness/peers.ts';
import { execute, type Outcome, ROOT } from '../harness/postern.ts';

const SCRIPT = join(ROOT, 'examples/access-control/run.sh');
const missing = missingPeers({
  bash: has.program('bash'),
  curl: has.program('curl'),
  PostgreSQL: postgresBin() !== undefined,
});

describe.skipIf(missing.length > 0)('the example of access control', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-access-'));
  let database: Postgres | undefined;

  function run(state: string, extra: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
    const { POSTERN: _p, DATABASE_URL: _d, ...rest } = process.env;
    const env = { ...rest, PATH: DEBIAN_PATH, EXAMPLE_STATE: join(folder, state) };
    return execute(
      SCRIPT,
      args,
      { ...env, EXAMPLE_FREE_PORTS: '1', ...extra },
      { timeoutMs: 90_000 },
    );
  }
  afterAll(async () => {
    for (const state of ['file', 'server']) await run(state, {}, 'cleanup');
    await database?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('welcomes who is let in, denies who is not, and leaves nothing behind', async () => {
    const outcome = await run('file', {});
    expect(outcome.stderr + outcome.stdout).toContain('The example run was successful');
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.match(/is known and denied/g)).toHaveLength(2);
    const pid = Number(readFileSync(join(folder, 'file/app.pid'), 'utf8'));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    expect((await run('file', {}, 'cleanup')).code).toBe(0);
    expect(existsSync(join(folder, 'file'))).toBe(false);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  }, 120_000);

  it('keeps its visits in a PostgreSQL where it is given one', async () => {
    database = await startPostgres();
    const url = `postgres://postgres:password@127.0.0.1:${database.port}/postgres`;
    const outcome = await run('server', { DATABASE_URL: url });
    expect(outcome.stderr + outcome.stdout).toContain('The example run was successful');
    const asked = await execute(
      `${database.bin}/psql`,
      ['-tA', '-c', 'select times from visits', url],
      process.env,
    );
    expect(asked.stdout.trim()).toBe('3');
  }, 120_000);
});
