/** A world with one portal: the node db has the outlet and a listener of its own, the node web has the inlet. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { type CredentialRecord, type Home, openHome } from '../../src/home/index.ts';
import { World } from './postern.ts';

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

export interface Door {
  readonly name: string;
  readonly at: net.TcpNetConnectOpts | net.IpcNetConnectOpts;
  /** How long a stranger may stay who does not speak TLS, and who does. */
  readonly plainMs: number;
  readonly tlsMs: number;
  /** What it takes to shake hands there. */
  readonly tls?: ConnectionOptions;
}

export class TwoNodes extends World {
  readonly #target = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => undefined);
    s.pipe(s);
  });
  inletPort = 0;
  /** Of the node db. */
  listenerPort = 0;

  async start(): Promise<void> {
    this.#target.listen(0, '127.0.0.1');
    await once(this.#target, 'listening');
    await this.startServer();
    await this.ok('admin', 'enroll');
    for (const name of ['db', 'web']) {
      const relay = name === 'db' ? ['--relay', 'db'] : [];
      const ticket = await this.ok('admin', 'project', 'ticket', ...relay);
      await this.ok(name, 'identity', 'create', name);
      await this.ok(name, 'project', 'enroll', ticket, '--identity', name);
      const at = ['--tcp-listener-address', '127.0.0.1:0'];
      await this.ok(name, 'node', 'create', name, '--identity', name, ...at);
    }
    const bound = this.#target.address();
    const to = typeof bound === 'object' && bound !== null ? bound.port : 0;
    await this.ok('db', 'tcp-outlet', 'create', '--to', String(to));
    await this.ok('db', 'relay', 'create', 'db');
    this.inletPort = portOf(await this.ok('web', 'tcp-inlet', 'create', '--to', 'db'));
    const listener = ['--jq', '.transports[0].socket_addr'];
    const shown = await this.ok('db', 'node', 'show', 'db', ...listener);
    this.listenerPort = portOf(JSON.parse(shown));
  }

  /** Every door of the server and of the node db. */
  doors(): readonly Door[] {
    const { public: open }: { public: string } = JSON.parse(
      readFileSync(join(this.serverHome, 'server.json'), 'utf8'),
    );
    const at = (port: number): Door['at'] => ({ host: '127.0.0.1', port });
    const folder = join(this.folder, 'db', 'run');
    // HTTP looks for requests that are late every two seconds.
    const http = { plainMs: 12_000, tlsMs: 5_000 };
    const hybrid = { ALPNProtocols: ['h2'], ecdhCurve: 'X25519MLKEM768' };
    return [
      { name: 'node port', at: at(this.nodePort), plainMs: 1_000, tlsMs: 5_000, tls: hybrid },
      { name: 'listener', at: at(this.listenerPort), plainMs: 10_000, tlsMs: 10_000, tls: hybrid },
      { name: 'public', at: at(portOf(open)), ...http, tls: { ALPNProtocols: ['http/1.1'] } },
      { name: 'node API', at: { path: join(folder, 'db.sock') }, ...http },
      { name: 'admin', at: { path: join(this.serverHome, 'admin.sock') }, ...http },
    ];
  }

  /** The server's and the nodes'. */
  async pids(): Promise<number[]> {
    return [this.serverPid(), await this.nodePid('db', 'db'), await this.nodePid('web', 'web')];
  }

  /** Reads something out of a home. */
  read<T>(home: string, from: (home: Home) => T): T {
    const opened = openHome(join(this.folder, home));
    try {
      return from(opened);
    } finally {
      opened.close();
    }
  }
  credential(home: string): CredentialRecord {
    return this.read(home, (h) => h.credentials.get());
  }

  override async close(): Promise<void> {
    await super.close();
    this.#target.close();
  }
}
