/** A running port with everything on it, for tests. */
import Fastify from 'fastify';
import { PosternError } from '../../kernel/index.ts';
import {
  createLanguageServices,
  createReadServices,
  createWriteServices,
  listenBoth,
  type PortCertificate,
} from './index.ts';
import { MemoryPermissions } from './memory-permissions.fixture.ts';

export interface TestPort extends AsyncDisposable {
  readonly port: number;
  readonly permissions: MemoryPermissions;
  readonly faults: unknown[];
  /** Who asked to write, and from where. */
  readonly writers: { header: string | null; peer: string | undefined }[];
  close(): Promise<void>;
}

/** Opens a port; `authorization: Bearer good` may write. */
export async function openTestPort(certificate?: PortCertificate): Promise<TestPort> {
  const permissions = new MemoryPermissions();
  const faults: unknown[] = [];
  const writers: TestPort['writers'] = [];
  const parts = {
    permissions,
    version: 'v1.2.3',
    limits: { maxReadDepth: 5, maxBatchSize: 3 },
    authoriseHeaders: async (headers: Headers, peer: string | undefined) => {
      writers.push({ header: headers.get('authorization'), peer });
      if (headers.get('authorization') !== 'Bearer good')
        throw new PosternError('unauthenticated', 'A token is needed to write', {
          hint: 'Send authorization: Bearer …',
        });
      return { id: 'tester' };
    },
  };
  const app = Fastify({ forceCloseConnections: true });
  app.get('/health/alive', async () => ({ status: 'ok' }));
  app.post('/echo', async (request) => request.body);
  const listener = await listenBoth(app, {
    services: [
      ...createReadServices(parts),
      ...createWriteServices(parts),
      ...createLanguageServices(parts),
    ],
    isReady: async () => (await permissions.status()).revision >= 0,
    reportFault: (reason) => void faults.push(reason),
    address: { host: '127.0.0.1', port: 0 },
    ...(certificate === undefined ? {} : { certificate }),
  });
  return {
    port: listener.port,
    permissions,
    faults,
    writers,
    close: () => listener.close(),
    [Symbol.asyncDispose]: () => listener.close(),
  };
}
