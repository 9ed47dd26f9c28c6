/**
 * Recovery by an administrator (`/admin/recovery`): a code or a link for somebody who reaches none of their addresses any
 * more. INVARIANT: whoever holds it gets in, so it is in the audit who had it made before it is told.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUuid, PosternError, parseDurationMs } from '../../../kernel/index.ts';
import type { JsonObject } from '../../account.ts';
import type { AccountsManager } from '../../manager.ts';
import { uiUrl } from '../answer.ts';
import { fields, refuse, textField } from './body.ts';
import type { AddRoute, AdminParts } from './parts.ts';

const LIFESPAN_MS = 3_600_000;
/** A year: whoever needs longer makes another, and nobody's way in is forgotten in a drawer for ever. */
const LIFESPAN_MS_MAX = 365 * 24 * 3_600_000;

/** How long it is good for, 1 ms to a year. Throws `invalid`. */
function lifespanOf(given: JsonObject): number {
  const text = textField(given, 'expires_in');
  const lifespanMs = text === undefined ? LIFESPAN_MS : parseDurationMs(text);
  if (lifespanMs < 1 || lifespanMs > LIFESPAN_MS_MAX)
    refuse('expires_in has to be more than nothing and at most 8760h');
  return lifespanMs;
}

/** Who finishes the flow. Throws `invalid`. */
function flowTypeOf(given: JsonObject): 'browser' | 'api' {
  const type = textField(given, 'flow_type') ?? 'browser';
  return type === 'browser' || type === 'api' ? type : refuse('flow_type is browser or api');
}

class AdminRecoverySurface {
  readonly #parts: AdminParts;
  constructor(parts: AdminParts) {
    this.#parts = parts;
  }
  get #services(): AccountsManager['services'] {
    return this.#parts.manager.services;
  }

  async code(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = fields(
      request.body,
      ['identity_id', 'expires_in', 'flow_type', 'return_to'],
      'The body',
    );
    const { flow, secret } = await this.#begin(given, 'code', by);
    return reply.code(201).send({
      recovery_link: uiUrl(this.#services.config, 'recovery', flow),
      recovery_code: secret,
      expires_at: new Date(flow.expiresAtMs).toISOString(),
    });
  }
  async link(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = fields(request.body, ['identity_id', 'expires_in'], 'The body');
    const { flow, secret } = await this.#begin(given, 'link', by);
    const url = `${this.#services.config.publicUrl}/self-service/recovery?flow=${flow.id}&token=${secret}`;
    return reply.send({ recovery_link: url, expires_at: new Date(flow.expiresAtMs).toISOString() });
  }
  async #begin(
    given: JsonObject,
    use: 'code' | 'link',
    by: string,
  ): ReturnType<AccountsManager['recovery']['forAdministrator']> {
    const [lifespanMs, type] = [lifespanOf(given), flowTypeOf(given)];
    const id = textField(given, 'identity_id') ?? '';
    if (!isUuid(id)) refuse('identity_id is no UUID');
    const account = await this.#services.accounts.get(id);
    if (account === undefined) throw new PosternError('not_found', 'There is no such account');
    const { store, audit } = this.#services;
    await store.write((trx) =>
      audit.append(trx, {
        ...{ actor: by, action: 'accounts:recovery-code', resource: `account/${account.id}` },
        data: { use },
      }),
    );
    return this.#parts.manager.recovery.forAdministrator(account, { lifespanMs, type, use });
  }
}

/** Adds the routes. */
export function addAdminRecovery(add: AddRoute, parts: AdminParts): void {
  const surface = new AdminRecoverySurface(parts);
  add('POST', '/recovery/code', (q, r, by) => surface.code(q, r, by));
  add('POST', '/recovery/link', (q, r, by) => surface.link(q, r, by));
}
