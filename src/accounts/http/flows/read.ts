/** Flows that began already, read as JSON (`/self-service/FLOW/flows`). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FlowFault } from '../../flows/fault.ts';
import type { Flow, FlowKind } from '../../flows/flow.ts';
import { isUnmade } from '../../flows/rehearsal.ts';
import type { AccountsManager } from '../../manager.ts';
import type { Services } from '../../services.ts';
import { tell } from '../answer.ts';
import { OutcomeAnswers } from '../outcome.ts';
import { csrfOf, NO_STORE, queryText, sessionOf } from '../web.ts';

/** The flow that a parameter names. Throws FlowFault `flow_not_found`. */
export async function flowOf(
  { flows }: Pick<Services, 'flows'>,
  kind: FlowKind,
  request: FastifyRequest,
  parameter: 'id' | 'flow',
): Promise<Flow> {
  const flow = await flows.find(kind, queryText(request, parameter) ?? '');
  if (flow === undefined) throw new FlowFault('flow_not_found');
  return flow;
}

export class FlowReadings {
  readonly #manager: AccountsManager;
  readonly #answers: OutcomeAnswers;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
    this.#answers = new OutcomeAnswers(manager);
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  async read(kind: FlowKind, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const flow = await flowOf(this.#services, kind, request, 'id');
      const { clock } = this.#services;
      // An administrator's recovery flow is of no browser; every other form may hold what a mail brought.
      if (flow.type === 'browser' && flow.csrf !== undefined && kind !== 'settings')
        if (!isUnmade(flow) && csrfOf(this.#config, request) !== flow.csrf)
          throw new FlowFault('security_csrf_violation');
      if (kind === 'settings')
        await this.#manager.settings.owner(flow, await sessionOf(this.#services, request.headers));
      if (flow.expiresAtMs <= clock.now())
        throw new FlowFault('self_service_flow_expired', {
          details: {
            redirect_to: `${this.#config.publicUrl}/self-service/${kind}/browser`,
            ...(flow.returnTo === undefined ? {} : { return_to: flow.returnTo }),
          },
        });
      return reply.header('cache-control', NO_STORE).send(await this.#answers.view(flow));
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }
}
