/** The courier's messages as administrators see them (`/admin/courier/messages`), with what became of each. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PosternError } from '../../../kernel/index.ts';
import type { CourierMessage } from '../../courier/courier.ts';
import type { View } from '../../view.ts';
import { queryText } from '../web.ts';
import { refuse } from './body.ts';
import { linkTo, numberOf, pageSizeOf } from './paging.ts';
import type { AddRoute, AdminParts } from './parts.ts';
import { uuidOf } from './query.ts';
import { mayShowSecrets, noteShown } from './secrets.ts';

/** As Kratos shows them to administrators in production. */
const REDACTED = '<redacted-unless-dev-mode>';

function messageView(m: CourierMessage, isWhole: boolean): View {
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    id: m.id,
    status: m.status,
    type: m.type,
    recipient: m.recipient,
    body: isWhole ? m.body : REDACTED,
    subject: isWhole ? m.subject : REDACTED,
    template_type: m.templateType,
    channel: m.channel,
    send_count: m.sendCount,
    dispatches: m.dispatches.map((d) => ({
      id: d.id,
      message_id: m.id,
      status: d.status,
      ...(d.error === undefined ? {} : { error: d.error }),
      created_at: iso(d.atMs),
      updated_at: iso(d.atMs),
    })),
    created_at: iso(m.createdAtMs),
    updated_at: iso(m.updatedAtMs),
  };
}

/** Messages as the administrator may see them: who may not see secrets learns what became of each, not what it said. */
async function shown(
  parts: AdminParts,
  messages: readonly CourierMessage[],
  request: FastifyRequest,
  by: string,
): Promise<readonly View[]> {
  const isWhole = await mayShowSecrets(parts, request);
  if (isWhole && messages.length > 0)
    await noteShown(parts, by, 'courier', { messages: messages.map(({ id }) => id) });
  return messages.map((m) => messageView(m, isWhole));
}

async function list(
  parts: AdminParts,
  request: FastifyRequest,
  reply: FastifyReply,
  by: string,
): Promise<FastifyReply> {
  const status = queryText(request, 'status');
  if (status !== undefined && !['queued', 'processing', 'sent', 'abandoned'].includes(status))
    refuse(`"${status}" is no status of a message`);
  const recipient = queryText(request, 'recipient');
  const [limit, before] = [pageSizeOf(request), numberOf(request)];
  const { messages, next } = await parts.courier.list({
    limit,
    ...(status === undefined ? {} : { status }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(before === undefined ? {} : { before }),
  });
  const token = next === undefined ? undefined : String(next);
  reply.header('link', linkTo(request, '/admin/courier/messages', token));
  return reply.send(await shown(parts, messages, request, by));
}

async function get(
  parts: AdminParts,
  request: FastifyRequest,
  reply: FastifyReply,
  by: string,
): Promise<FastifyReply> {
  const found = await parts.courier.get(uuidOf(request));
  if (found === undefined) throw new PosternError('not_found', 'There is no such message');
  const [view] = await shown(parts, [found], request, by);
  return reply.send(view);
}

/** Adds the routes. */
export function addCourierMessages(add: AddRoute, parts: AdminParts): void {
  add('GET', '/courier/messages', (q, r, by) => list(parts, q, r, by));
  add('GET', '/courier/messages/:id', (q, r, by) => get(parts, q, r, by));
}
