/**
 * The web app's flow, with curl alone: an operator writes a tuple, the app asks `/check` and reads `allowed`. And what a
 * stranger, another site's page or a wrong token gets.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, World } from '../harness/postern.ts';

const world = new World();
let read = '';
let write = '';
let token = '';
const TUPLE = {
  namespace: 'app',
  object: 'homepage',
  relation: 'read',
  subject_id: 'minkin.andrewgmail.com',
};
const CHECK = 'namespace=app&object=homepage&relation=read&subject_id=';

/** Runs curl; answers the status and the body. */
async function curl(...args: string[]): Promise<{ status: number; body: string }> {
  const done = await execute('curl', ['-s', '-w', '|%{http_code}', ...args], process.env);
  const at = done.stdout.lastIndexOf('|');
  return { status: Number(done.stdout.slice(at + 1)), body: done.stdout.slice(0, at) };
}
const writing = (method: string, path: string, body: unknown, ...more: string[]) =>
  curl(
    ...['-X', method, `http://${write}${path}`, '-H', 'Content-Type: application/json'],
    ...['-d', JSON.stringify(body), '-H', `Authorization: Bearer ${token}`, ...more],
  );

beforeAll(async () => {
  const config = join(world.folder, 'server.yaml');
  writeFileSync(config, 'permissions:\n  namespaces:\n    - { name: app, id: 1 }\n');
  await world.startServer('--config', config);
  await world.ok('admin', 'enroll');
  ({ read, write } = world.permissionPorts());
  token = await world.ok('admin', 'token', 'create', 'ops', '--scope', 'permissions:write');
}, 120_000);
afterAll(() => world.close(), 60_000);

describe('the web app', () => {
  it('is told no, then yes once the operator wrote the tuple, then no again', async () => {
    const ask = () => curl(`http://${read}/check?${CHECK}${TUPLE.subject_id}`);
    expect(await ask()).toEqual({ status: 403, body: '{"allowed":false}' });
    const created = await writing('PUT', '/relation-tuples', TUPLE);
    expect(created.status).toBe(201);
    expect(JSON.parse(created.body)).toEqual(TUPLE);
    expect(await ask()).toEqual({ status: 200, body: '{"allowed":true}' });
    const other = await curl(`http://${read}/check?${CHECK}somebody.else`);
    expect(other).toEqual({ status: 403, body: '{"allowed":false}' });
    const gone = await writing('PATCH', '/admin/relation-tuples', [
      { action: 'delete', relation_tuple: TUPLE },
    ]);
    expect(gone).toEqual({ status: 204, body: '' });
    expect((await ask()).body).toBe('{"allowed":false}');
  });

  it('always gets JSON from /check, also for what is no question', async () => {
    for (const query of ['', 'namespace=nowhere&object=a&relation=b&subject_id=c', 'x=%zz']) {
      const { body } = await curl(`http://${read}/check?${query}`);
      expect(typeof JSON.parse(body)).toBe('object');
    }
  });
});

describe('whoever may not', () => {
  it('writes nothing without a token, with a wrong one, or with one for something else', async () => {
    const narrow = await world.ok('admin', 'token', 'create', 'narrow', '--scope', 'audit:read');
    for (const [authorization, status] of [
      ['', 401],
      ['Bearer 00', 401],
      [`Bearer ${'0'.repeat(64)}`, 401],
      [`Bearer ${narrow}`, 403],
    ] as const) {
      const answer = await curl(
        ...['-X', 'PUT', `http://${write}/admin/relation-tuples`, '-d', JSON.stringify(TUPLE)],
        ...(authorization === '' ? [] : ['-H', `Authorization: ${authorization}`]),
      );
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.body).error.code).toBe(status);
    }
    expect((await curl(`http://${read}/check?${CHECK}${TUPLE.subject_id}`)).status).toBe(403);
  });

  it('asks nothing from a page of another site, or by a foreign name of this machine', async () => {
    for (const header of ['Origin: https://evil.example', 'Host: evil.example', 'Origin: null']) {
      const answer = await curl(`http://${read}/namespaces`, '-H', header);
      expect(answer.status, header).toBe(403);
    }
    expect((await curl(`http://${read}/namespaces`)).status).toBe(200);
  });

  it('finds no way to write on the read and language ports', async () => {
    const { opl } = world.permissionPorts();
    for (const port of [read, opl])
      for (const path of ['/admin/relation-tuples', '/relation-tuples'])
        for (const method of ['PUT', 'PATCH', 'DELETE']) {
          const answer = await curl(
            ...['-X', method, `http://${port}${path}`, '-H', `Authorization: Bearer ${token}`],
          );
          expect(answer.status).toBe(404);
        }
  });
});

describe('pages of other sites', () => {
  const shared = new World();
  const ORIGIN = 'https://app.example';
  beforeAll(async () => {
    const config = join(shared.folder, 'server.yaml');
    const cors = `{ cors: { enabled: true, allowed_origins: ["${ORIGIN}"] } }`;
    writeFileSync(
      config,
      `permissions:\n  namespaces: [{ name: app, id: 1 }]\n  serve: { read: ${cors}, write: ${cors} }\n`,
    );
    await shared.startServer('--config', config);
  }, 60_000);
  afterAll(() => shared.close(), 60_000);

  const headersOf = async (...args: string[]): Promise<string> =>
    (await execute('curl', ['-s', '-D', '-', '-o', '/dev/null', ...args], process.env)).stdout;

  it('may ask and write where the configuration names them, and nobody else', async () => {
    const ports = shared.permissionPorts();
    const url = `http://${ports.read}/relation-tuples/check/openapi?${CHECK}x`;
    expect(await headersOf(url, '-H', `Origin: ${ORIGIN}`)).toMatch(
      /^HTTP\/1.1 200[\s\S]*access-control-allow-origin: https:\/\/app\.example/i,
    );
    const refused = await headersOf(url, '-H', 'Origin: https://evil.example');
    expect(refused).toMatch(/^HTTP\/1.1 403/);
    expect(refused).not.toMatch(/access-control-allow-origin/i);
    const preflight = await headersOf(
      ...['-X', 'OPTIONS', `http://${ports.write}/admin/relation-tuples`],
      ...['-H', `Origin: ${ORIGIN}`, '-H', 'Access-Control-Request-Method: PUT'],
    );
    expect(preflight).toMatch(/^HTTP\/1.1 204[\s\S]*access-control-allow-methods: GET, POST, PUT/i);
    // A page may ask for leave without a token, and still not write without one.
    const written = await curl(
      ...['-X', 'PUT', `http://${ports.write}/admin/relation-tuples`, '-d', JSON.stringify(TUPLE)],
      ...['-H', `Origin: ${ORIGIN}`],
    );
    expect(written.status).toBe(401);
    const connect = await headersOf(
      ...[`http://${ports.read}/ory.keto.relation_tuples.v1alpha2.CheckService/Check`],
      ...['-H', 'Content-Type: application/json', '-d', '{}', '-H', `Origin: ${ORIGIN}`],
    );
    expect(connect).toMatch(/access-control-allow-origin: https:\/\/app\.example/i);
  });
});

describe('the server', () => {
  it('publishes what its ports answer', async () => {
    const { opl } = world.permissionPorts();
    const paths = async (port: string): Promise<string[]> =>
      Object.keys(JSON.parse((await curl(`http://${port}/openapi.json`)).body).paths);
    expect(await paths(read)).toEqual(
      expect.arrayContaining(['/relation-tuples/check', '/relation-tuples/list-objects']),
    );
    expect(await paths(write)).toEqual(expect.arrayContaining(['/admin/relation-tuples']));
    expect(await paths(opl)).toEqual(expect.arrayContaining(['/opl/syntax/check']));
  });

  it('is asked from elsewhere with a token: by the command line, over its public listener', async () => {
    const state: { public: string } = JSON.parse(
      readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
    );
    const file = join(world.folder, 'token');
    const scopes = ['--scope', 'permissions:read', '--scope', 'permissions:write'];
    writeFileSync(file, await world.ok('admin', 'token', 'create', 'cli', ...scopes));
    const at = ['--server', `http://${state.public}`, '--token-file', file];
    const bare = `http://${state.public}/permissions/relation-tuples/check/openapi?${CHECK}x`;
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
      const answer = await fetch(bare, { method });
      expect([method, answer.status === 401 || answer.status === 404]).toEqual([method, true]);
    }
    await world.ok('far', 'permission', 'create', 'app:far#read@ann', ...at);
    expect(await world.ok('far', 'permission', 'check', 'ann', 'read', 'app:far', ...at)).toBe(
      'Allowed',
    );
    writeFileSync(file, token);
    const refused = await world.postern(
      'far',
      'permission',
      'check',
      'a',
      'read',
      'app:far',
      ...at,
    );
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('permissions:read');
  });
});
