/**
 * Everything of permissions that reads bytes of strangers: the language, tokens and worlds in process, and the listeners
 * of a real server, with altered REST, Connect, gRPC-Web and gRPC. Afterwards it answers right, has not grown beyond
 * bound, and has met no fault of its own.
 */
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PosternError } from '../../src/kernel/index.ts';
import { compileModel, formatModel } from '../../src/permissions/language/index.ts';
import {
  decodePageToken,
  decodeToken,
  encodePageToken,
  encodeToken,
} from '../../src/permissions/token.ts';
import { readWorld } from '../../src/permissions/worlds/index.ts';
import { World } from '../harness/postern.ts';
import { Dice, FUZZ_SEED, fuzzMs } from './dice.ts';
import { http1Bytes, http2Bytes, type Target, throwAt } from './traffic.ts';

const DECODER_MS = 2_000;
const BARRAGE_MS = 3_000;
const ONE_MS_MAX = 2_000;
const GROWTH_MB_MAX = 300;
const STORE_ID = '0011223344556677';
const QUESTION = ['list', 'app'];
const NOW_MS = 1_700_000_000_000;

const corpus = resolve(import.meta.dirname, '../corpus/opl');
const models = readdirSync(corpus, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') || name.endsWith('.opl'))
  .map((name) => readFileSync(join(corpus, name)));
const page = { revision: 7, atMs: NOW_MS, modelId: 'm', after: 'x' };
const WORLDS = [
  `model: |
  class User implements Namespace {}
  class Doc implements Namespace { related: { viewers: User[] } }
tuples: ["Doc:a#viewers@User:b"]
tests: [{check: [{subject: "User:b", true: ["Doc:a#viewers"]}]}]
`,
  `model: |
  model
    schema 1.1
  type user
  type doc
    relations
      define viewer: [user, user:*] or editor
      define editor: [user] but not viewer
tuples: [{user: "user:a", relation: viewer, object: "doc:1"}]
tests: [{check: [{user: "user:a", object: "doc:1", assertions: {viewer: true}}]}]
`,
  `schema: |-
  definition user {}
  definition doc { relation viewer: user | user:*  permission view = viewer - nil }
relationships: |-
  doc:1#viewer@user:a
assertions: {assertTrue: ["doc:1#view@user:a"]}
`,
].map((text) => Buffer.from(text));

/** Reads altered samples until the time is up: each is read or refused, quickly. */
function batter(samples: readonly Buffer[], seed: number, read: (bytes: Buffer) => void): number {
  const dice = new Dice(FUZZ_SEED + seed);
  const end = performance.now() + fuzzMs(DECODER_MS);
  let count = 0;
  while (performance.now() < end) {
    const bytes = dice.mutate(samples);
    const startMs = performance.now();
    try {
      read(bytes);
    } catch (reason) {
      const isRefusal =
        reason instanceof PosternError &&
        ['invalid', 'unsupported', 'expired'].includes(reason.code);
      if (!isRefusal) throw new Error(`on ${bytes.toString('hex')}`, { cause: reason });
    }
    const tookMs = performance.now() - startMs;
    if (tookMs > ONE_MS_MAX) throw new Error(`${tookMs} ms on ${bytes.toString('hex')}`);
    count += 1;
  }
  return count;
}

describe('fuzzed decoders', () => {
  const ms = fuzzMs(DECODER_MS) + 20_000;
  it(
    'the permission language compiles or tells problems, and formats what it compiles',
    () => {
      const count = batter(models, 11, (bytes) => {
        const source = bytes.toString();
        const compiled = compileModel(source);
        if (compiled.model !== undefined) formatModel(source);
      });
      expect(count).toBeGreaterThan(50);
    },
    ms,
  );
  it(
    'tokens of revisions and pages',
    () => {
      const tokens = [encodeToken(STORE_ID, 7), encodePageToken(STORE_ID, QUESTION, page)];
      batter(
        tokens.map((t) => Buffer.from(t)),
        12,
        (bytes) => {
          decodeToken(STORE_ID, bytes.toString());
        },
      );
      batter(
        tokens.map((t) => Buffer.from(t)),
        13,
        (bytes) => {
          decodePageToken(STORE_ID, QUESTION, bytes.toString(), NOW_MS);
        },
      );
      // What is inside of a page token, altered: it is not signed.
      batter([Buffer.from(tokens[1] ?? '', 'base64url')], 14, (bytes) => {
        decodePageToken(STORE_ID, QUESTION, bytes.toString('base64url'), NOW_MS);
      });
    },
    3 * ms,
  );
  it(
    'worlds in all three formats',
    () => {
      const count = batter(WORLDS, 15, (bytes) => {
        readWorld(bytes.toString(), { compile: compileModel, readFile: () => '' });
      });
      expect(count).toBeGreaterThan(50);
    },
    ms,
  );
});

/** A gRPC or gRPC-Web message: a flag, its length, its bytes. */
function framed(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
/** A protobuf field of the wire type 2. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
}
const CHECK = Buffer.concat([
  field(1, 'app'),
  field(2, 'o'),
  field(3, 'read'),
  field(4, field(1, 's0')),
]);
const grpc = (path: string, body: Buffer): { headers: Record<string, string>; body: Buffer } => ({
  headers: { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
  body: framed(body),
});

describe('fuzzed listeners', () => {
  const world = new World();
  let pid = 0;
  const megabytes = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const portOf = (name: 'read' | 'write' | 'opl'): number =>
    Number(world.permissionPorts()[name].split(':').at(-1));

  beforeAll(async () => {
    await world.startServer();
    await world.ok('admin', 'enroll');
    await world.applyModel('app', 'names');
    await world.ok('admin', 'permission', 'create', 'app:o#read@s0');
    pid = world.serverPid();
  }, 120_000);
  afterAll(() => world.close(), 60_000);

  async function survive(
    target: Omit<Target, 'cutWithinMs' | 'leavesOpen'>,
    seed: number,
  ): Promise<void> {
    const before = megabytes();
    const whole = { ...target, cutWithinMs: 25_000, leavesOpen: false };
    expect(await throwAt(whole, new Dice(FUZZ_SEED + seed), BARRAGE_MS)).toBeGreaterThan(10);
    expect(world.serverPid()).toBe(pid);
    expect(megabytes() - before).toBeLessThan(GROWTH_MB_MAX);
    const check = (subject: string): Promise<string> =>
      world.ok('admin', 'permission', 'check', subject, 'read', 'app:o', '--output', 'json');
    expect(JSON.parse(await check('s0'))).toMatchObject({ allowed: true });
    const log = readFileSync(join(world.serverHome, 'server.log'), 'utf8');
    const faults = log.split('\n').filter((line) => line.includes('met a fault'));
    expect(faults.slice(0, 3)).toEqual([]);
  }
  const testMs = fuzzMs(BARRAGE_MS) + 90_000;

  it(
    'REST and Connect on the read port',
    () =>
      survive(
        {
          dial: () => net.connect(portOf('read'), '127.0.0.1'),
          samples: [
            http1Bytes(
              'GET',
              '/relation-tuples/check?namespace=app&object=o&relation=read&subject_id=s0',
            ),
            http1Bytes('GET', '/relation-tuples?namespace=app&page_size=2&page_token=x'),
            http1Bytes(
              'GET',
              '/relation-tuples/expand?namespace=app&object=o&relation=read&max-depth=3',
            ),
            http1Bytes('GET', '/relation-tuples/watch?timeout_ms=0&cursor=x'),
            http1Bytes(
              'POST',
              '/relation-tuples/batch/check',
              '{"tuples":[{"namespace":"app","object":"o","relation":"read","subject_id":"s0"}]}',
            ),
            http1Bytes(
              'POST',
              '/relation-tuples/list-objects',
              '{"namespace":"app","relation":"read","subject_set":{"namespace":"app","object":"o","relation":"read"},"contextual_tuples":[]}',
            ),
            http1Bytes(
              'POST',
              '/ory.keto.relation_tuples.v1alpha2.CheckService/Check',
              '{"tuple":{"namespace":"app","object":"o","relation":"read","subject":{"id":"s0"}}}',
            ),
          ],
        },
        1,
      ),
    testMs,
  );
  it(
    'gRPC on the read port',
    async () => {
      const service = '/ory.keto.relation_tuples.v1alpha2';
      await survive(
        {
          dial: () => net.connect(portOf('read'), '127.0.0.1'),
          samples: [
            await http2Bytes([grpc(`${service}.CheckService/Check`, CHECK)]),
            await http2Bytes([
              grpc(`${service}.CheckService/Check`, field(8, CHECK)),
              grpc(`${service}.ExpandService/Expand`, field(1, field(2, CHECK))),
            ]),
            await http2Bytes([
              grpc(`${service}.ReadService/ListRelationTuples`, field(1, field(1, 'app'))),
              grpc('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', field(7, '*')),
              grpc('/grpc.health.v1.Health/Check', Buffer.alloc(0)),
            ]),
          ],
        },
        2,
      );
    },
    testMs,
  );
  it(
    'REST and gRPC on the write port, and the language port',
    async () => {
      const tuple = '{"namespace":"app","object":"o","relation":"read","subject_id":"z"}';
      const write = '/ory.keto.relation_tuples.v1alpha2.WriteService';
      await survive(
        {
          dial: () => net.connect(portOf('write'), '127.0.0.1'),
          samples: [
            http1Bytes('PUT', '/admin/relation-tuples', tuple),
            http1Bytes(
              'PATCH',
              '/admin/relation-tuples',
              `[{"action":"insert","relation_tuple":${tuple}}]`,
            ),
            http1Bytes('DELETE', '/admin/relation-tuples?namespace=app'),
            await http2Bytes([grpc(`${write}/TransactRelationTuples`, field(1, field(2, CHECK)))]),
          ],
        },
        3,
      );
      await survive(
        {
          dial: () => net.connect(portOf('opl'), '127.0.0.1'),
          samples: [http1Bytes('POST', '/opl/syntax/check', 'class User implements Namespace {}')],
        },
        4,
      );
    },
    2 * testMs,
  );
});
