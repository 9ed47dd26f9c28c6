/** What holds the answers to Ory's client (harness/ory/) finds what is wrong, and nothing in what is right. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPublished, schemaOf } from '../harness/ory/openapi.ts';
import { type Operation, operations } from '../harness/ory/operations.ts';
import { TypeFile } from '../harness/ory/type-schema.ts';
import { AnswerWatch } from '../harness/ory/watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-watch-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
function operation(name: string): Operation {
  const found = operations.find((o) => o.name === name);
  if (found === undefined) throw new Error(`There is no ${name}`);
  return found;
}

const ID = '0b7a5f57-2c77-4f0d-8f5c-0a1f3f6f6c11';
const AT = '2026-01-02T03:04:05Z';
const text = { id: 1070001, text: 'x', type: 'info' };
const input = { node_type: 'input', name: 'a', type: 'text', disabled: false };
const node = { type: 'input', group: 'default', attributes: input, messages: [], meta: {} };
const flow = {
  ...{ id: ID, type: 'api', expires_at: AT, issued_at: AT, request_url: 'x' },
  ...{ state: 'choose_method', ui: { action: 'x', method: 'POST', nodes: [node] } },
};
const withNode = (attributes: object, more: object = {}): object => ({
  ...flow,
  ui: { ...flow.ui, nodes: [{ ...node, ...more, attributes }] },
});

describe('an answer', () => {
  const findings = (name: string, status: number, data: unknown, file?: string): string[] => {
    const watch = new AnswerWatch(file);
    watch.hold(operation(name), { status, data });
    return watch.takeFindings().map((f) => `${f.pointer} ${f.message}`);
  };
  const session = { id: ID, active: true, expires_at: AT, authentication_methods: [] };

  it('that is as declared is left alone', () => {
    expect(findings('toSession', 200, session)).toEqual([]);
    expect(findings('getLoginFlow', 200, flow)).toEqual([]);
    expect(findings('getLoginFlow', 200, withNode(input, { meta: { label: text } }))).toEqual([]);
    expect(findings('disableMySession', 204, '')).toEqual([]);
    expect(findings('updateLoginFlow', 400, flow)).toEqual([]);
    expect(findings('getIdentity', 404, { error: { code: 404, message: 'x' } })).toEqual([]);
  });

  it.each([
    ['toSession', 200, {}, ['/id is missing']],
    ['toSession', 200, { ...session, id: 'x' }, ['/id must match format "uuid"']],
    ['toSession', 200, { ...session, active: 'yes' }, ['/active must be boolean']],
    ['toSession', 200, { ...session, tokenized: null }, ['/tokenized must be string']],
    ['toSession', 200, { ...session, secret: 1 }, ['/secret is declared nowhere']],
    [
      'toSession',
      200,
      { ...session, expires_at: '2026-01-02' },
      ['/expires_at must match format "date-time"'],
    ],
    ['getLoginFlow', 200, { ...flow, state: 'gone' }, [expect.stringMatching(/^\/state must be/)]],
    ['getLoginFlow', 200, withNode({ ...input, node_type: 'x' }), [expect.stringContaining('tag')]],
    [
      'getLoginFlow',
      200,
      withNode({ node_type: 'text', id: 'a', text: { ...text, id: '1' } }),
      ['/ui/nodes/0/attributes/text/id must be number'],
    ],
    ['getLoginFlow', 200, withNode({ ...input, name: 1 }), [expect.stringContaining('/name must')]],
    ['getLoginFlow', 200, '', [' must be object']],
    ['getLoginFlow', 302, '', [' is not a status of this operation']],
    ['disableMySession', 204, { id: ID }, [' must be equal to constant']],
    ['listMySessions', 200, [session, { ...session, id: 7 }], ['/1/id must be string']],
    ['getIdentity', 404, { error: 'no' }, ['/error must be object']],
    ['getIdentity', 404, { error: { code: 404 } }, ['/error/message is missing']],
    [
      'updateLoginFlow',
      400,
      { error: { message: 'x' } },
      expect.arrayContaining(['/id is missing']),
    ],
    [
      'updateSettingsFlow',
      403,
      { error: { id: 'session_refresh_required', message: 'x' } },
      ['/redirect_browser_to is missing'],
    ],
  ])('of %s with %i that is wrong is found out (%#)', (name, status, data, expected) => {
    expect(findings(name, status, data)).toEqual(expected);
  });

  it('is held to the published document as well, by path, method and status', () => {
    const id = { type: 'integer', format: 'int64' };
    const responses = {
      200: { $ref: '#/components/responses/one' },
      default: { content: { 'application/json': { schema: { type: 'object', required: ['x'] } } } },
    };
    const one = { content: { 'application/json': { schema: { $ref: '#/components/schemas/s' } } } };
    const file = write(
      'api.json',
      JSON.stringify({
        paths: { '/sessions/whoami': { get: { responses } } },
        components: { responses: { one }, schemas: { s: { type: 'object', properties: { id } } } },
      }),
    );
    expect(findings('toSession', 200, session, file)).toEqual(['/id must be integer']);
    expect(findings('toSession', 403, { error: { message: 'x' } }, file)).toEqual([
      '/x is missing',
    ]);
    expect(findings('getIdentity', 404, { error: { message: 'x' } }, file)).toEqual([
      ' is not a status of this operation',
    ]);
    expect(readPublished(file).answer('GET', '/sessions/whoami', 204)).toBeUndefined();
  });
});

describe('a schema', () => {
  it('of OpenAPI 3.0 keeps null and the alternative that is meant', () => {
    expect(schemaOf({ type: 'string', nullable: true, example: 'x' })).toEqual({
      anyOf: [{ type: 'string' }, { type: 'null' }],
    });
    const discriminator = { propertyName: 'kind', mapping: { a: '#/a' } };
    expect(schemaOf({ oneOf: [{ $ref: '#/a' }], discriminator })).toEqual({
      required: ['kind'],
      properties: { kind: { enum: ['a'] } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      allOf: [{ if: { properties: { kind: { const: 'a' } } }, then: { $ref: '#/a' } }],
    });
  });

  it('of a .d.ts has what is declared, and refuses what it does not understand', () => {
    const file = new TypeFile(
      write(
        'types.d.ts',
        `export declare const E: { readonly A: "a"; readonly UnknownDefaultOpenApi: "1" };
         export type E = typeof E[keyof typeof E];
         export interface T { 'e': E; 'list'?: Array<T>; 'map': { [key: string]: number }; 'n': string | null }
         export interface Odd { 'x': [string] }`,
      ),
    );
    file.type('T');
    expect(file.definitions['E']).toEqual({ enum: ['a'] });
    expect(file.definitions['T']).toEqual({
      type: 'object',
      properties: {
        e: { $ref: '#/$defs/E' },
        list: { type: 'array', items: { $ref: '#/$defs/T' } },
        map: {
          ...{ type: 'object', properties: {}, required: [] },
          additionalProperties: { type: 'number' },
        },
        n: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      },
      required: ['e', 'map', 'n'],
      additionalProperties: false,
    });
    expect(() => file.type('Odd')).toThrow('TSTupleType');
    expect(() => file.type('None')).toThrow('has no type None');
  });
});
