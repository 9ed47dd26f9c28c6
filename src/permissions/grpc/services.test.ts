import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { ErrorInfoSchema } from './gen/google/rpc/error_details_pb.ts';
import { SyntaxService } from './gen/ory/keto/opl/v1alpha1/syntax_service_pb.ts';
import { CheckService } from './gen/ory/keto/relation_tuples/v1alpha2/check_service_pb.ts';
import {
  ExpandService,
  NodeType,
} from './gen/ory/keto/relation_tuples/v1alpha2/expand_service_pb.ts';
import { NamespacesService } from './gen/ory/keto/relation_tuples/v1alpha2/namespaces_service_pb.ts';
import { ReadService } from './gen/ory/keto/relation_tuples/v1alpha2/read_service_pb.ts';
import { VersionService } from './gen/ory/keto/relation_tuples/v1alpha2/version_pb.ts';
import {
  RelationTupleDelta_Action as Action,
  WriteService,
} from './gen/ory/keto/relation_tuples/v1alpha2/write_service_pb.ts';
import { openTestPort, type TestPort } from './port.fixture.ts';

const HEADERS = { headers: { authorization: 'Bearer good' } };
const id = (value: string) => ({ ref: { case: 'id' as const, value } });
const set = (namespace: string, object: string, relation: string) => ({
  ref: { case: 'set' as const, value: { namespace, object, relation } },
});
const tuple = (
  namespace: string,
  object: string,
  relation: string,
  subject: ReturnType<typeof id | typeof set>,
) => ({ namespace, object, relation, subject });
const insert = (relationTuple: ReturnType<typeof tuple>) => ({
  action: Action.INSERT,
  relationTuple,
});

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error('It was answered');
}
const reasonOf = (error: ConnectError): string | undefined =>
  error.findDetails(ErrorInfoSchema)[0]?.reason;

const PROTOCOLS: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  'gRPC over HTTP/2': (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web over HTTP/1.1': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  'Connect with JSON over HTTP/1.1': (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  'Connect over HTTP/2': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
};

describe.each(Object.entries(PROTOCOLS))('the services by %s', (_, dial) => {
  let port: TestPort;
  let transport: Transport;
  let check: Client<typeof CheckService>;
  let write: Client<typeof WriteService>;
  let read: Client<typeof ReadService>;
  beforeAll(async () => {
    port = await openTestPort();
    transport = dial(`http://127.0.0.1:${port.port}`);
    check = createClient(CheckService, transport);
    write = createClient(WriteService, transport);
    read = createClient(ReadService, transport);
  });
  afterAll(() => port.close());
  beforeEach(async () => {
    await write.deleteRelationTuples({ relationQuery: {} }, HEADERS);
    await write.transactRelationTuples(
      {
        relationTupleDeltas: [
          insert(tuple('Doc', 'd', 'viewers', set('Group', 'g', 'members'))),
          insert(tuple('Group', 'g', 'members', id('alice'))),
          insert(tuple('app', '', '__proto__', id(''))),
        ],
      },
      HEADERS,
    );
    port.permissions.asked.length = 0;
  });

  test('a check is answered for a tuple and for the deprecated fields, with a token', async () => {
    const alice = await check.check({ tuple: tuple('Doc', 'd', 'view', id('alice')) });
    expect(alice).toMatchObject({ allowed: true, snaptoken: expect.stringMatching(/^r\d+$/) });
    expect(await check.check(tuple('Doc', 'd', 'view', id('bob')))).toMatchObject({
      allowed: false,
    });
    expect(await check.check(tuple('app', '', '__proto__', id('')))).toMatchObject({
      allowed: true,
    });
  });

  test('latest, tokens and depths become the options of the question', async () => {
    const asked = { tuple: tuple('Doc', 'd', 'view', id('alice')) };
    await check.check({ ...asked, snaptoken: 'not yet implemented', maxDepth: 6 });
    await check.check({ ...asked, snaptoken: 'r1', maxDepth: 4 });
    await check.check({ ...asked, snaptoken: 'r1', latest: true, maxDepth: -1 });
    expect(port.permissions.asked).toEqual([
      { maxDepth: 5 },
      { maxDepth: 4, consistency: { mode: 'at_least_as_fresh', token: 'r1' } },
      { maxDepth: 5, consistency: { mode: 'fully_consistent' } },
    ]);
  });

  test('a batch is answered in its order, with Keto’s texts for what has no answer', async () => {
    const { results } = await check.batchCheck({
      tuples: [
        tuple('nowhere', 'd', 'view', id('alice')),
        tuple('Doc', 'd', 'view', id('alice')),
        tuple('Doc', 'd', 'nothing', id('alice')),
      ],
    });
    expect(results.map(({ allowed, error }) => [allowed, error])).toEqual([
      [false, 'The requested resource could not be found'],
      [true, ''],
      [false, 'The request was malformed or contained invalid parameters'],
    ]);
    expect(results[0]?.snaptoken).toMatch(/^r\d+$/);
    expect(await check.batchCheck({})).toMatchObject({ results: [] });
    const all = Array.from({ length: 4 }, () => tuple('Doc', 'd', 'view', id('a')));
    const error = await errorOf(check.batchCheck({ tuples: all }));
    expect([error.code, error.rawMessage]).toEqual([
      Code.InvalidArgument,
      'batch exceeds max size of 3',
    ]);
  });

  test('errors carry Keto’s codes, texts and reasons', async () => {
    const unknown = await errorOf(check.check(tuple('nowhere', 'd', 'view', id('a'))));
    expect([unknown.code, unknown.rawMessage, reasonOf(unknown)]).toEqual([
      Code.NotFound,
      'The requested resource could not be found',
      'Unknown namespace with name "nowhere".',
    ]);
    const undeclared = await errorOf(check.check(tuple('Doc', 'd', 'x', id('a'))));
    expect([undeclared.code, undeclared.rawMessage, reasonOf(undeclared)]).toEqual([
      Code.InvalidArgument,
      'The request was malformed or contained invalid parameters',
      'relation "x" does not exist',
    ]);
    port.permissions.isStrict = true;
    const deep = await errorOf(
      check.check({ ...tuple('Doc', 'd', 'view', id('alice')), maxDepth: 1 }),
    );
    port.permissions.isStrict = false;
    expect([deep.code, deep.rawMessage, reasonOf(deep)]).toEqual([
      Code.FailedPrecondition,
      'The check could not be completed',
      'max_depth_exceeded',
    ]);
    const nobody = await errorOf(check.check({ namespace: 'Doc', object: 'd', relation: 'view' }));
    expect([nobody.code, nobody.rawMessage]).toEqual([
      Code.InvalidArgument,
      'subject is not allowed to be nil',
    ]);
  });

  test('a fault of the server is INTERNAL and says nothing of itself', async () => {
    const fault = new TypeError('secret /etc/path');
    port.permissions.trouble = fault;
    const error = await errorOf(check.check(tuple('Doc', 'd', 'view', id('a'))));
    expect([error.code, error.rawMessage, error.details]).toEqual([
      Code.Internal,
      'An internal server error occurred, please contact the system administrator',
      [],
    ]);
    expect(JSON.stringify([...error.metadata])).not.toContain('secret');
    expect(port.faults.splice(0)).toEqual([expect.objectContaining({ cause: fault })]);
  });

  test('a long, broken name in an error does not break the reply', async () => {
    const error = await errorOf(
      check.check(tuple(`\ud800${'\u{10ffff}'.repeat(30_000)}`, '', '', id('a'))),
    );
    // Only JSON carries a name that is not well-formed.
    expect([Code.NotFound, Code.Internal, Code.InvalidArgument]).toContain(error.code);
    const long = await errorOf(check.check(tuple('€'.repeat(30_000), '', '', id('a'))));
    expect(long.code).toBe(Code.NotFound);
    expect(reasonOf(long)).toMatch(/^Unknown namespace with name "€+…$/);
  });

  test('expand answers the tree, also in the deprecated field', async () => {
    const client = createClient(ExpandService, transport);
    const { tree } = await client.expand({ subject: set('Doc', 'd', 'viewers') });
    expect(tree).toMatchObject({
      nodeType: NodeType.UNION,
      subject: set('Doc', 'd', 'viewers'),
      tuple: { namespace: '', object: '', relation: '', subject: set('Doc', 'd', 'viewers') },
      children: [
        {
          nodeType: NodeType.UNION,
          children: [{ nodeType: NodeType.LEAF, tuple: { subject: id('alice') }, children: [] }],
        },
      ],
    });
    expect(await client.expand({ subject: id('x') })).toMatchObject({
      tree: { nodeType: NodeType.LEAF, subject: id('x') },
    });
    expect(await errorOf(client.expand({}))).toMatchObject({ code: Code.InvalidArgument });
  });

  test('tuples are listed by filter and by page', async () => {
    const all = await read.listRelationTuples({ relationQuery: {}, pageSize: 2 });
    expect(all.relationTuples).toHaveLength(2);
    const rest = await read.listRelationTuples({
      relationQuery: {},
      pageSize: 2,
      pageToken: all.nextPageToken,
    });
    expect(rest).toMatchObject({
      relationTuples: [tuple('app', '', '__proto__', id(''))],
      nextPageToken: '',
    });
    // In the new filter an empty name is a name, in the old one it is none.
    expect(
      (await read.listRelationTuples({ relationQuery: { object: '' } })).relationTuples,
    ).toHaveLength(1);
    expect((await read.listRelationTuples({ query: { object: '' } })).relationTuples).toHaveLength(
      3,
    );
    const bySubject = await read.listRelationTuples({
      relationQuery: { subject: set('Group', 'g', 'members') },
    });
    expect(bySubject.relationTuples.map((t) => t.object)).toEqual(['d']);
    const error = await errorOf(read.listRelationTuples({}));
    expect([error.code, error.rawMessage]).toEqual([
      Code.InvalidArgument,
      'you must provide a query',
    ]);
    expect(
      await errorOf(read.listRelationTuples({ relationQuery: {}, pageToken: 'x' })),
    ).toMatchObject({
      code: Code.InvalidArgument,
    });
  });

  test('a transaction inserts, then deletes, ignores other actions and answers a token for each insert', async () => {
    const both = tuple('app', 'o', 'r', id('both'));
    const { snaptokens } = await write.transactRelationTuples(
      {
        relationTupleDeltas: [
          { action: Action.DELETE, relationTuple: both },
          insert(both),
          insert(tuple('app', 'o', 'r', id('kept'))),
          { relationTuple: tuple('app', 'o', 'r', id('ignored')) },
        ],
      },
      HEADERS,
    );
    expect(snaptokens).toHaveLength(2);
    const { relationTuples } = await read.listRelationTuples({ relationQuery: { object: 'o' } });
    expect(relationTuples.map((t) => t.subject)).toMatchObject([id('kept')]);
    const nil = await errorOf(
      write.transactRelationTuples({ relationTupleDeltas: [{ action: Action.INSERT }] }, HEADERS),
    );
    expect(nil.rawMessage).toBe('subject is not allowed to be nil');
  });

  test('a delete needs a filter, and never widens one that is broken', async () => {
    const none = await errorOf(write.deleteRelationTuples({}, HEADERS));
    expect([none.code, reasonOf(none)]).toEqual([Code.InvalidArgument, 'invalid request']);
    const empty = { namespace: 'Group', subject: { ref: { case: undefined } } };
    expect(
      await errorOf(write.deleteRelationTuples({ relationQuery: empty }, HEADERS)),
    ).toMatchObject({
      code: Code.InvalidArgument,
    });
    await write.deleteRelationTuples({ query: { namespace: 'Group', object: '' } }, HEADERS);
    const { relationTuples } = await read.listRelationTuples({ relationQuery: {} });
    expect(relationTuples.map((t) => t.namespace)).toEqual(['Doc', 'app']);
  });

  test('answers whose message has no field for their token carry it in a header', async () => {
    const told: (string | null)[] = [];
    const options = {
      ...HEADERS,
      onHeader: (headers: Headers) => void told.push(headers.get('x-postern-snaptoken')),
    };
    const { snaptokens } = await write.transactRelationTuples(
      { relationTupleDeltas: [insert(tuple('app', 'o', 'r', id('a')))] },
      HEADERS,
    );
    const [token] = snaptokens;
    await createClient(ExpandService, transport).expand({ subject: id('x') }, options);
    await read.listRelationTuples({ relationQuery: {} }, options);
    expect(told.splice(0)).toEqual([token, token]);
    await write.transactRelationTuples({}, options);
    await write.deleteRelationTuples({ relationQuery: { object: 'o' } }, options);
    expect(told).toEqual([expect.stringMatching(/^r\d+$/), expect.stringMatching(/^r\d+$/)]);
  });

  test('who has no token writes nothing, whatever is sent', async () => {
    for (const options of [{}, { headers: { authorization: 'Bearer bad' } }]) {
      const error = await errorOf(write.deleteRelationTuples({ relationQuery: {} }, options));
      expect([error.code, error.rawMessage]).toEqual([
        Code.Unauthenticated,
        'A token is needed to write',
      ]);
      expect(await errorOf(write.transactRelationTuples({}, options))).toMatchObject({
        code: Code.Unauthenticated,
      });
    }
    expect(port.writers.at(-1)).toEqual({ header: 'Bearer bad', peer: '127.0.0.1' });
    expect((await read.listRelationTuples({ relationQuery: {} })).relationTuples).toHaveLength(3);
  });

  test('every kind of error has a code of its own', async () => {
    const codes = {
      unauthenticated: Code.Unauthenticated,
      denied: Code.PermissionDenied,
      conflict: Code.FailedPrecondition,
      expired: Code.InvalidArgument,
      exhausted: Code.ResourceExhausted,
      unavailable: Code.Unavailable,
      unsupported: Code.Unimplemented,
    } as const;
    for (const [code, expected] of Object.entries(codes)) {
      port.permissions.trouble = new PosternError(code as keyof typeof codes, 'why', {
        hint: 'do',
      });
      const error = await errorOf(check.check(tuple('Doc', 'd', 'view', id('a'))));
      expect([code, error.code]).toEqual([code, expected]);
      expect(error.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({ hint: 'do' });
    }
  });

  test('namespaces, the version and the syntax check are answered', async () => {
    const { namespaces } = await createClient(NamespacesService, transport).listNamespaces({});
    expect(namespaces.map((n) => n.name)).toEqual(['Doc', 'Group', 'app']);
    const { version } = await createClient(VersionService, transport).getVersion({});
    expect(version).toBe('v1.2.3');
    const syntax = createClient(SyntaxService, transport);
    expect(await syntax.check({ content: Buffer.from('class') })).toMatchObject({
      parseErrors: [
        { message: 'expected "{"', start: { line: 1, column: 1 }, end: { line: 1, column: 5 } },
      ],
    });
    expect((await syntax.check({ content: Buffer.from([0xff]) })).parseErrors).toEqual([]);
  });
});
