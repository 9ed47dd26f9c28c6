/**
 * Who calls the management API, and whether they may. A door only says who calls; what the caller may is asked of the
 * fabric here, once for every door. It must never answer without having asked.
 */

import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../authority/index.ts';
import { PosternError, toPosternError } from '../../kernel/index.ts';
import { actorOf, type Caller, callerId } from '../caller.ts';
import type { ServerParts } from './parts.ts';

/** What the routes ask about their caller. */
export interface Door {
  /** Who calls; throws `unauthenticated`. */
  callerOf(request: FastifyRequest): Promise<Caller>;
  /** Asks the fabric; answers the actor that the authority's rules see. Throws `denied`, which the audit keeps. */
  may(
    request: FastifyRequest,
    action: string,
    resource: string,
    projectId?: string,
  ): Promise<Actor>;
  /** The same, for what concerns the whole server. */
  mayServer(request: FastifyRequest, action: string, resource: string): Promise<Actor>;
  /** The caller on the admin socket; throws `denied` for everybody else. */
  local(request: FastifyRequest): Promise<Actor>;
}

/** The questions behind one door. `callerOf` is the door's; it throws `unauthenticated`. */
export function createDoor(parts: ServerParts, callerOf: Door['callerOf']): Door {
  const { authority, fabric, audit } = parts;

  /** Asks the fabric; answers the actor that the authority's rules see. */
  async function may(
    request: FastifyRequest,
    action: string,
    resource: string,
    projectId?: string,
  ): Promise<Actor> {
    const caller = await callerOf(request);
    if (caller.kind === 'local') return actorOf(caller, 'local');
    const decision = await fabric
      .require({
        principalId: callerId(caller),
        action,
        resource,
        ...(projectId === undefined ? {} : { projectId }),
        ...(caller.kind === 'token' ? { grant: caller.grant } : {}),
      })
      .catch(async (reason: unknown) => {
        const { message, decisionId } = toPosternError(reason);
        await fabric.store.write((trx) =>
          audit.append(trx, {
            actor: callerId(caller),
            action,
            resource,
            outcome: 'denied',
            data: { why: message, ...(decisionId === undefined ? {} : { decision: decisionId }) },
          }),
        );
        throw reason;
      });
    return actorOf(caller, decision.rule);
  }
  async function local(request: FastifyRequest): Promise<Actor> {
    const caller = await callerOf(request);
    if (caller.kind === 'local') return actorOf(caller, 'local');
    throw new PosternError('denied', "This is answered on the server's own admin socket alone");
  }
  /** Administration of the whole server is for administrators of its default project. */
  async function scope(request: FastifyRequest): Promise<string | undefined> {
    const caller = await callerOf(request);
    return caller.kind === 'machine' && authority.project(caller.projectId).isDefault
      ? caller.projectId
      : undefined;
  }

  return {
    callerOf,
    may,
    mayServer: async (request, action, resource) =>
      may(request, action, resource, await scope(request)),
    local,
  };
}
