/** What the gRPC services are given, and how one is handed on until a port serves it. */
import type { DescService } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { Permissions, Writer } from '../permissions.ts';

export interface ServiceParts {
  readonly permissions: Permissions;
  /** Who sent these headers (`authorization: Bearer …`)? Throws PosternError when nobody who may write. */
  readonly authoriseHeaders: (headers: Headers, peer: string | undefined) => Promise<Writer>;
  readonly version: string;
  readonly limits: {
    /** Absent: none but the engine's own. */
    readonly maxReadDepth?: number;
    readonly maxBatchSize: number;
  };
}

/** Carries the revision of an answer, as in the REST surface: not every message of Keto has a field for it. */
const TOKEN_HEADER = 'x-postern-snaptoken';

/** Says of which revision the answer is. */
export function tellToken({ responseHeader }: HandlerContext, token: string): void {
  if (token !== '') responseHeader.set(TOKEN_HEADER, token);
}

/** Runs before a request's body is read, let alone understood; throws PosternError to refuse it. */
export type Gate = (context: HandlerContext) => Promise<void>;

export interface ServiceRegistration {
  readonly service: DescService;
  readonly gate?: Gate;
  readonly register: (router: ConnectRouter, options: { requestGate: Gate }) => void;
}

/** Binds a service to its implementation. */
export function serve<T extends DescService>(
  service: T,
  implementation: ServiceImpl<T>,
  gate?: Gate,
): ServiceRegistration {
  return {
    service,
    ...(gate === undefined ? {} : { gate }),
    register: (router, options) => void router.service(service, implementation, options),
  };
}
