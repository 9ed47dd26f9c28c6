/** An app with all three groups of routes, over tuples in memory. */
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { PosternError } from '../../kernel/index.ts';
import type { CheckLimits } from '../engine/check.ts';
import type { Writer } from '../permissions.ts';
import { parseTuple } from '../tuple.ts';
import type { Fault } from './fault.ts';
import { handModel } from './hand-model.fixture.ts';
import {
  addLanguageRoutes,
  addReadRoutes,
  addWriteRoutes,
  frameworkErrors,
  type RestParts,
} from './index.ts';
import { MemoryPermissions } from './memory-permissions.fixture.ts';
import { isObject } from './tuple-json.ts';

export const WRITER_TOKEN = 'good';

async function authorise(request: FastifyRequest): Promise<Writer> {
  const { authorization } = request.headers;
  if (authorization === undefined) throw new PosternError('unauthenticated', 'No token was given');
  if (authorization !== `Bearer ${WRITER_TOKEN}`)
    throw new PosternError('denied', 'This token may not write', { decisionId: 'd1' });
  return { id: 'tester' };
}

export interface Served {
  readonly app: FastifyInstance;
  readonly permissions: MemoryPermissions;
  /** One request; the body as JSON where it is any. Writes carry the good token. */
  ask(method: Method, url: string, body?: unknown, headers?: Headers): Promise<Answer>;
  /** Stores tuples in the text notation. */
  store(...tuples: string[]): Promise<void>;
}
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
type Headers = Readonly<Record<string, string>>;
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Undefined when it is no object. */
  readonly json: unknown;
  /** What an error's answer tells; empty for any other. */
  readonly error: Partial<Fault>;
}

/** Starts it, without a socket. */
export function serve(
  parts: Partial<RestParts> = {},
  limits: Partial<CheckLimits> = {},
  bodyOf: (body: unknown) => string = (b) => (typeof b === 'string' ? b : JSON.stringify(b)),
): Served {
  const permissions = new MemoryPermissions(handModel(), limits);
  const all: RestParts = {
    permissions,
    authorise,
    version: '1.2.3',
    limits: { maxBatchSize: 10 },
    isReady: async () => undefined,
    ...parts,
  };
  const app = fastify({ frameworkErrors });
  addReadRoutes(app, all);
  addWriteRoutes(app, all);
  addLanguageRoutes(app, all);
  return {
    app,
    permissions,
    async ask(method, url, body, headers = {}) {
      const answer = await app.inject({
        method,
        url,
        headers: { authorization: `Bearer ${WRITER_TOKEN}`, ...headers },
        ...(body === undefined ? {} : { payload: bodyOf(body) }),
      });
      const { statusCode, payload: text } = answer;
      const json: unknown = text === '' || !text.startsWith('{') ? undefined : JSON.parse(text);
      const error = isObject(json) && isObject(json['error']) ? json['error'] : {};
      return { status: statusCode, text, headers: answer.headers, json, error };
    },
    async store(...tuples) {
      await permissions.write({ inserts: tuples.map(parseTuple), deletes: [] }, { id: 'setup' });
    },
  };
}
