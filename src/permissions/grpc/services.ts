/** What the gRPC services are given, and how one is handed on until a port serves it. */
import type { DescService } from '@bufbuild/protobuf';
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
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

export interface ServiceRegistration {
  readonly service: DescService;
  readonly register: (router: ConnectRouter) => void;
}

/** Binds a service to its implementation. */
export function serve<T extends DescService>(
  service: T,
  implementation: ServiceImpl<T>,
): ServiceRegistration {
  return { service, register: (router) => void router.service(service, implementation) };
}
