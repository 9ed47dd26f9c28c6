/** People at a server's public listener: plain requests, from a network of one's own where attempts are counted. */
import { Agent, request } from 'node:http';
import { Browser } from './browser.ts';

export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
  readonly json: any;
}
export interface Asked {
  readonly json?: unknown;
  /** Sent as it is, in place of `json`. */
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** A loopback address that the request comes from. */
  readonly localAddress?: string;
}

export interface People {
  ask(method: string, path: string, o?: Asked): Promise<Told>;
  /** Registers by the API; answers the session token. Throws what was answered when that is not 200. */
  register(email: string, password: string, localAddress?: string): Promise<string>;
  /** Signs in by the API. */
  login(email: string, password: string, localAddress?: string): Promise<Told>;
  whoami(token: string): Promise<Told>;
  browser(): Browser;
}

const agent = new Agent({ keepAlive: true });

function askAt(base: string, method: string, path: string, o: Asked): Promise<Told> {
  const { hostname, port } = new URL(base);
  const body = o.body ?? (o.json === undefined ? undefined : JSON.stringify(o.json));
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ agent, hostname, port, method, path },
        headers: {
          ...(o.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          ...o.headers,
        },
        ...(o.localAddress === undefined ? {} : { localAddress: o.localAddress }),
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /^application\/json/.test(answer.headers['content-type'] ?? '');
          const headers = new Headers();
          for (const [name, value] of Object.entries(answer.headers))
            for (const v of [value ?? []].flat()) headers.append(name, v);
          const json: unknown = isJson && text !== '' ? JSON.parse(text) : undefined;
          resolve({ status: answer.statusCode ?? 0, headers, text, json });
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

/** The people of the server at a base URL. */
export function accountsAt(base: string): People {
  const ask: People['ask'] = (method, path, o = {}) => askAt(base, method, path, o);
  const enter = async (
    flow: 'login' | 'registration',
    json: Readonly<Record<string, unknown>>,
    localAddress: string | undefined,
  ): Promise<Told> => {
    const from = localAddress === undefined ? {} : { localAddress };
    const begun = await ask('GET', `/self-service/${flow}/api`, from);
    return ask('POST', `/self-service/${flow}?flow=${begun.json.id}`, { ...from, json });
  };
  return {
    ask,
    register: async (email, password, localAddress) => {
      const json = { method: 'password', traits: { email }, password };
      const told = await enter('registration', json, localAddress);
      if (told.status !== 200) throw new Error(`${told.status}: ${told.text}`);
      return told.json.session_token;
    },
    login: (identifier, password, localAddress) =>
      enter('login', { method: 'password', identifier, password }, localAddress),
    whoami: (token) => ask('GET', '/sessions/whoami', { headers: { 'x-session-token': token } }),
    browser: () => new Browser(base),
  };
}
