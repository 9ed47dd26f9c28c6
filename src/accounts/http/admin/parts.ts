/** What the rooms of the administrators' surface work with, and how they add a route. Types alone. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Administration } from '../../administration.ts';
import type { Courier } from '../../courier/courier.ts';
import type { AccountsManager } from '../../manager.ts';
import type { HealthParts } from '../health.ts';

export interface AdminParts extends HealthParts {
  readonly manager: AccountsManager;
  readonly administration: Administration;
  readonly courier: Courier;
  /** Who asks; throws `unauthenticated` or `denied`. */
  readonly authorise: (
    request: FastifyRequest,
    action: 'accounts:read' | 'accounts:write' | 'accounts:secrets',
  ) => Promise<string>;
}

/** Answers a request of the administrator `by`. */
export type Handler = (
  request: FastifyRequest,
  reply: FastifyReply,
  by: string,
) => Promise<FastifyReply>;

/** Adds a route for whoever may: `accounts:read` for GET, `accounts:write` for the others. */
export type AddRoute = (
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  run: Handler,
) => void;
