/** `postern account doctor`: what it says of a sign-in that works, and of proxies and addresses that break it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { compareAddresses, siteOf } from '../../src/cli/account-doctor.ts';
import { freePort, World } from '../harness/postern.ts';

interface Finding {
  readonly level: string;
  readonly what: string;
  readonly todo?: string;
}
type Breaking = 'nothing' | 'set-cookie' | 'cookie' | 'clock' | 'post' | 'domain';

const world = new World();
const proxies: http.Server[] = [];
let server = '';
let outside = 0;

beforeAll(async () => {
  outside = await freePort();
  // The address by which browsers come is the proxy's, as behind any reverse proxy.
  mkdirSync(world.serverHome, { recursive: true });
  writeFileSync(
    join(world.serverHome, 'server.yaml'),
    `accounts:
  public_url: 'http://127.0.0.1:${outside}'
  courier: { smtp: { connection_uri: 'smtp://127.0.0.1:1/?disable_starttls=true' } }
`,
  );
  await world.startServer();
  const text = readFileSync(join(world.serverHome, 'server.json'), 'utf8');
  const state: { public: string } = JSON.parse(text);
  server = state.public;
}, 60_000);
afterEach(async () => {
  for (const proxy of proxies.splice(0)) {
    proxy.closeAllConnections();
    await new Promise((done) => proxy.close(done));
  }
});
afterAll(() => world.close(), 60_000);

/** A reverse proxy that breaks one thing. */
async function proxy(breaking: Breaking): Promise<void> {
  const [hostname, port] = server.split(':');
  const running = http.createServer((question, reply) => {
    if (breaking === 'post' && question.method === 'POST') {
      reply.writeHead(405).end();
      return;
    }
    const { cookie, ...rest } = question.headers;
    const headers = breaking === 'cookie' || cookie === undefined ? rest : { ...rest, cookie };
    const { method, url } = question;
    const asked = http.request({ hostname, port, method, path: url, headers }, (answer) => {
      const { 'set-cookie': cookies = [], ...others } = answer.headers;
      const told =
        breaking === 'set-cookie'
          ? []
          : breaking === 'domain'
            ? cookies.map((c) => `${c}; Domain=elsewhere.example`)
            : cookies;
      const shift =
        breaking === 'clock' ? { date: new Date(Date.now() + 300_000).toUTCString() } : {};
      reply.writeHead(answer.statusCode ?? 502, { ...others, ...shift, 'set-cookie': told });
      answer.pipe(reply);
    });
    asked.on('error', () => reply.writeHead(502).end());
    question.pipe(asked);
  });
  proxies.push(running);
  await new Promise<void>((done) => running.listen(outside, '127.0.0.1', done));
}
async function doctor(url: string): Promise<{ code: number; findings: readonly Finding[] }> {
  const told = await world.postern('admin', 'account', 'doctor', url, '--output', 'json');
  return { code: told.code, findings: JSON.parse(told.stdout) };
}
const faults = (findings: readonly Finding[]): string =>
  findings
    .filter((f) => f.level === 'fault')
    .map((f) => f.what)
    .join('\n');

it('finds nothing wrong where nothing is, and ends with 0', async () => {
  await proxy('nothing');
  const { code, findings } = await doctor(`http://127.0.0.1:${outside}/ui/`);
  expect(findings.map((f) => [f.level, f.what])).toEqual(findings.map((f) => ['ok', f.what]));
  expect(findings).toHaveLength(3);
  expect(code).toBe(0);
});

it.each([
  ['set-cookie', /drops Set-Cookie/, /pass Set-Cookie on/],
  ['cookie', /arrives without them/, /pass the Cookie header on/],
  ['post', /answered with 405/, /pass POST/],
  ['domain', /is for elsewhere\.example/, /cookies\.domain/],
] as const)(
  'a proxy that breaks %s is found, with what to do, and ends with 70',
  async (breaking, what, todo) => {
    await proxy(breaking);
    const { code, findings } = await doctor(`http://127.0.0.1:${outside}/ui/`);
    expect(faults(findings)).toMatch(what);
    expect(findings.map((f) => f.todo).join('\n')).toMatch(todo);
    expect(code).toBe(70);
  },
);

it('a clock that is five minutes ahead is a warning', async () => {
  await proxy('clock');
  const { code, findings } = await doctor(`http://127.0.0.1:${outside}/ui/`);
  expect(findings.find((f) => f.level === 'warning')?.what).toMatch(/5 min ahead/);
  expect(code).toBe(0);
});

it('another name of this machine, and an address that nobody may return to, are found', async () => {
  await proxy('nothing');
  const { findings } = await doctor(`http://localhost:${outside}/`);
  expect(faults(findings)).toMatch(/two sites to a browser/);
  const other = await doctor(`http://127.0.0.1:${await freePort()}/home`);
  expect(faults(other.findings)).toMatch(/Nobody may be sent back/);
  expect(other.findings.map((f) => f.todo).join()).toContain('allowed_return_urls');
});

it('nobody at the address of the sign-in is said so', async () => {
  const { code, findings } = await doctor(`http://127.0.0.1:${outside}/`);
  expect(faults(findings)).toMatch(/nobody answers/);
  expect(code).toBe(70);
  const bad = await world.postern('admin', 'account', 'doctor', 'not an address');
  expect([bad.code, bad.stderr]).toEqual([64, expect.stringContaining('is no web address')]);
});

it.each([
  ['http://127.0.0.1:8080/', 'http://localhost:4433', /two sites to a browser/],
  ['https://app.example.com/', 'https://id.example.org', /different sites/],
  ['https://a.github.io/', 'https://b.github.io', /different sites/],
  ['http://app.example.com/', 'https://id.example.com', /Secure/],
  ['https://app.example.com/', 'http://id.example.com', /may not ask or post there/],
  ['https://app.example.com/', 'https://id.example.com', /one site and two hosts/],
])('%s beside %s', (app, sign, what) => {
  const said = compareAddresses(new URL(app), new URL(sign));
  expect(said.map((f) => f.what).join('\n')).toMatch(what);
});

it('a site is what is registered, not what is shared', () => {
  expect(
    ['app.example.com', 'app.example.co.uk', 'a.b.github.io', '127.0.0.1', 'localhost'].map(siteOf),
  ).toEqual(['example.com', 'example.co.uk', 'b.github.io', '127.0.0.1', 'localhost']);
});
