/**
 * The load process of the permissions benchmark: asks a system questions, closed loop (as fast as answers come, a fixed
 * number at a time) or at a fixed rate, and answers what each took. A wrong answer ends the benchmark.
 */
import { Agent, request } from 'node:http';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { CheckService } from '../../src/permissions/grpc/gen/ory/keto/relation_tuples/v1alpha2/check_service_pb.ts';
import { type Ask, atRate, closedLoop } from '../load.ts';
import { type CaseName, LISTED, questionOf, type WorldTuple } from './world.ts';

export interface LoadOrder {
  readonly kind: 'check' | 'list' | 'mixed';
  readonly protocol: 'http' | 'grpc';
  readonly read: string;
  readonly write: string;
  readonly token: string;
  readonly name: CaseName;
  readonly seconds: number;
  /** Questions under way at once. */
  readonly width: number;
  /** Questions a second, at their own times; absent: as fast as answers come. */
  readonly rate?: number;
}
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function http(
  base: string,
  method: string,
  path: string,
  o: { body?: string; token?: string } = {},
): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const headers = {
      ...(o.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(o.token === undefined ? {} : { authorization: `Bearer ${o.token}` }),
    };
    const asked = request({ agent, hostname, port, method, path, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        body += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(o.body);
  });
}

const SUBJECT = 'subject_set.namespace=User&subject_set.relation=&subject_set.object=';

function asker({ kind, protocol, read, write, token, name }: LoadOrder): Ask {
  if (kind === 'list')
    return async () => {
      let pageToken = '';
      let count = 0;
      do {
        const { body } = await http(
          read,
          'GET',
          `/relation-tuples/list-objects?namespace=Document&relation=view&page_size=500&page_token=${pageToken}&${SUBJECT}lister`,
        );
        const page: { objects: string[]; next_page_token: string } = JSON.parse(body);
        count += page.objects.length;
        pageToken = page.next_page_token;
      } while (pageToken !== '');
      if (count !== LISTED) throw new Error(`listed ${count} objects`);
    };
  const overHttp: Ask = async (i) => {
    const { on, subject, expected } = questionOf(name, i);
    const path = `/relation-tuples/check/openapi?namespace=${on[0]}&object=${on[1]}&relation=view&${SUBJECT}${subject}`;
    const { body } = await http(read, 'GET', path);
    if (body !== `{"allowed":${expected}}`) throw new Error(`${path}: ${body}`);
  };
  if (kind === 'mixed')
    return async (i) => {
      if (i % 100 !== 0) return overHttp(i);
      const subject_set = { namespace: 'User', object: `writer${i}`, relation: '' };
      const tuple = { namespace: 'Document', object: `d${i}`, relation: 'viewers', subject_set };
      const body = JSON.stringify(tuple);
      const { status } = await http(write, 'PUT', '/admin/relation-tuples', { body, token });
      if (status !== 201) throw new Error(`a write was answered with ${status}`);
    };
  if (protocol === 'http') return overHttp;
  const client = createClient(CheckService, createGrpcTransport({ baseUrl: read }));
  return async (i) => {
    const { on, subject, expected } = questionOf(name, i);
    const [namespace, object] = on;
    const set = { namespace: 'User', object: subject, relation: '' };
    const { allowed } = await client.check({
      tuple: {
        ...{ namespace, object, relation: 'view' },
        subject: { ref: { case: 'set', value: set } },
      },
    });
    if (allowed !== expected) throw new Error(`${object}: ${allowed}`);
  };
}

export interface FillOrder {
  readonly kind: 'fill';
  readonly write: string;
  readonly token: string;
  readonly tuples: readonly WorldTuple[];
}

async function fill({ write, token, tuples }: FillOrder): Promise<void> {
  for (let i = 0; i < tuples.length; i += 5_000) {
    const body = JSON.stringify(
      tuples.slice(i, i + 5_000).map(({ on, relation, subject }) => ({
        action: 'insert',
        relation_tuple: {
          ...{ namespace: on[0], object: on[1], relation },
          subject_set: { namespace: subject[0], object: subject[1], relation: subject[2] },
        },
      })),
    );
    const answer = await http(write, 'PATCH', '/admin/relation-tuples', { body, token });
    if (answer.status !== 204) throw new Error(`the tuples were refused: ${answer.body}`);
  }
}

process.on('message', (order: LoadOrder | FillOrder) => {
  const run = async (): Promise<unknown> => {
    if (order.kind === 'fill') return fill(order);
    const ask = asker(order);
    return order.rate === undefined
      ? closedLoop(ask, order.seconds, order.width)
      : atRate(ask, order.seconds, order.rate);
  };
  run().then(
    (result) => process.send?.({ result: result ?? null }),
    (reason: unknown) => process.send?.({ failed: String(reason) }),
  );
});
process.send?.({ result: 'ready' });
