/**
 * Requests of Node's HTTP servers to the gRPC services: gRPC over HTTP/2, gRPC-Web and the Connect protocol over both.
 * INVARIANT: no request, whatever is in it, throws out of here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { Code, ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { blameUnreadable, encodingErrors } from './errors.ts';
import { createHealth } from './health.ts';
import { createReflection } from './reflection.ts';
import type { ServiceRegistration } from './services.ts';
import { PEER } from './write-services.ts';

const REQUEST_MESSAGE_BYTES_MAX: number = 4 * 1024 * 1024;
/** A page of tuples with long names is larger than any request. */
const REPLY_MESSAGE_BYTES_MAX: number = 16 * 1024 * 1024;

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;

export interface RpcOptions {
  /** Each served once, however often it is there; health and reflection are added. */
  readonly services: readonly ServiceRegistration[];
  /** Whether the server can answer, for health. */
  readonly isReady: () => Promise<boolean>;
  /** Is told of what is the server's own fault. */
  readonly reportFault: (reason: unknown) => void;
  /** Ends what never ends by itself. */
  readonly shutdown: AbortSignal;
}

type Universal = ReturnType<typeof createConnectRouter>['handlers'][number];

const pathOf = (request: NodeRequest): string => (request.url ?? '').split('?', 1)[0] ?? '';

/** Answers without a body. */
export function answerEmpty(
  response: NodeResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end();
}

/** Answers without a body where that is still possible, else ends the request. */
function refuse(response: NodeResponse, status: number): void {
  try {
    if (response.headersSent) response.destroy();
    else answerEmpty(response, status);
  } catch {
    // The stream is gone, and with it whom to tell.
    response.destroy();
  }
}

/** Answers the calls of services, and of what is gRPC but no service of the port. */
export class RpcHandler {
  readonly #handlers = new Map<string, Universal>();
  readonly #reportFault: (reason: unknown) => void;

  constructor({ services, isReady, reportFault, shutdown }: RpcOptions) {
    this.#reportFault = reportFault;
    const byName = new Map(services.map((entry) => [entry.service.typeName, entry]));
    const health = createHealth([...byName.keys()], isReady);
    const all = [...byName.values(), health];
    const reflection = createReflection(all.map((entry) => entry.service));
    const router = createConnectRouter({
      acceptCompression: [compressionGzip],
      readMaxBytes: REQUEST_MESSAGE_BYTES_MAX,
      writeMaxBytes: REPLY_MESSAGE_BYTES_MAX,
      interceptors: [(next) => (request) => encodingErrors(() => next(request), reportFault)],
      shutdownSignal: shutdown,
    });
    for (const { gate, register } of [...all, ...reflection])
      register(router, {
        requestGate: async (context) => {
          blameUnreadable(context);
          if (gate !== undefined) await encodingErrors(() => gate(context), reportFault);
        },
      });
    for (const handler of router.handlers) this.#handlers.set(handler.requestPath, handler);
  }

  /** Whether a client of the method may take its time to send. */
  isClientStreaming(request: NodeRequest): boolean {
    const kind = this.#handlers.get(pathOf(request))?.method.methodKind;
    return kind === 'bidi_streaming' || kind === 'client_streaming';
  }

  /** Answers the request if it is for a service, or gRPC; else false. */
  take(request: NodeRequest, response: NodeResponse): boolean {
    const handler = this.#handlers.get(pathOf(request));
    const type = request.headers['content-type'] ?? '';
    // A browser asks before a call whether it may make it; that is answered where all such questions are.
    if (handler === undefined || request.method === 'OPTIONS') {
      if (!type.startsWith('application/grpc')) return false;
      request.resume();
      answerEmpty(response, 200, {
        'content-type': type,
        'grpc-status': String(Code.Unimplemented),
      });
      return true;
    }
    // Without a listener, a connection that breaks would end the process.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void this.#run(handler, request, response);
    return true;
  }

  async #run(handler: Universal, request: NodeRequest, response: NodeResponse): Promise<void> {
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      const values = createContextValues().set(PEER, request.socket.remoteAddress);
      universal = universalRequestFromNodeRequest(request, response, undefined, values);
    } catch {
      // The authority, or the Host header, is not one; or the connection is gone.
      refuse(response, 400);
      return;
    }
    try {
      await universalResponseToNodeResponse(await handler(universal), response);
    } catch (reason) {
      // Half a surrogate pair of a broken request stands in the library's own text about it, which then can't be sent.
      const isTheirs = reason instanceof URIError;
      const { code } = ConnectError.from(reason);
      if (!isTheirs && (code === Code.Internal || code === Code.Unknown)) this.#reportFault(reason);
      refuse(response, isTheirs ? 400 : 500);
    }
  }
}
