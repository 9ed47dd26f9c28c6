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
  | {
      /** A whole sign-in to an application by who is signed in, or new tokens for old ones. */
      readonly kind: 'id token' | 'refresh';
      readonly url: string;
      readonly tokens: readonly string[];
      readonly client: { readonly id: string; readonly secret: string };
      readonly seconds: number;
      readonly width: number;
    }
  | { readonly kind: 'bare hash'; readonly cost: HashCost; readonly seconds: number };

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly localAddress?: string;
}
function http(url: string, o: Asked): Promise<{ status: number; body: string; location: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const form = o.form === undefined ? undefined : new URLSearchParams(o.form).toString();
    const text = o.json === undefined ? form : JSON.stringify(o.json);
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
    const headers = { ...o.headers, ...(text === undefined ? {} : { 'content-type': type }) };
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
        answer.on('end', () => {
          const { location = '' } = answer.headers;
          resolve({ status: answer.statusCode ?? 0, body, location });
        });
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

type ForApplications = Extract<Order, { kind: 'id token' | 'refresh' }>;
const isForApplications = (order: Order): order is ForApplications =>
  order.kind === 'id token' || order.kind === 'refresh';
const CALLBACK = 'http://127.0.0.1:9/callback';

/** Signs somebody in to the application; answers the refresh token. */
async function signIn({ url, tokens, client }: ForApplications, i: number): Promise<string> {
  const query = new URLSearchParams({
    ...{ client_id: client.id, response_type: 'code', redirect_uri: CALLBACK, state: 's' },
    scope: 'openid profile email offline_access',
  });
  const cookie = `ory_kratos_session=${tokens[(i * 7_919) % tokens.length] ?? ''}`;
  const path = `/authorize?${query}`;
  const { status, location } = await http(url, { method: 'GET', path, headers: { cookie } });
  const code = location.startsWith(CALLBACK) ? new URL(location).searchParams.get('code') : null;
  if (code === null) throw new Error(`/authorize was answered with ${status} to ${location}`);
  return exchange(url, client, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK });
}
async function exchange(
  url: string,
  client: ForApplications['client'],
  form: Readonly<Record<string, string>>,
): Promise<string> {
  const whole = { ...form, client_id: client.id, client_secret: client.secret };
  const asked = { method: 'POST', path: '/oauth/token', form: whole };
  const { status, body } = await http(url, asked);
  const { id_token: idToken, refresh_token: next }: Record<string, string> = JSON.parse(body);
  if (idToken === undefined || next === undefined)
    throw new Error(`/oauth/token was answered with ${status}: ${body}`);
  return next;
}

async function runForApplications(order: ForApplications): Promise<LoadReport> {
  const { kind, url, client, seconds, width } = order;
  if (kind === 'id token')
    return closedLoop(async (i) => void (await signIn(order, i)), seconds, width);
  const idle = await Promise.all(Array.from({ length: width }, (_, i) => signIn(order, i)));
  const ask = async (): Promise<void> => {
    const token = idle.pop() ?? '';
    idle.push(await exchange(url, client, { grant_type: 'refresh_token', refresh_token: token }));
  };
  return closedLoop(ask, seconds, width);
}

function run(order: Order): Promise<LoadReport> {
  if (isForApplications(order)) return runForApplications(order);
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
