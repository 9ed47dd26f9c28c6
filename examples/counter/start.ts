/**
 * `npm start`: the main job, from nothing. A server, two homes as if on two machines, a database that only the outlet's
 * node can reach, the counter app, and the portal between them. Every command is shown with what it answered.
 * `--once` ends after the check. Whatever it starts, it ends; whatever it writes is in one temporary folder.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'postern-start-'));
const isOnce = process.argv.includes('--once');
const children: ChildProcess[] = [];
const hasColor = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
const dim = (text: string): string => (hasColor ? `\u001b[2m${text}\u001b[0m` : text);
const bold = (text: string): string => (hasColor ? `\u001b[1m${text}\u001b[0m` : text);

const environment = (home: string): NodeJS.ProcessEnv => ({
  ...process.env,
  POSTERN_HOME: join(folder, home),
  POSTERN_SERVER_HOME: join(folder, 'server'),
  POSTERN_LISTEN_NODES: '127.0.0.1:0',
  POSTERN_LISTEN_PUBLIC: '127.0.0.1:0',
  POSTERN_PERMISSIONS: 'off',
  POSTERN_ACCOUNTS: 'off',
  NO_COLOR: '1',
});

/** Runs one command of Postern in a home, shows it and its answer, and returns the answer. */
function postern(home: string, ...args: string[]): Promise<string> {
  return new Promise((done, fail) => {
    execFile(
      join(root, 'bin/postern'),
      args,
      { env: environment(home) },
      (error, stdout, stderr) => {
        const isTicket = args[0] === 'project' && args[1] === 'enroll';
        const shown = args
          .map((a) => (/^[0-9a-f]{200,}$/.test(a) ? '$TICKET' : /[ ()"]/.test(a) ? `'${a}'` : a))
          .join(' ');
        console.log(`\n${bold(`[${home}] $ postern ${shown}`)}`);
        const answer = stdout.trim();
        const short =
          answer.length > 300
            ? isTicket
              ? ''
              : `${answer.slice(0, 60)} … (one line of ${answer.length} characters)`
            : answer;
        for (const line of [...stderr.trim().split('\n'), ...short.split('\n')])
          if (line !== '') console.log(dim(`  ${line}`));
        if (error === null) done(answer);
        else fail(new Error(`postern ${shown} failed`));
      },
    );
  });
}

/** Starts a program of the example and waits for its port. */
function listening(script: string, env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return new Promise((done, fail) => {
    child.once('exit', () => fail(new Error(`${script} ended before it listened`)));
    if (child.stdout === null) return fail(new Error('no output'));
    createInterface(child.stdout).on('line', (line) => {
      const port = /^listening (\d+)$/.exec(line)?.[1];
      if (port !== undefined) done(Number(port));
    });
  });
}

/** Ends a program of the example and waits until it has ended. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

let isCleaning = false;
async function cleanup(): Promise<void> {
  if (isCleaning) return;
  isCleaning = true;
  const [database, app] = children;
  // The app before its portal, the database after: nothing is left to complain about what it has lost.
  await end(app);
  const quiet = (home: string, ...args: string[]): Promise<void> =>
    new Promise((done) =>
      execFile(join(root, 'bin/postern'), args, { env: environment(home) }, () => done()),
    );
  await Promise.all([
    quiet('db', 'node', 'delete', '--all', '--yes'),
    quiet('web', 'node', 'delete', '--all', '--yes'),
  ]);
  await quiet('admin', 'server', 'stop');
  await end(database);
  rmSync(folder, { recursive: true, force: true });
}

async function visit(port: number, expected: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/`);
  const text = (await response.text()).trim();
  console.log(`\n${bold(`$ curl http://127.0.0.1:${port}/`)}\n${dim(`  ${text}`)}`);
  if (response.status !== 201 || text !== `I've been visited ${expected} times`)
    throw new Error(`expected visit ${expected}`);
}

async function run(): Promise<number> {
  console.log(
    'An app reaches a private database through a portal. Three machines, played by three folders:',
  );
  console.log('  admin  runs the server and gives tickets');
  console.log('  db     can reach the database, and only dials out');
  console.log('  web    runs the app, and only dials out');
  const database = listening('database.ts', {});
  await postern('admin', 'server', 'start');
  await postern('admin', 'enroll');
  const dbTicket = await postern(
    'admin',
    'project',
    'ticket',
    '--attribute',
    'component=db',
    '--relay',
    'db',
  );
  const webTicket = await postern('admin', 'project', 'ticket', '--attribute', 'component=web');

  await postern('db', 'project', 'enroll', dbTicket);
  await postern('db', 'node', 'create', 'db');
  await postern(
    'db',
    'policy',
    'create',
    '--resource-type',
    'tcp-outlet',
    '--expression',
    '(= subject.component "web")',
  );
  await postern('db', 'tcp-outlet', 'create', '--to', String(await database));
  await postern('db', 'relay', 'create', 'db');

  await postern('web', 'project', 'enroll', webTicket);
  await postern('web', 'node', 'create', 'web');
  await postern(
    'web',
    'policy',
    'create',
    '--resource-type',
    'tcp-inlet',
    '--expression',
    '(= subject.component "db")',
  );
  const inlet = await postern('web', 'tcp-inlet', 'create', '--via', 'db');

  const inletPort = inlet.slice(inlet.lastIndexOf(':') + 1);
  console.log(`\n${bold(`[web] $ APP_PG_PORT=${inletPort} node app.ts`)}`);
  const app = await listening('app.ts', { APP_PG_PORT: inletPort, APP_PORT: '0' });
  await visit(app, 1);
  await visit(app, 2);
  console.log(`\n${bold('The example run was successful')}`);
  if (isOnce) return app;
  console.log(`\nTry it:   http://127.0.0.1:${app}/`);
  console.log(
    `Look:     POSTERN_HOME=${join(folder, 'web')} ${join(root, 'bin/postern')} node show web`,
  );
  return app;
}

const stopped = new Promise<void>((done) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done());
});
let code = 0;
try {
  const outcome = await Promise.race([run(), stopped]);
  if (!isOnce && outcome !== undefined) {
    console.log(dim('\nCtrl-C ends it and leaves nothing behind.'));
    await stopped;
  }
} catch (error) {
  console.error(`\n✘ ${error instanceof Error ? error.message : String(error)}`);
  code = 1;
} finally {
  await cleanup();
}
process.exit(code);
