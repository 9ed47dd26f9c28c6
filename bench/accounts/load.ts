/**
 * The load process of the accounts benchmark: asks who somebody is, signs people in and registers them over HTTP, and
 * answers what each took; and hashes passwords with nothing around it. A wrong answer ends the benchmark.
 */
import { Agent, request } from 'node:http';
import { availableParallelism } from 'node:os';
import { atRate, closedLoop, type LoadReport } from '../load.ts';
import { emailOf, type HashCost, hasherOf, PASSWORD } from './people.ts';

export type Order =
  | {
      readonly kind: 'whoami';
      readonly url: string;
      readonly tokens: readonly string[];
      readonly seconds: number;
      readonly width: number;
      /** Questions a second, at their own times; absent: as fast as answers come. */
      readonly rate?: number;
    }
  | {
      readonly kind: 'login' | 'registration';
      readonly url: string;
      readonly seconds: number;
      readonly width: number;
      /** The first person's number; each is taken once. */
      readonly first: number;
    }
  | { readonly kind: 'bare hash'; readonly cost: HashCost; readonly seconds: number };

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly localAddress?: string;
}
function http(url: string, o: Asked): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const text = o.json === undefined ? undefined : JSON.stringify(o.json);
    const headers = {
      ...o.headers,
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const { method, path } = o;
    const address = o.localAddress === undefined ? {} : { localAddress: o.localAddress };
    const asked = request(
      { agent, hostname, port, method, path, headers, ...address },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          body += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(text);
  });
}

/** Attempts are counted by network, so people come from many: each loopback address is one. */
const addressOf = (i: number): string => `127.7.${Math.floor(i / 50) % 250}.${(i % 50) + 1}`;

async function begin(url: string, flow: string, localAddress: string): Promise<string> {
  const path = `/self-service/${flow}/api`;
  const { status, body } = await http(url, { method: 'GET', path, localAddress });
  if (status !== 200) throw new Error(`${path} was answered with ${status}`);
  const { id }: { id: string } = JSON.parse(body);
  return `/self-service/${flow}?flow=${id}`;
}

async function enter(url: string, kind: 'login' | 'registration', i: number): Promise<void> {
  const localAddress = addressOf(i);
  const path = await begin(url, kind, localAddress);
  const who =
    kind === 'login' ? { identifier: emailOf(i) } : { traits: { email: `new${i}@example.com` } };
  const json = { method: 'password', password: PASSWORD, ...who };
  const { status, body } = await http(url, { method: 'POST', path, json, localAddress });
  if (status !== 200) throw new Error(`a ${kind} was answered with ${status}: ${body}`);
}

function run(order: Order): Promise<LoadReport> {
  if (order.kind === 'bare hash') {
    const hasher = hasherOf(order.cost);
    const ask = async (): Promise<void> => void (await hasher.hash(PASSWORD));
    return closedLoop(ask, order.seconds, availableParallelism());
  }
  const { kind, url, seconds, width } = order;
  if (kind === 'whoami') {
    const { tokens } = order;
    const ask = async (i: number): Promise<void> => {
      const token = tokens[(i * 7_919) % tokens.length] ?? '';
      const headers = { cookie: `ory_kratos_session=${token}` };
      const { status } = await http(url, { method: 'GET', path: '/sessions/whoami', headers });
      if (status !== 200) throw new Error(`whoami was answered with ${status}`);
    };
    return order.rate === undefined
      ? closedLoop(ask, seconds, width)
      : atRate(ask, seconds, order.rate);
  }
  return closedLoop((i) => enter(url, kind, order.first + i), seconds, width);
}

process.on('message', (order: Order) => {
  run(order).then(
    (result) => process.send?.({ result }),
    (reason: unknown) => process.send?.({ failed: String(reason) }),
  );
});
process.send?.({ result: 'ready' });
