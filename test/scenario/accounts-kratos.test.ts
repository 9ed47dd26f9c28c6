/** Whoever comes from Kratos: a link named `kratos`, the same file, the same ports, the words that scripts call. */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, freePort, type Outcome, PROGRAM, until, World } from '../harness/postern.ts';

const world = new World();
const link = join(world.folder, 'kratos');
let ports: readonly [number, number] = [0, 0];
const env = (): NodeJS.ProcessEnv => {
  // The file says where it listens.
  const all = { ...world.env('admin'), POSTERN_LISTEN_NODES: '127.0.0.1:0' };
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !/LISTEN_(PUBLIC|ACCOUNTS_ADMIN)$/.test(name)),
  );
};
const kratos = (...args: string[]): Promise<Outcome> => execute(link, args, env());

beforeAll(async () => {
  symlinkSync(PROGRAM, link);
  ports = [await freePort(), await freePort()];
  const schema = {
    $id: 'https://example.com/person.json',
    type: 'object',
    properties: { traits: { type: 'object', properties: { email: { type: 'string' } } } },
  };
  writeFileSync(join(world.folder, 'person.json'), JSON.stringify(schema));
  writeFileSync(
    join(world.folder, 'kratos.yml'),
    `
version: v0.13.0
dsn: memory
serve:
  public: { base_url: "http://127.0.0.1:${ports[0]}/", host: 127.0.0.1, port: ${ports[0]} }
  admin: { host: 127.0.0.1, port: ${ports[1]} }
selfservice: { default_browser_return_url: "http://127.0.0.1:4455/" }
identity: { schemas: [ { id: default, url: file://./person.json } ] }
log: { level: debug }
`,
  );
  const file = join(world.folder, 'kratos.yml');
  world.spawn(link, ['serve', '-c', file, '--dev', '--watch-courier'], env());
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${ports[0]}/health/ready`);
    if (answer.status !== 200) throw new Error('not yet');
  }, 'the server answers');
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('called as kratos', () => {
  it('serves the ports of a kratos.yml, with its schema', async () => {
    const flow = await fetch(`http://127.0.0.1:${ports[0]}/self-service/login/api`);
    expect(flow.status).toBe(200);
    const schema = await fetch(`http://127.0.0.1:${ports[0]}/schemas/default`);
    expect(await schema.json()).toMatchObject({ $id: 'https://example.com/person.json' });
    const admin = await fetch(`http://127.0.0.1:${ports[1]}/admin/identities`);
    expect(admin.status).toBe(401);
    const state = JSON.parse(readFileSync(join(world.serverHome, 'server.json'), 'utf8'));
    expect(state.accounts_admin).toBe(`127.0.0.1:${ports[1]}`);
  });

  it('takes the words that set-ups call before, and refuses what it would not do', async () => {
    expect((await kratos('migrate', 'sql', '-e', '--yes')).code).toBe(0);
    expect((await kratos('migrate', 'sql', 'up', '-e', '--yes')).code).toBe(0);
    expect((await kratos('migrate', 'sql', 'down', '-e')).stderr).toContain('not supported');
    expect((await kratos('courier', 'watch')).stderr).toContain('kratos serve');
    expect((await kratos('version')).stdout).toMatch(/^\d+\.\d+/);
    expect((await kratos()).stdout + (await kratos()).stderr).toContain('kratos serve -c');
    expect((await kratos('serve', '-c', '/nowhere/kratos.yml')).stderr).toContain("can't be read");
  });
});
