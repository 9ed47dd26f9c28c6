/** Machines whose clocks are five minutes off, in either direction: everything still works. */
import { existsSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingPeers } from '../harness/peers.ts';
import { freePort, World } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

/** Debian's libfaketime, in the folder of this machine's architecture. */
const library = readdirSync('/usr/lib')
  .map((d) => `/usr/lib/${d}/faketime/libfaketimeMT.so.1`)
  .find((p) => existsSync(p));
const missing = missingPeers({ faketime: library !== undefined });
const MINUTE_MS = 60_000;

/** What goes in front of a command so that its clock is off. */
const off = (seconds: string): readonly string[] => [
  'env',
  `LD_PRELOAD=${library}`,
  `FAKETIME=${seconds}s`,
  'FAKETIME_DONT_FAKE_MONOTONIC=1',
  'DONT_FAKE_MONOTONIC=1',
];

describe.skipIf(missing.length > 0)('a clock that is five minutes off', () => {
  let target: net.Server;
  let targetPort = 0;
  beforeAll(async () => {
    target = net.createServer((s) => s.on('error', () => undefined).pipe(s));
    targetPort = await freePort();
    await new Promise<void>((r) => target.listen(targetPort, '127.0.0.1', r));
  });
  afterAll(() => void target.close());

  it.each([
    ["the outlet's machine, fast", 'db', '+300'],
    ["the outlet's machine, slow", 'db', '-300'],
    ["the inlet's machine, fast", 'web', '+300'],
    ["the inlet's machine, slow", 'web', '-300'],
    ['the server, fast', 'admin', '+300'],
    ['the server, slow', 'admin', '-300'],
  ])(
    'at %s: joins, carries, renews and is revoked as any other',
    async (_where, wrong, seconds) => {
      const world = new World({}, (home) => (home === wrong ? off(seconds) : []));
      try {
        await world.startServer();
        await world.ok('admin', 'enroll');
        const inlet = await freePort();
        for (const [home, ...flags] of [['db', '--relay', 'db'], ['web']] as const) {
          const ticket = await world.ok('admin', 'project', 'ticket', ...flags);
          await world.ok(home, 'project', 'enroll', ticket);
          await world.ok(home, 'node', 'create', home);
        }
        await world.ok('db', 'relay', 'create', 'db');
        await world.ok('db', 'tcp-outlet', 'create', '--to', String(targetPort));
        await world.ok('web', 'tcp-inlet', 'create', '--from', String(inlet), '--via', 'db');
        expect(await ask(inlet, 'ping')).toBe('ping');
        // Without a ticket this asks the authority for a new credential.
        await world.ok('web', 'project', 'enroll');
        const [entry] = JSON.parse(await world.ok('admin', 'audit', 'list', '--output', 'json'));
        // The clock was really off, and nothing put it right.
        const skewMs = wrong === 'admin' ? Number(seconds) * 1000 : 0;
        expect(Math.abs(Date.parse(entry.at) - Date.now() - skewMs)).toBeLessThan(MINUTE_MS);
        const web = await world.ok('web', 'identity', 'show');
        await world.ok('admin', 'project-member', 'delete', web, '--yes');
        await expect(ask(inlet, 'ping')).rejects.toThrow();
      } finally {
        await world.close();
      }
    },
    120_000,
  );
});
