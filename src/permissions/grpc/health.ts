/** grpc.health.v1: whether the server, or one of its services, can answer. A server can when its store can. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from './gen/grpc/health/v1/health_pb.ts';
import { type ServiceRegistration, serve } from './services.ts';

/** How often a watch looks. */
const LOOK_MS = 1_000;

/** Health of a server with these services; `isReady` is asked anew each time, and one that throws is not ready. */
export function createHealth(
  services: readonly string[],
  isReady: () => Promise<boolean>,
): ServiceRegistration {
  const names = new Set(['', Health.typeName, ...services]);
  const look = async (): Promise<Status> =>
    (await isReady().catch(() => false)) ? Status.SERVING : Status.NOT_SERVING;
  return serve(Health, {
    async check({ service }) {
      if (!names.has(service)) throw new ConnectError('unknown service', Code.NotFound);
      return { status: await look() };
    },
    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      while (!signal.aborted) {
        const status = names.has(service) ? await look() : Status.SERVICE_UNKNOWN;
        if (status !== last) yield { status };
        last = status;
        // An abort ends the wait, and then the loop.
        await sleep(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    },
  });
}
