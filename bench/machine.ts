/** The real program in homes of its own, as its users run it: `bin/postern`, everything in the foreground. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Stage } from './stage.ts';

export const PROGRAM: string = resolve(import.meta.dirname, '../bin/postern');

/** Settings of the caller's own installation, and this run's compile cache, do not reach the measured program. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean => /^(POSTERN|OCKAM)_|^NODE_/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
}

const PERMISSION_PORTS = Object.fromEntries(
  ['READ', 'WRITE', 'METRICS', 'OPL'].map((name) => [
    `POSTERN_LISTEN_PERMISSIONS_${name}`,
    '127.0.0.1:0',
  ]),
);

/** A machine: one home, and the nodes that run in it. */
export class Machine {
  readonly env: NodeJS.ProcessEnv;
  readonly #stage: Stage;

  constructor(
    stage: Stage,
    server: string,
    o: { readonly hasPermissions?: boolean; readonly hasAccounts?: boolean } = {},
  ) {
    this.#stage = stage;
    this.env = {
      ...cleanEnvironment(),
      POSTERN_HOME: join(stage.folder, randomUUID()),
      POSTERN_SERVER_HOME: join(stage.folder, server),
      POSTERN_LISTEN_NODES: '127.0.0.1:0',
      POSTERN_LISTEN_PUBLIC: '127.0.0.1:0',
      ...(o.hasAccounts === true
        ? { POSTERN_LISTEN_ACCOUNTS_ADMIN: '127.0.0.1:0' }
        : { POSTERN_ACCOUNTS: 'off' }),
      ...(o.hasPermissions === true ? PERMISSION_PORTS : { POSTERN_PERMISSIONS: 'off' }),
      POSTERN_LOG_LEVEL: 'info',
      NO_COLOR: '1',
    };
  }

  /** Runs one command; answers its standard output. Throws when it fails. */
  postern(...args: string[]): Promise<string> {
    return this.#stage.execute(PROGRAM, args, { env: this.env });
  }

  /** The base URLs of the server's permission listeners. */
  permissionPorts(): { readonly read: string; readonly write: string } {
    const path = join(String(this.env['POSTERN_SERVER_HOME']), 'server.json');
    const state: { permissions: { read: string; write: string } } = JSON.parse(
      readFileSync(path, 'utf8'),
    );
    const { read, write } = state.permissions;
    return { read: `http://${read}`, write: `http://${write}` };
  }

  /** The folder of the server's state. */
  get serverHome(): string {
    return String(this.env['POSTERN_SERVER_HOME']);
  }
  /** The base URL of the server's public listener. */
  publicUrl(): string {
    const text = readFileSync(join(this.serverHome, 'server.json'), 'utf8');
    const state: { public: string } = JSON.parse(text);
    return `http://${state.public}`;
  }

  /** Makes a source the server's permission model. */
  async applyModel(source: string): Promise<void> {
    const path = join(this.#stage.folder, 'model.opl');
    writeFileSync(path, source);
    await this.postern('permission', 'model', 'apply', path);
  }

  async startServer(): Promise<ChildProcess> {
    const args = ['server', 'start', '--foreground'];
    const { child } = await this.#stage.logging(PROGRAM, args, 'the server runs', {
      env: this.env,
    });
    return child;
  }

  /** Starts a node; answers it and the address on which it takes channels. */
  async startNode(name: string): Promise<{ child: ChildProcess; listener: string }> {
    const args = ['node', 'create', name, '--foreground'];
    const { child, line } = await this.#stage.logging(PROGRAM, args, 'the node is ready', {
      env: this.env,
    });
    return { child, listener: String(line['listener']) };
  }
}
