/** How the keto dialect reaches a server: by which address, under which name, and when it is ready. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Flags } from '../command.ts';
import { ketoServer, readiness } from './permission-keto-remote.ts';

const asked: IncomingMessage[] = [];
/** How often the server is not ready, before it is. */
let busy = 0;
let server: Server;
let remote = '';

beforeEach(async () => {
  asked.length = 0;
  busy = 0;
  server = createServer((request, response) => {
    asked.push(request);
    const isReady = --busy < 0;
    response.statusCode = isReady ? 200 : 503;
    response.end(isReady ? '{"status":"ok"}' : '{"errors":{"permissions":"starting"}}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  remote = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  // What is set where the tests run must not decide.
  for (const name of ['READ_REMOTE', 'WRITE_REMOTE', 'AUTHORITY', 'BEARER_TOKEN'])
    vi.stubEnv(`KETO_${name}`, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const plain = { insecureDisableTransportSecurity: true };
const flags = (values: Record<string, unknown>): Flags => new Flags({ ...plain, ...values });
const ask = async (values: Record<string, unknown>, port: 'read' | 'write' = 'read') =>
  (await ketoServer(flags(values), port)).ask('GET', '/x');

describe('the remote', () => {
  it('is the flag of its port, else the variable', async () => {
    await ask({ readRemote: remote });
    vi.stubEnv('KETO_WRITE_REMOTE', remote);
    await ask({ readRemote: '127.0.0.1:1' }, 'write');
    vi.stubEnv('KETO_READ_REMOTE', '127.0.0.1:1');
    await ask({ readRemote: remote });
    expect(asked).toHaveLength(3);
    await expect(ask({})).rejects.toMatchObject({ code: 'unavailable' });
  });
  it('is shown the token of KETO_BEARER_TOKEN', async () => {
    vi.stubEnv('KETO_BEARER_TOKEN', 'abc');
    await ask({ readRemote: remote });
    expect(asked[0]?.headers.authorization).toBe('Bearer abc');
  });
  it.each([
    [{ readRemote: 'http://127.0.0.1:4466' }, 'is not HOST:PORT'],
    [{ readRemote: '127.0.0.1:4466/path' }, 'is not HOST:PORT'],
    [{ authority: 'a b' }, 'is not HOST or HOST:PORT'],
    [{ authority: 'user@host' }, 'is not HOST or HOST:PORT'],
    [{ authority: 'host\r\nx: y' }, 'is not HOST or HOST:PORT'],
  ])('is not %j', async (values, message) => {
    await expect(ketoServer(flags(values), 'read')).rejects.toThrow(message);
  });
});

describe('the authority', () => {
  it('is what is asked for, by flag or variable, at the address of the remote', async () => {
    await ask({ readRemote: remote, authority: 'keto.example:4466' });
    vi.stubEnv('KETO_AUTHORITY', 'other.example');
    await ask({ readRemote: remote });
    await ask({ readRemote: remote, authority: 'keto.example' });
    expect(asked.map((request) => request.headers.host)).toEqual([
      'keto.example:4466',
      'other.example',
      'keto.example',
    ]);
  });
});

describe('--block', () => {
  it('waits until the server is ready before it asks', async () => {
    busy = 2;
    await ask({ readRemote: remote, block: true });
    expect(asked.map((request) => request.url)).toEqual([
      ...['/health/ready', '/health/ready', '/health/ready'],
      '/x',
    ]);
  });
  it('of status ends at its limit, and without it status asks once', async () => {
    busy = 1_000;
    const atRemote = { readRemote: remote };
    await expect(readiness(flags(atRemote), 'read', 10_000)).rejects.toThrow();
    expect(asked).toHaveLength(1);
    await expect(readiness(flags({ ...atRemote, block: true }), 'read', 600)).rejects.toThrow();
    expect(asked.length).toBeGreaterThan(2);
  });
});
