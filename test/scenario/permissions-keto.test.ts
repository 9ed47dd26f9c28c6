/** Whoever comes from Keto: a link named `keto`, the same file, the same words. */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, type Outcome, PROGRAM, until, World } from '../harness/postern.ts';

const world = new World();
const link = join(world.folder, 'keto');
const MODEL = `
class User implements Namespace {}
class Doc implements Namespace {
  related: { viewers: User[] }
  permits = { view: (ctx: Context): boolean => this.related.viewers.includes(ctx.subject) }
}
`;
let remotes: NodeJS.ProcessEnv = {};
let token = '';
const keto = (extra: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> =>
  execute(link, args, { ...world.env('admin'), ...remotes, ...extra });
const plain = '--insecure-disable-transport-security';

beforeAll(async () => {
  symlinkSync(PROGRAM, link);
  writeFileSync(join(world.folder, 'ns.ts'), MODEL);
  writeFileSync(
    join(world.folder, 'keto.yml'),
    'version: v0.14.0\ndsn: postgres://nobody@nowhere/keto\nnamespaces: { location: file://./ns.ts }\n',
  );
  const env = { ...world.env('admin'), POSTERN_LISTEN_NODES: '127.0.0.1:0' };
  world.spawn(link, ['serve', '-c', join(world.folder, 'keto.yml')], env);
  const ports = await until(() => world.permissionPorts(), 'the server serves');
  await until(async () => {
    if ((await world.postern('admin', 'server', 'status')).code !== 0) throw new Error('not yet');
  }, 'the server answers');
  remotes = { KETO_READ_REMOTE: ports.read, KETO_WRITE_REMOTE: ports.write };
  token = await world.ok('admin', 'token', 'create', 'ops', '--scope', 'permissions:write');
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('called as keto', () => {
  it('serves the ports of a keto.yml, and knows its model', async () => {
    expect((await keto({}, 'status', plain)).stdout).toBe('SERVING');
    expect(await keto({}, 'check', 'alice', 'view', 'Doc:a', plain)).toMatchObject({
      code: 0,
      stdout: 'Denied',
    });
  });

  it('writes with a token alone, and says where one comes from', async () => {
    const words = ['relation-tuple', 'create', 'alice', 'viewers', 'Doc:a', plain];
    const refused = await keto({}, ...words);
    expect(refused.code).toBe(70);
    expect(refused.stderr).toContain('keto token create');
    expect((await keto({ KETO_BEARER_TOKEN: token }, ...words)).code).toBe(0);
    expect((await keto({}, 'check', 'alice', 'view', 'Doc:a', plain)).stdout).toBe('Allowed');
  });

  it('carries tuples over as it printed them', async () => {
    const listed = await keto({}, 'relation-tuple', 'get', '--format', 'json', plain);
    const file = join(world.folder, 'tuples.json');
    writeFileSync(file, listed.stdout);
    const gone = ['relation-tuple', 'delete-all', '--namespace', 'Doc', '--force', plain];
    expect((await keto({ KETO_BEARER_TOKEN: token }, ...gone)).code).toBe(0);
    expect((await keto({}, 'check', 'alice', 'view', 'Doc:a', plain)).stdout).toBe('Denied');
    await world.ok('admin', 'permission', 'create', '--file', file);
    expect((await keto({}, 'check', 'alice', 'view', 'Doc:a', plain)).stdout).toBe('Allowed');
    expect(JSON.parse(readFileSync(file, 'utf8')).relation_tuples).toHaveLength(1);
  });

  it('says what to do about a certificate that is not trusted', async () => {
    const refused = await keto({}, 'check', 'alice', 'view', 'Doc:a');
    expect(refused.code).toBe(70);
    expect(refused.stderr).toContain('NODE_EXTRA_CA_CERTS');
    const ca = join(world.serverHome, 'ca.pem');
    const trusted = await keto({ NODE_EXTRA_CA_CERTS: ca }, 'check', 'alice', 'view', 'Doc:a');
    expect(trusted.stdout).toBe('Allowed');
  });

  it('trusts what the flags say, and no more', async () => {
    const check = ['check', 'alice', 'view', 'Doc:a'];
    const any = await keto({}, ...check, '--insecure-skip-hostname-verification');
    expect(any).toMatchObject({ code: 0, stdout: 'Allowed' });
    const trusted = { NODE_EXTRA_CA_CERTS: join(world.serverHome, 'ca.pem') };
    const named = await keto(trusted, ...check, '--authority', 'localhost');
    expect(named).toMatchObject({ code: 0, stdout: 'Allowed' });
    const other = await keto({ ...trusted, KETO_AUTHORITY: 'keto.example' }, ...check);
    expect(other.code).toBe(70);
    expect(other.stderr).toContain('Its certificate is for other names');
    // A name is not asked for in vain over plain HTTP either.
    const foreign = await keto({}, ...check, '--authority', 'keto.example', plain);
    expect(foreign.stderr).toContain('answers to loopback names alone');
  });

  it('prints few words when it is quiet, and deletes all without a namespace', async () => {
    const env = { KETO_BEARER_TOKEN: token };
    await keto(env, 'relation-tuple', 'create', 'bob', 'viewers', 'Doc:b', plain);
    const quiet = await keto({}, 'relation-tuple', 'get', '-q', '--object', 'b', plain);
    expect(quiet.stdout).toBe('Doc:b#viewers@bob');
    const only = ['relation-tuple', 'delete-all', '--subject-id', 'bob'];
    const shown = await keto({}, ...only, '--format', 'jsonpath=relation_tuples.#.object', plain);
    expect(JSON.parse(shown.stdout)).toEqual(['b']);
    expect((await keto(env, ...only, '--force', plain)).code).toBe(0);
    const rest = await keto({}, 'relation-tuple', 'get', '-q', plain);
    expect(rest.stdout).toBe('Doc:a#viewers@alice');
  });

  it('has nothing to migrate', async () => {
    expect((await keto({}, 'migrate', 'up', '-y', '-c', 'keto.yml')).code).toBe(0);
    expect((await keto({}, 'migrate', 'down', '1')).code).not.toBe(0);
  });
});
