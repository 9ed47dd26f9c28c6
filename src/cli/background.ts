/**
 * Nodes in the background: this program started again, detached, with its logs in the node's directory; the caller
 * waits until the node answers on its socket, or says what the node's log says.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newName, PosternError } from '../kernel/index.ts';
import { callNode, closeHome, nodeNamed, openHomeOnce } from './access.ts';
import { waiting } from './talk.ts';

/** A node that does not answer by then has failed. */
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 25;
const LOG_TAIL_LINES = 3;

export interface NodeSettings {
  readonly name?: string;
  readonly identity?: string;
  readonly project?: string;
  readonly tcpListenerAddress?: string;
  readonly hasHttpServer?: boolean;
  readonly httpServerPort?: number;
}

/** Does the node answer on its socket? */
export async function isRunning(name: string): Promise<boolean> {
  try {
    await callNode(name, 'GET', '/v1/node');
    return true;
  } catch {
    return false;
  }
}

/** Refuses a name that a running node holds. Throws `conflict` or `invalid`. */
export async function checkNodeName(name: string): Promise<void> {
  if (!/^\w[\w-]{0,63}$/.test(name))
    throw new PosternError(
      'invalid',
      `"${name.slice(0, 80)}" is neither a node name (letters, digits, _ and -) nor a configuration file that exists`,
    );
  const isKnown = openHomeOnce().nodes.find(name) !== undefined;
  if (isKnown && (await isRunning(name)))
    throw new PosternError('conflict', `The node ${name} is already running`, {
      hint: `postern node show ${name}`,
    });
}

/** Writes the node's record, making the identity when it does not exist yet. What is not said stays as it was. */
export function recordNode(name: string, settings: NodeSettings): void {
  const home = openHomeOnce();
  const before = home.nodes.find(name);
  const wanted = settings.identity ?? before?.identityName;
  const identity =
    wanted !== undefined && home.identities.find(wanted) === undefined
      ? home.createIdentity(wanted)
      : home.identity(wanted);
  const projectName = settings.project ?? before?.projectName;
  const hasHttp = settings.hasHttpServer === true || settings.httpServerPort !== undefined;
  const httpServer = hasHttp ? { port: settings.httpServerPort ?? 0 } : before?.httpServer;
  home.nodes.put({
    name,
    identityName: identity.name,
    ...(projectName === undefined ? {} : { projectName }),
    tcpListenerAddress: settings.tcpListenerAddress ?? before?.tcpListenerAddress ?? '127.0.0.1:0',
    ...(httpServer === undefined ? {} : { httpServer }),
  });
}

/** Creates a node in the background; answers its name. A new node that does not start leaves nothing behind. */
export async function createBackgroundNode(
  settings: NodeSettings,
  skipsRunningCheck: boolean = false,
): Promise<string> {
  const name = settings.name ?? newName();
  if (!skipsRunningCheck) await checkNodeName(name);
  const isNew = openHomeOnce().nodes.find(name) === undefined;
  recordNode(name, settings);
  try {
    await startBackgroundNode(name);
  } catch (error) {
    if (isNew) openHomeOnce().deleteNode(name);
    throw error;
  }
  return name;
}

/** The node that an argument means; makes a default node when there is none and none is named. */
export async function nodeNamedOrNew(given?: string): Promise<string> {
  if (given !== undefined || openHomeOnce().nodes.list().length > 0) return nodeNamed(given);
  return createBackgroundNode({});
}

/** Starts a recorded node in the background and waits for it. */
export async function startBackgroundNode(name: string): Promise<void> {
  const directory = openHomeOnce().nodeDirectory(name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const out = openSync(join(directory, 'stdout.log'), 'a', 0o600);
  const errorPath = join(directory, 'stderr.log');
  const err = openSync(errorPath, 'w', 0o600);
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'node', 'run', name], {
    detached: true,
    stdio: ['ignore', out, err],
    env: { ...process.env, POSTERN_HOME: openHomeOnce().path },
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  closeHome();
  try {
    await waiting(
      `waiting for node ${name} to answer`,
      untilRunning(name, () => hasEnded, errorPath),
    );
  } catch (reason) {
    child.kill('SIGKILL');
    throw reason;
  } finally {
    child.removeAllListeners();
    child.unref();
  }
}

async function untilRunning(
  name: string,
  hasEnded: () => boolean,
  errorPath: string,
): Promise<void> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (await isRunning(name)) return;
    if (hasEnded()) break;
    await sleep(POLL_MS);
  }
  throw new PosternError('unavailable', `The node ${name} did not start${logTail(errorPath)}`);
}

function logTail(path: string): string {
  try {
    const lines = readFileSync(path, 'utf8')
      .trim()
      .replaceAll('✘ ', '')
      .split('\n')
      .slice(-LOG_TAIL_LINES);
    return lines.join('') === '' ? '' : `: ${lines.join(' ').slice(0, 500)}`;
  } catch {
    return '';
  }
}

/** Stops a node and removes what the home keeps of it. */
export async function deleteNode(name: string): Promise<void> {
  await stopNode(name, false);
  openHomeOnce().deleteNode(name);
}

const STOP_TIMEOUT_MS = 10_000;

/** Stops a node: asks it first, then ends its process. */
export async function stopNode(name: string, isForced: boolean): Promise<void> {
  const pid = openHomeOnce().nodes.find(name)?.pid;
  if (!(await isRunning(name))) return;
  if (isForced && pid !== undefined) process.kill(pid, 'SIGKILL');
  else await callNode(name, 'POST', '/v1/stop').catch(() => undefined);
  const deadlineMs = Date.now() + STOP_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (pid === undefined ? !(await isRunning(name)) : !isAlive(pid)) return;
    await sleep(POLL_MS);
  }
  if (pid !== undefined && (await isRunning(name))) process.kill(pid, 'SIGKILL');
}

/** Ends this process when standard input ends, as a supervisor that holds the other end may want. */
export function endWithInput(): void {
  process.stdin.resume().once('end', () => process.kill(process.pid, 'SIGTERM'));
}

/** Has the process ended, and only its parent not asked yet? In containers the first process may never ask. */
function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No /proc on this system, or the process is gone.
    return false;
  }
}

/** Does a process of this id run? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
