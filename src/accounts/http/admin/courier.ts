/** The courier's messages as administrators see them (`/admin/courier/messages`), with what became of each. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PosternError } from '../../../kernel/index.ts';
import type { Courier, CourierMessage } from '../../courier/courier.ts';
import type { View } from '../../view.ts';
import { queryText } from '../web.ts';
import { refuse } from './body.ts';
import { linkTo, numberOf, pageSizeOf } from './paging.ts';
import type { AddRoute, AdminParts } from './parts.ts';
import { uuidOf } from './query.ts';

function messageView(m: CourierMessage): View {
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    id: m.id,
    status: m.status,
    type: m.type,
    recipient: m.recipient,
    body: m.body,
    subject: m.subject,
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

async function list(
  courier: Courier,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const status = queryText(request, 'status');
  if (status !== undefined && !['queued', 'processing', 'sent', 'abandoned'].includes(status))
    refuse(`"${status}" is no status of a message`);
  const recipient = queryText(request, 'recipient');
  const [limit, before] = [pageSizeOf(request), numberOf(request)];
  const { messages, next } = await courier.list({
    limit,
    ...(status === undefined ? {} : { status }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(before === undefined ? {} : { before }),
  });
  const token = next === undefined ? undefined : String(next);
  reply.header('link', linkTo(request, '/admin/courier/messages', token));
  return reply.send(messages.map(messageView));
}

async function get(
  courier: Courier,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const found = await courier.get(uuidOf(request));
  if (found === undefined) throw new PosternError('not_found', 'There is no such message');
  return reply.send(messageView(found));
}

/** Adds the routes. */
export function addCourierMessages(add: AddRoute, { courier }: AdminParts): void {
  add('GET', '/courier/messages', (q, r) => list(courier, q, r));
  add('GET', '/courier/messages/:id', (q, r) => get(courier, q, r));
}
