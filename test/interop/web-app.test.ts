/** The web app of the guide with its real parts: PostgreSQL, Flask, psycopg2, psql and pgbench, through a portal. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DEBIAN_PATH,
  has,
  missingPeers,
  type Postgres,
  postgresBin,
  startPostgres,
} from '../harness/peers.ts';
import { execute, freePort, PROGRAM, ROOT, until, World } from '../harness/postern.ts';

const APP = `import os
import psycopg2
from flask import Flask

app = Flask(__name__)
connection = psycopg2.connect("postgres://postgres:password@127.0.0.1:%s/" % os.environ["APP_PG_PORT"])

@app.route("/")
def visits():
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (id SERIAL PRIMARY KEY)")
        cursor.execute("INSERT INTO visits DEFAULT VALUES RETURNING id")
        return "I've been visited {} times".format(cursor.fetchone()[0]), 201
`;

const missing = missingPeers({
  PostgreSQL: postgresBin() !== undefined,
  psql: has.program('psql'),
  curl: has.program('curl'),
  Flask: await has.python('flask'),
  psycopg2: await has.python('psycopg2'),
});

describe.skipIf(missing.length > 0)('a web app and its PostgreSQL on two machines', () => {
  const world = new World();
  let database: Postgres | undefined;
  let port = '';

  beforeAll(async () => {
    database = await startPostgres();
    await world.startServer();
    await world.ok('admin', 'enroll');
    const db = await world.ok(
      'admin',
      'project',
      'ticket',
      '--attribute',
      'component=db',
      '--relay',
      'db',
    );
    const web = await world.ok('admin', 'project', 'ticket', '--attribute', 'component=web');
    await world.ok('db', 'project', 'enroll', db);
    await world.ok(
      'db',
      'tcp-outlet',
      'create',
      '--to',
      `127.0.0.1:${database?.port}`,
      '--allow',
      '(= subject.component "web")',
    );
    await world.ok('db', 'relay', 'create', 'db');
    await world.ok('web', 'project', 'enroll', web);
    port =
      (
        await world.ok(
          'web',
          'tcp-inlet',
          'create',
          '--to',
          'db',
          '--allow',
          '(= subject.component "db")',
        )
      ).split(':')[1] ?? '';
  }, 120_000);
  afterAll(async () => {
    await database?.stop();
    await world.close();
  });

  it('Flask and psycopg2 count visits through it', async () => {
    const folder = join(world.folder, 'app');
    mkdirSync(folder);
    writeFileSync(join(folder, 'main.py'), APP);
    const http = await freePort();
    world.spawn(
      '/usr/bin/python3',
      ['-m', 'flask', '--app', 'main', 'run', '--port', String(http)],
      { ...process.env, PATH: DEBIAN_PATH, APP_PG_PORT: port },
      folder,
    );
    const visit = async (): Promise<string> => {
      const got = await execute(
        '/usr/bin/curl',
        ['-sS', '--max-time', '5', `http://127.0.0.1:${http}/`],
        process.env,
      );
      if (got.code !== 0) throw new Error(got.stderr);
      return got.stdout;
    };
    expect(await until(visit, 'the app')).toBe("I've been visited 1 times");
    expect(await visit()).toBe("I've been visited 2 times");
  });

  it('psql and pgbench work through it', async () => {
    const env = { ...process.env, PATH: DEBIAN_PATH, PGPASSWORD: 'password' };
    const common = ['-h', '127.0.0.1', '-p', port, '-U', 'postgres'];
    const asked = await execute(
      join(database?.bin ?? '', 'psql'),
      [...common, '-Atc', "select repeat('x', 3000000)"],
      env,
    );
    expect(asked.stdout.length).toBe(3_000_000);
    expect(
      (
        await execute(
          join(database?.bin ?? '', 'pgbench'),
          [...common, '-i', '-q', 'postgres'],
          env,
        )
      ).code,
    ).toBe(0);
    const bench = await execute(
      join(database?.bin ?? '', 'pgbench'),
      [...common, '-c', '8', '-T', '3', 'postgres'],
      env,
    );
    expect(bench).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/number of failed transactions: 0/),
    });
  });
});

const mission = resolve(ROOT, '../shared/mission/000_2ebddf2e9f43bd25.txt');
const isThere = existsSync(mission);
const batsMissing = isThere
  ? missingPeers({
      bats: has.program('bats'),
      'bats-assert': existsSync('/usr/lib/bats/bats-assert/load.bash'),
      'network namespaces': await has.netns(),
      PostgreSQL: postgresBin() !== undefined,
      Flask: await has.python('flask'),
    })
  : ['the source document'];

describe.skipIf(batsMissing.length > 0)('the test script of the source document', () => {
  const namespace = `postern-${process.pid}`;
  const world = new World();
  const within = ['ip', 'netns', 'exec', namespace];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: DEBIAN_PATH,
    POSTERN_SERVER_HOME: world.serverHome,
  };
  delete env['POSTERN_HOME'];
  let database: Postgres | undefined;
  const run = (
    args: readonly string[],
    extra: NodeJS.ProcessEnv = {},
    timeoutMs = 60_000,
  ): ReturnType<typeof execute> => {
    const [command = '', ...rest] = [...within, ...args];
    return execute(command, rest, { ...env, ...extra }, { cwd: world.folder, timeoutMs });
  };

  afterAll(async () => {
    await run([PROGRAM, 'server', 'stop']);
    await database?.stop();
    await execute('ip', ['netns', 'delete', namespace], env);
    await world.close();
  });

  it('passes unmodified', async () => {
    await execute('ip', ['netns', 'add', namespace], env);
    await run(['ip', 'link', 'set', 'lo', 'up']);
    database = await startPostgres({ port: 5432, prefix: within });
    const enrolled = join(world.folder, 'enrolled');
    expect(await run([PROGRAM, 'server', 'start'])).toMatchObject({ code: 0 });
    expect(await run([PROGRAM, 'enroll'], { OCKAM_HOME: enrolled })).toMatchObject({ code: 0 });
    const text = readFileSync(mission, 'utf8');
    const script = text.slice(
      text.indexOf('<!-- bats start ENROLLED_HOME -->'),
      text.indexOf('<!-- bats end -->'),
    );
    const lines = script.split('\n').filter((line) => !/^(<!--.*|-->)$/.test(line));
    writeFileSync(join(world.folder, 'web-app.bats'), `${lines.join('\n')}\n`);
    const outcome = await run(
      ['bats', 'web-app.bats'],
      { OCKAM: PROGRAM, ENROLLED_HOME: enrolled, BATS_LIB: '/usr/lib/bats' },
      170_000,
    );
    expect(outcome.stdout).toContain('ok 1 run basic-web-app');
    expect(outcome.code).toBe(0);
  }, 180_000);
});
