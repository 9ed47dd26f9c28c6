/** What was done and decided, and how the server is, on the management API: audit, decisions, status. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Decision } from '../../fabric/index.ts';
import type { Door } from './door.ts';
import type { ServerParts } from './parts.ts';
import { Name } from './wire.ts';

const decisionJson = (d: Decision): object => ({
  id: d.id,
  at: new Date(d.atMs).toISOString(),
  principal: d.principalId,
  action: d.action,
  resource: d.resource,
  allowed: d.isAllowed,
  rule: d.rule,
  why: d.why,
  hint: d.hint ?? null,
  facts: d.facts,
});

/** Adds the routes. */
export function addRecordRoutes(app: FastifyInstance, parts: ServerParts, door: Door): void {
  const { authority, fabric, audit } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.get(
    '/api/v1/audit',
    {
      schema: {
        querystring: Type.Object({ after: Type.Optional(Type.String({ pattern: '^\\d{1,15}$' })) }),
      },
    },
    async (request) => {
      await door.mayServer(request, 'audit:read', 'audit');
      const { after } = request.query;
      const entries = await audit.list(after === undefined ? undefined : Number(after));
      return entries.map((e) => ({
        number: e.number,
        at: new Date(e.atMs).toISOString(),
        actor: e.actor,
        action: e.action,
        resource: e.resource,
        outcome: e.outcome,
        data: JSON.parse(e.dataJson),
        hash: e.hash,
      }));
    },
  );
  api.get('/api/v1/audit/verify', async (request) => {
    await door.mayServer(request, 'audit:read', 'audit');
    const head = await audit.signHead();
    const verdict = await audit.verify();
    return verdict.isIntact
      ? {
          intact: true,
          entries: verdict.entries,
          heads_checked: verdict.headsChecked,
          head: head ?? null,
        }
      : { intact: false, problem: verdict.problem, number: verdict.number };
  });
  api.get(
    '/api/v1/decisions/:id',
    { schema: { params: Type.Object({ id: Name }) } },
    async (request) => {
      await door.mayServer(request, 'decisions:read', 'decisions');
      return decisionJson(
        await fabric.explain(request.params.id === 'last' ? 'last-denied' : request.params.id),
      );
    },
  );
  api.get('/api/v1/status', async (request) => {
    await door.callerOf(request);
    return {
      version: parts.version,
      started_at: new Date(parts.startedAtMs).toISOString(),
      node_addresses: parts.advertised(),
      relays: parts.relay.holders.length,
      spliced_channels: parts.relay.splices,
      projects: authority.projects().length,
      ...(parts.accounts === undefined
        ? {}
        : { accounts_url: parts.accounts.url, mail: parts.accounts.mail }),
    };
  });
}
