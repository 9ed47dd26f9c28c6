/** What the REST surface is made of: the domain, who may write, and the limits that its operator set. */
import type { FastifyRequest } from 'fastify';
import type { Permissions, Writer } from '../permissions.ts';

export interface RestParts {
  readonly permissions: Permissions;
  /** Who writes. Throws PosternError `unauthenticated` or `denied`; asked before a byte of the body is read. */
  readonly authorise: (request: FastifyRequest) => Promise<Writer>;
  readonly version: string;
  readonly limits: {
    /** The depth of a request that names none, or a greater one. Absent: no limit. */
    readonly maxReadDepth?: number;
    /** Checks in one batch. */
    readonly maxBatchSize: number;
  };
  /** Resolves when requests can be answered; throws what keeps them from it. */
  readonly isReady: () => Promise<void>;
}

/** Keto's own limit of a batch (`limit.max_batch_check_size`). */
export const BATCH_SIZE_DEFAULT = 10;
/** Names are up to 128 KiB, so this holds any tuple, or some ten thousand usual ones. */
export const BODY_BYTES_MAX: number = 8 * 1024 * 1024;
/** Carries the revision of an answer. */
export const TOKEN_HEADER = 'x-postern-snaptoken';
