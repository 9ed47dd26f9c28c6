/** `server`: the control plane on this machine, in the background by default. */
import { spawn } from 'node:child_process';
import { fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { managementOverSocket } from '../../control/index.ts';
import { createLogger, PosternError } from '../../kernel/index.ts';
import { NO_MAIL } from '../account-client.ts';
import { define, type Flags, family } from '../command.ts';
import { field, list, text } from '../json.ts';
import { adminSocket, serverHome } from '../membership.ts';
import { paint, type Result, relativeTime, status } from '../output.ts';
import { inDialect } from '../session.ts';
import { done, next, note, waiting, warn } from '../talk.ts';

/** A server that does not answer by then has failed; the first start makes keys and tables. */
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 40;
const LOG_TAIL_LINES = 3;

/** Adds the family. */
export function register(program: Command): void {
  const server = family(program, 'server', 'The server: authority and relay');

  define(server, 'start', 'Start the server', {
    options: [
      ['-f, --foreground', 'stay in the foreground, logs to standard output'],
      ['--config <file>', 'its configuration'],
      ['--database <url>', 'postgres://…; the embedded SQLite file without it'],
    ],
    examples: [
      'server start',
      'server start --foreground --database postgres://postern@db/postern',
    ],
    run: ({ flags }) => (flags.has('foreground') ? runHere(flags) : start(flags)),
  });

  define(server, 'stop', 'Stop the server; portals that run keep running', { run: stop });

  define(server, 'status', 'Does the server run, and where', {
    run: async () => {
      const answer = await ask('GET', '/api/v1/status');
      const addresses = list(field(answer, 'node_addresses')).map(String).join(', ');
      const since = Date.parse(text(answer, 'started_at'));
      return {
        plain: [
          `${status('running')} server ${text(answer, 'version')}, since ${relativeTime(since, Date.now())}`,
          `  nodes   ${addresses}`,
          `  relays  ${text(answer, 'relays')} held, ${text(answer, 'spliced_channels')} channels through them`,
          ...signInLines(answer),
          `  home    ${serverHome()}`,
        ].join('\n'),
        json: { status: 'running', ...(typeof answer === 'object' ? answer : {}) },
      };
    },
  });

  define(server, 'logs', "Print the path of the server's log", {
    run: () => ({ machine: logPath(), json: { path: logPath() } }),
  });

  const config = server
    .command('config')
    .description("The server's configuration")
    .helpCommand(false);
  define(config, 'check', 'Check the configuration without starting', {
    options: [['--config <file>', 'the file; the one in the server home without it']],
    run: async ({ flags }) => {
      const { checkAccounts, loadServerConfig } = await import('../../server/index.ts');
      const loaded = loadServerConfig(fileOf(flags));
      const idle = await checkAccounts(loaded);
      if (idle.length > 0)
        note(`kratos.yml: not known, or without effect here: ${idle.join(', ')}`);
      const said = `The configuration is valid: nodes at ${loaded.nodes.host}:${loaded.nodes.port}, API at ${loaded.public.host}:${loaded.public.port}`;
      return {
        plain: said,
        json: { valid: true, ...(idle.length === 0 ? {} : { without_effect: idle }) },
      };
    },
  });

  define(
    server,
    'admin-ticket',
    'Print a one-time ticket with which another machine enrols as administrator',
    {
      run: async () => {
        const answer = await ask('POST', '/api/v1/admin-tickets');
        next('postern enroll --ticket TICKET   (on the other machine)');
        return { machine: text(answer, 'ticket') };
      },
    },
  );
}

/** Where people sign in, and what keeps mail from them. */
function signInLines(answer: unknown): string[] {
  const url = text(answer, 'accounts_url');
  if (url === '') return [];
  const mail = text(answer, 'mail');
  return [
    `  people  ${url}/`,
    mail === 'none'
      ? `  mail    ${paint('yellow', 'none')}: codes and links reach nobody\n          ${paint('dim', NO_MAIL.todo)}`
      : `  mail    leaves by ${mail.toUpperCase()}`,
  ];
}

const logPath = (): string => join(serverHome(), 'server.log');

const fileOf = (flags: Flags): { file?: string; database?: string } => ({
  ...(flags.text('config') === undefined ? {} : { file: flags.required('config') }),
  ...(flags.text('database') === undefined ? {} : { database: flags.required('database') }),
});

function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  return managementOverSocket(adminSocket()).request(method, path, body);
}

async function isUp(): Promise<boolean> {
  try {
    await ask('GET', '/api/v1/status');
    return true;
  } catch {
    return false;
  }
}

async function start(flags: Flags): Promise<Result> {
  if (await isUp()) {
    done('The server already runs');
    return startedResult();
  }
  mkdirSync(serverHome(), { recursive: true, mode: 0o700 });
  const log = openSync(logPath(), 'a', 0o600);
  const logStart = fstatSync(log).size;
  const config = flags.text('config');
  const database = flags.text('database');
  const child = spawn(
    process.execPath,
    [
      process.argv[1] ?? '',
      ...['server', 'start', '--foreground'],
      ...(config === undefined ? [] : ['--config', config]),
    ],
    {
      detached: true,
      stdio: ['ignore', log, log],
      // Not an argument: the URL may hold a password, and arguments are there for everybody to see.
      env: { ...process.env, ...(database === undefined ? {} : { POSTERN_DATABASE: database }) },
    },
  );
  let hasEnded = false;
  child.once('exit', () => {
    hasEnded = true;
  });
  child.once('error', () => {
    hasEnded = true;
  });
  try {
    await waiting(
      'waiting for the server to answer',
      untilUp(() => hasEnded, logStart),
    );
  } catch (reason) {
    child.kill('SIGKILL');
    throw reason;
  } finally {
    child.removeAllListeners();
    child.unref();
  }
  const result = await startedResult();
  done(`Server runs; nodes reach it at ${result.machine ?? ''}`);
  const { readServerState } = await import('../../server/index.ts');
  const movedFrom = readServerState(serverHome())?.moved_from;
  if (movedFrom !== undefined) {
    warn(`Nodes that joined before look for it at ${movedFrom.join(', ')}`);
    note('Set POSTERN_LISTEN_NODES and POSTERN_ADVERTISE as before, or keep them in server.yaml');
  }
  next('postern enroll');
  return result;
}

async function startedResult(): Promise<Result> {
  const answer = await ask('GET', '/api/v1/status');
  const [address = ''] = list(field(answer, 'node_addresses')).map(String);
  return {
    machine: address,
    plain: '',
    json: { status: 'running', ...(typeof answer === 'object' ? answer : {}) },
  };
}

async function untilUp(hasEnded: () => boolean, logStart: number): Promise<void> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (await isUp()) return;
    if (hasEnded()) break;
    await sleep(POLL_MS);
  }
  const tail = readFileSync(logPath())
    .subarray(logStart)
    .toString()
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .slice(-LOG_TAIL_LINES)
    .join(' ');
  throw new PosternError('unavailable', `The server did not start: ${tail.slice(0, 500)}`, {
    hint: logPath(),
  });
}

function runHere(flags: Flags): Promise<undefined> {
  return serveHere(fileOf(flags));
}

/**
 * Serves in this process until it is told to stop. `permissionsFile` is a keto.yml, `kratosFile` a kratos.yml; under the
 * name of `dialect` the environment gives their keys too.
 */
export async function serveHere(o: {
  readonly file?: string;
  readonly database?: string;
  readonly permissionsFile?: string;
  readonly kratosFile?: string;
  readonly dialect?: 'kratos' | 'keto';
}): Promise<undefined> {
  mkdirSync(serverHome(), { recursive: true, mode: 0o700 });
  const [{ loadServerConfig, runServer, takeDialect }, { programVersion }] = await Promise.all([
    import('../../server/index.ts'),
    import('../version.ts'),
  ]);
  const spoken = o.dialect === undefined ? undefined : await takeDialect(o.dialect, process.env);
  if (spoken !== undefined && spoken.variables.length > 0)
    note(`From the environment: ${spoken.variables.join(', ')}`);
  for (const variable of spoken?.strange ?? []) warn(`${variable} is no key that is known`);
  const config = loadServerConfig({ ...o, ...spoken?.settings });
  const logger = await createLogger({ level: config.logLevel, path: logPath() });
  const running = await runServer(config, { version: programVersion(), logger });
  logger.info({ nodes: running.nodes, public: running.public }, 'the server runs');
  if (o.dialect === 'kratos') await tellKratos();
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await running.close();
  process.exit(0);
}

/** Where it listens and what comes next, for whoever knows Kratos's two ports and follows its quickstart. */
async function tellKratos(): Promise<void> {
  const { readServerState } = await import('../../server/index.ts');
  const state = readServerState(serverHome());
  if (state?.accounts_url === undefined) return;
  done(`Serving; people sign in at ${state.accounts_url}/`);
  note(`  public  http://${state.public}   flows, sessions, pages under /ui/`);
  note(`  admin   http://${state.accounts_admin ?? ''}   identities, courier; with a token`);
  if (state.mail === 'none') warn(inDialect(`${NO_MAIL.what}. ${NO_MAIL.todo}`));
  note(inDialect("  next: postern token create admin --scope 'accounts:*'   (for the admin port)"));
}

async function stop(): Promise<Result> {
  const { readServerState } = await import('../../server/index.ts');
  const state = readServerState(serverHome());
  if (state === undefined || !(await isUp()))
    throw new PosternError('not_found', 'No server of this machine runs', {
      hint: 'Start one: `postern server start`',
    });
  process.kill(state.pid, 'SIGTERM');
  const deadlineMs = Date.now() + STOP_TIMEOUT_MS;
  while (await isUp()) {
    if (Date.now() > deadlineMs)
      throw new PosternError('unavailable', `The server (pid ${state.pid}) has not stopped yet`);
    await sleep(POLL_MS);
  }
  const said = 'The server was stopped';
  return { plain: said, machine: said, json: { status: 'stopped' } };
}
