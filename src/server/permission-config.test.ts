/** The `permissions:` part: Keto's own configuration mounts as it is, and what is wrong is named. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadPermissionConfig } from './permission-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const load = (part: unknown, env: NodeJS.ProcessEnv = {}) =>
  loadPermissionConfig(part, folder, env);

describe('the permissions part', () => {
  it('takes a keto.yml by its path, and finds its namespaces beside it', () => {
    writeFileSync(
      join(folder, 'keto.yml'),
      `version: v0.7.0-alpha.1
log: { level: debug }
dsn: memory
namespaces: { location: file://./model.opl, experimental_strict_mode: true }
serve:
  read: { host: 0.0.0.0, port: 5466 }
  write: { host: 0.0.0.0, port: 5467, auth: none }
limit: { max_read_depth: 7, max_batch_check_size: 50 }
`,
    );
    expect(load('./keto.yml')).toMatchObject({
      read: { host: '0.0.0.0', port: 5466, isOpen: false, cors: undefined },
      write: { host: '0.0.0.0', port: 5467, isOpen: true, cors: undefined },
      model: { kind: 'location', location: `file://${join(folder, 'model.opl')}` },
      ...{ maxReadDepth: 7, maxBatchSize: 50, isStrict: true },
    });
  });
  it('takes the legacy list of namespaces', () => {
    expect(load({ namespaces: [{ name: 'app', id: 1 }] })?.model).toEqual({
      kind: 'names',
      names: ['app'],
    });
  });
  it('is turned off by a key or a variable', () => {
    expect(load({ enabled: false })).toBeUndefined();
    expect(load({}, { POSTERN_PERMISSIONS: 'off' })).toBeUndefined();
  });
  it('takes addresses from the environment first', () => {
    const env = { POSTERN_LISTEN_PERMISSIONS_READ: '127.0.0.1:9' };
    expect(load({ serve: { read: { port: 1 } } }, env)?.read.port).toBe(9);
  });
  it.each([
    [{ limits: {} }, 'not valid'],
    [{ limit: { max_read_depth: 0 } }, '/limit/max_read_depth'],
    [{ serve: { read: { port: 70_000 } } }, '/serve/read/port'],
    [
      { serve: { read: { cors: { enabled: true, allow_credentials: true } } } },
      'permissions.serve.read.cors: allow_credentials',
    ],
    [{ serve: { read: { cors: { allowed_origin: [] } } } }, '/serve/read/cors'],
    ['./nothing.yml', 'there is no file'],
  ])('refuses %j and says what is wrong', (part, message) => {
    expect(() => load(part)).toThrow(message);
  });
});
