/** People bring their machines: they sign in for them, their credentials say who they are, and they go with the person. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields } from '../harness/browser.ts';
import { PROGRAM, until, World } from '../harness/postern.ts';
import { exchange } from '../harness/talk.ts';

const EMAIL = 'ann@example.com';
const PASSWORD = 'correct horse battery';
const world = new World();
let target: net.Server;
let base = '';
let accountId = '';
let person: Browser;
let inletPort = 0;

beforeAll(async () => {
  target = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => undefined);
    s.pipe(s);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const address = target.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  const db = await world.ok('admin', 'project', 'ticket', '--relay', 'db');
  await world.ok('db', 'project', 'enroll', db);
  const allow = ['--allow', '(= subject.account.group.ops "true")'];
  await world.ok('db', 'tcp-outlet', 'create', '--to', String(port), ...allow);
  await world.ok('db', 'relay', 'create', 'db');
  const begun = (await (await fetch(`${base}/self-service/registration/api`)).json()) as {
    id: string;
  };
  const answer = await fetch(`${base}/self-service/registration?flow=${begun.id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'password', password: PASSWORD, traits: { email: EMAIL } }),
  });
  const told = (await answer.json()) as { session_token: string; identity: { id: string } };
  accountId = told.identity.id;
  person = new Browser(base);
  person.cookies.set('ory_kratos_session', told.session_token);
}, 120_000);
afterAll(async () => {
  await world.close();
  target.close();
}, 60_000);

interface Command {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<number>;
}
/** Starts a command that waits for somebody to sign in. */
function start(home: string, ...args: string[]): Command {
  const child = spawn(PROGRAM, args, { env: world.env(home), stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  return {
    child,
    said: () => text,
    ended: once(child, 'exit').then(([code]) => Number(code)),
  };
}
/** The person opens the address that a command shows, and decides. */
async function decide(command: Command, button: [string, string]): Promise<string> {
  const url = await until(() => {
    const [found] = /http\S+activate\S+/.exec(command.said()) ?? [];
    if (found === undefined) throw new Error(command.said());
    return found;
  }, 'the address');
  const page = await person.open(url);
  const confirm = await person.ask('POST', formAction(page), {
    form: { ...hiddenFields(page), user_code: new URL(url).searchParams.get('user_code') ?? '' },
  });
  expect(confirm.text).toContain('Postern command line');
  return (await person.submit(confirm, {}, button)).text;
}
function administer(path: string, json: unknown): Promise<{ status: number; body: string }> {
  return world.askAdmin('PATCH', `/accounts/admin${path}`, json);
}

describe('a person', () => {
  it('whom nobody allowed can sign in for a machine, and does not get it in', async () => {
    const command = start('laptop', 'enroll', '--server', base);
    expect(await decide(command, ['confirm', 'yes'])).toContain('Your device is connected');
    expect(await command.ended).not.toBe(0);
    expect(command.said()).toContain('may not join the project default');
    expect(command.said()).toContain('postern account allow');
  }, 60_000);

  it('who refuses what a machine asks ends its command', async () => {
    const command = start('laptop', 'enroll', '--server', base);
    await decide(command, ['abort', 'yes']);
    expect(await command.ended).not.toBe(0);
    expect(command.said()).toContain('The sign-in was refused');
  }, 60_000);

  it('who is allowed enrols a machine, whose credential says who they are', async () => {
    await world.ok('admin', 'account', 'allow', EMAIL, '--attribute', 'component=web');
    expect(await world.ok('admin', 'account', 'allowed')).toContain(EMAIL);
    const command = start('laptop', 'enroll', '--server', base);
    await decide(command, ['confirm', 'yes']);
    expect(await command.ended, command.said()).toBe(0);
    const members = await world.ok('admin', 'project-member', 'list', '--output', 'json');
    expect(members).toContain(`"account.id": "${accountId}"`);
    expect(members).toContain('"account.assurance": "aal1"');
    expect(members).toContain('"component": "web"');
    // The address is not verified, and so nobody vouches for it.
    expect(members).not.toContain('account.email');
  }, 60_000);

  it('gets through a policy about a group as soon as an administrator put them into it', async () => {
    const bound = await world.ok(
      'laptop',
      'tcp-inlet',
      'create',
      '--to',
      'db',
      '--no-connection-wait',
    );
    inletPort = Number(bound.split(':')[1]);
    await expect(exchange(inletPort, Buffer.from('ping'))).rejects.toThrow();
    const { status, body } = await administer(`/identities/${accountId}`, [
      { op: 'add', path: '/metadata_admin', value: { groups: ['ops', 'bad name!'] } },
    ]);
    expect(status, body).toBe(200);
    await until(
      async () => expect((await exchange(inletPort, Buffer.from('ping'))).toString()).toBe('ping'),
      'the portal',
    );
  }, 60_000);

  it('who is shut out loses what their machine was doing within a second, and can not come back', async () => {
    const socket = net.connect(inletPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('hello');
    await once(socket, 'data');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const startMs = performance.now();
    const { status } = await administer(`/identities/${accountId}`, [
      { op: 'replace', path: '/state', value: 'inactive' },
    ]);
    expect(status).toBe(200);
    await closed;
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await expect(exchange(inletPort, Buffer.from('ping'))).rejects.toThrow();
    const members = await world.ok('admin', 'project-member', 'list', '--output', 'json');
    expect(members).not.toContain(accountId);
    expect((await person.ask('GET', '/sessions/whoami')).status).toBe(401);
  }, 60_000);
});

describe('a person with applications', () => {
  it('makes an authtoken by signing in, and manages their own with it and no others', async () => {
    await world.ok('admin', 'account', 'enable', EMAIL);
    const page = await person.open('/self-service/login/browser');
    await person.submit(page, { identifier: EMAIL, password: PASSWORD }, ['method', 'password']);
    const command = start('agent', 'authtoken', 'create', 'laptop', '--server', base);
    await decide(command, ['confirm', 'yes']);
    expect(await command.ended, command.said()).toBe(0);
    const token = /\b[0-9a-f]{64}\b/.exec(command.said())?.[0] ?? '';
    const mine = async (
      ...args: string[]
    ): Promise<{ code: number; stdout: string; stderr: string }> => {
      const child = spawn(PROGRAM, [...args, '--server', base], {
        env: world.env('agent', { POSTERN_AUTHTOKEN: token }),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (c: Buffer) => {
        stdout += c.toString();
      });
      child.stderr.on('data', (c: Buffer) => {
        stderr += c.toString();
      });
      const [code] = await once(child, 'close');
      return { code: Number(code), stdout, stderr };
    };
    await world.ok('admin', 'client', 'create', 'site', '--callback', 'https://a.example/cb');
    const made = await mine(
      'client',
      'create',
      'blog',
      '--callback',
      'https://b.example/cb',
      '--output',
      'json',
    );
    expect(made.code, made.stderr).toBe(0);
    const { id, first_party } = JSON.parse(made.stdout) as { id: string; first_party: boolean };
    expect(first_party).toBe(false);
    const listed = await mine('client', 'list');
    expect(listed.stdout).toContain('blog');
    expect(listed.stdout).not.toContain('site');
    const changed = await mine('client', 'update', id, '--callback', 'https://c.example/cb');
    expect(changed.stdout).toContain('https://c.example/cb');
    const all: { name: string; id: string }[] = JSON.parse(
      await world.ok('admin', 'client', 'list', '--output', 'json'),
    );
    const site = all.find((c) => c.name === 'site')?.id ?? '';
    const refused = await mine('client', 'show', site);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('There is no client');
    // Nothing but applications is open to it.
    const answer = await fetch(`${base}/api/v1/projects`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(403);
    await world.ok('admin', 'account', 'disable', EMAIL);
    expect((await mine('client', 'list')).code).not.toBe(0);
  }, 120_000);
});
