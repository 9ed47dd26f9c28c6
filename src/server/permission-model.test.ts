/** Where models come from: Keto's files of namespaces, and sources in the permission language. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readModelSource } from './permission-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-model-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (path: string) => readModelSource(pathToFileURL(join(folder, path)).href);
function write(path: string, text: string): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
  return path;
}

describe('a model at a location', () => {
  it('is a list of namespaces in YAML or JSON, in a file or in a directory of them', async () => {
    write('names/a.yml', 'id: 1\nname: videos\n');
    write('names/b.json', '[{"id":2,"name":"app"},{"id":3,"name":"__proto__"}]');
    write('names/README', 'no namespace');
    expect(await read('names')).toEqual({ kind: 'names', text: 'videos\napp\n__proto__' });
    expect(await read('names/a.yml')).toEqual({ kind: 'names', text: 'videos' });
  });
  it('is a source in the permission language, from a file or in the location itself', async () => {
    const text = 'class User implements Namespace {}';
    expect(await read(write('model.ts', text))).toEqual({ kind: 'opl', text });
    const inline = `base64://${Buffer.from(text).toString('base64')}`;
    expect(await readModelSource(inline)).toEqual({ kind: 'opl', text });
  });
  it('is refused as TOML, alone or among others, with what to write in its place', async () => {
    write('mixed/a.yml', 'name: videos\n');
    const toml = write('mixed/b.toml', 'id = 1\nname = "app"\n');
    for (const path of [toml, 'mixed'])
      await expect(read(path)).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('b.toml: TOML is not supported: write the same as YAML'),
        hint: 'b.yaml with   name: NAME   for   name = "NAME"',
      });
  });
  it('has a name for each namespace', async () => {
    await expect(read(write('bad.yml', '- id: 1\n'))).rejects.toThrow('bad.yml: a namespace has');
  });
});
