/** The package as a machine without the checkout gets it: packed, installed elsewhere, run by the PATH's Node. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, type Outcome, ROOT, World } from '../harness/postern.ts';

/** What the build and the package are made of; what is not there yet is not in the package either. */
const PARTS = [
  ...['bin', 'docs', 'packaging', 'src', 'tsconfig.json', 'tsconfig.build.json'],
  ...['package.json', 'web-globals.d.ts', 'LICENSE', 'README.md', 'CHANGELOG.md'],
];
const world = new World();
const folder = mkdtempSync(join(tmpdir(), 'postern-package-'));
const installed = join(folder, 'elsewhere/node_modules/postern');
const program = join(folder, 'elsewhere/node_modules/.bin/postern');
const node24 = join(folder, 'node24');
const withNode24 = `${node24}:/usr/bin:/bin`;
let packed: string[] = [];

/** Runs a command of the build to its end. */
async function build(command: string, args: readonly string[], cwd: string): Promise<string> {
  const outcome = await execute(command, args, process.env, { cwd });
  if (outcome.code !== 0)
    throw new Error(`${command} ${args[0]}: ${outcome.stdout}${outcome.stderr}`);
  return outcome.stdout;
}

/** Installs from npm's cache, without the Node that the package would bring; links the modules where the cache is empty. */
async function install(tarball: string): Promise<void> {
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'package.json'), '{"private":true}');
  const flags = ['--ignore-scripts', '--omit=dev', '--omit=optional', '--offline', '--silent'];
  const outcome = await execute('npm', ['install', ...flags, tarball], process.env, {
    cwd: elsewhere,
  });
  if (outcome.code === 0) return;
  console.log("npm's cache lacks the dependencies: they are linked, not installed");
  rmSync(join(elsewhere, 'node_modules'), { recursive: true, force: true });
  mkdirSync(join(elsewhere, 'node_modules/.bin'), { recursive: true });
  await build('tar', ['xzf', tarball, '-C', elsewhere], elsewhere);
  cpSync(join(elsewhere, 'package'), installed, { recursive: true });
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(installed, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(installed, 'node_modules', name));
  }
  symlinkSync('../postern/bin/postern', program);
}

beforeAll(async () => {
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  for (const part of PARTS)
    if (existsSync(join(ROOT, part)))
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const tsc = 'node_modules/typescript/bin/tsc';
  await build(process.execPath, [tsc, '-p', 'tsconfig.build.json'], copy);
  // The build has just been done; npm's own run of it would look at node_modules, which is a link here.
  const [made]: { filename: string; files: { path: string }[] }[] = JSON.parse(
    await build('npm', ['pack', '--ignore-scripts', '--json', '--silent'], copy),
  );
  packed = made?.files.map((file) => file.path) ?? [];
  await install(join(copy, made?.filename ?? ''));
  mkdirSync(node24);
  symlinkSync(process.execPath, join(node24, 'node'));
}, 120_000);
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

function installedPostern(home: string, ...args: string[]): Promise<Outcome> {
  return execute(program, args, world.env(home, { PATH: withNode24 }));
}
async function ok(home: string, ...args: string[]): Promise<string> {
  const outcome = await installedPostern(home, ...args);
  if (outcome.code !== 0) throw new Error(`postern ${args.join(' ')}: ${outcome.stderr}`);
  return outcome.stdout;
}

/** The major version of the PATH's Node, 0 without one. */
function majorOf(path: string): number {
  const asked = spawnSync('node', ['-p', 'process.versions.node.split(".")[0]'], {
    env: { PATH: path },
    encoding: 'utf8',
  });
  return asked.status === 0 ? Number(asked.stdout) : 0;
}

describe('the package', () => {
  it('holds the compiled program, without sources and tests', () => {
    expect(packed).toEqual(
      expect.arrayContaining(['bin/postern', 'dist/cli/entry.mjs', 'LICENSE']),
    );
    expect(packed.filter((path) => /\.ts$|\.test\.|\.fixture\.|^(src|test)\//.test(path))).toEqual(
      [],
    );
  });

  it('runs on Node 24', async () => {
    expect(await installedPostern('none', '--version')).toEqual({
      code: 0,
      stdout: `postern ${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}`,
      stderr: '',
    });
  });

  const systemMajor = majorOf('/usr/bin:/bin');
  it.skipIf(systemMajor === 0 || systemMajor >= 24)(
    'says in one line that it needs Node 24 where Node is older',
    async () => {
      const refused = await execute(program, ['--version'], { PATH: '/usr/bin:/bin' });
      expect(refused).toMatchObject({ code: 70, stdout: '' });
      expect(refused.stderr).toMatch(/^postern: needs Node 24 or later, .* v\d+\.\d+\.\d+\. .*$/);
    },
  );

  it('says the same where there is no Node', async () => {
    const refused = await execute('/bin/sh', [join(installed, 'bin/postern'), '--version'], {
      PATH: folder,
    });
    expect(refused).toMatchObject({ code: 70, stdout: '' });
    expect(refused.stderr).toMatch(/^postern: needs Node 24 or later, .*$/);
  });
});

describe('a server and two nodes of the installed package', () => {
  let api: Server | undefined;
  let port = 0;

  beforeAll(async () => {
    api = createServer((_, response) => response.end('the service'));
    port = await new Promise((done) => {
      api?.listen(0, '127.0.0.1', () => {
        const address = api?.address();
        done(typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
    const started = await execute(
      program,
      ['server', 'start'],
      world.env('admin', { PATH: withNode24, POSTERN_LISTEN_NODES: '127.0.0.1:0' }),
    );
    if (started.code !== 0) throw new Error(started.stderr);
    await ok('admin', 'enroll');
  });
  afterAll(() => {
    api?.close();
  });

  it('carry an HTTP request', async () => {
    const outletTicket = await ok('admin', 'project', 'ticket', '--relay', 'db');
    await ok('outlet', 'project', 'enroll', outletTicket);
    await ok('outlet', 'node', 'create', 'db');
    await ok('outlet', 'relay', 'create', 'db');
    await ok('outlet', 'tcp-outlet', 'create', '--to', String(port));
    await ok('inlet', 'project', 'enroll', await ok('admin', 'project', 'ticket'));
    const address = await ok('inlet', 'tcp-inlet', 'create', '--via', 'db');
    expect(await (await fetch(`http://${address}/`)).text()).toBe('the service');
  });

  it('a node that is made again from its configuration has what the configuration says, once', async () => {
    // What a container does that restarts with the same home.
    const config = join(world.folder, 'again.yaml');
    writeFileSync(config, `name: again\ntcp-outlet:\n  to: 127.0.0.1:${port}\n  allow: 'true'\n`);
    for (let round = 0; round < 2; round++) {
      await ok('outlet', 'node', 'create', config);
      const outlets: unknown[] = JSON.parse(
        await ok('outlet', 'tcp-outlet', 'list', '--at', 'again'),
      );
      expect(outlets).toHaveLength(1);
      await ok('outlet', 'node', 'stop', 'again');
    }
  });
});

describe.skipIf(!existsSync('/usr/bin/systemd-analyze'))('the systemd units', () => {
  it.each(['postern-server.service', 'postern-node@.service'])('%s is accepted', async (unit) => {
    // systemd wants the program to exist: the installed one, in the place of /usr/local/bin/postern.
    const text = readFileSync(join(ROOT, 'packaging/systemd', unit), 'utf8');
    const file = join(folder, unit.replace('@.', '@db.'));
    writeFileSync(file, text.replaceAll('/usr/local/bin/postern', program));
    const verified = await execute('/usr/bin/systemd-analyze', ['verify', file], process.env);
    expect(verified).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
