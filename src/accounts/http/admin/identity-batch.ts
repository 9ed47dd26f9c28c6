/**
 * Many identities at once (`PATCH /admin/identities`). Each stands for itself: one that is refused stops none of the others,
 * and its answer says why.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUuid } from '../../../kernel/index.ts';
import { isJsonObject } from '../../account.ts';
import type { AccountSpec } from '../../administration.ts';
import { errorBody } from '../answer.ts';
import { fields, listField, refuse, textField } from './body.ts';
import { readSpec } from './identity-spec.ts';
import type { AddRoute, AdminParts } from './parts.ts';

const BATCH_MAX = 1_000;
/** Passwords are hashed one by one, and each takes its time. */
const PLAIN_BATCH_MAX = 200;

/** What an item says, or why it can't be read. */
type Reading = { readonly spec: AccountSpec } | { readonly reason: unknown };

function readingOf(create: unknown, defaultSchemaId: string): Reading {
  try {
    return { spec: readSpec(create, defaultSchemaId) };
  } catch (reason) {
    return { reason };
  }
}

/** Whether a password has to be hashed for it. */
function isPlain(reading: Reading): boolean {
  if (!('spec' in reading)) return false;
  const { password } = reading.spec;
  return password?.plain !== undefined && password.hash === undefined;
}

async function createMany(
  { administration, manager }: AdminParts,
  request: FastifyRequest,
  reply: FastifyReply,
  by: string,
): Promise<FastifyReply> {
  const { config, logger } = manager.services;
  const items = listField(fields(request.body, ['identities'], 'The body'), 'identities') ?? [];
  if (items.length > BATCH_MAX) refuse(`At most ${BATCH_MAX} identities at a time`);
  const readings = items.map((item) => {
    const given = fields(item, ['create', 'patch_id'], 'identities[]');
    const patchId = textField(given, 'patch_id');
    if (patchId !== undefined && !isUuid(patchId)) refuse('patch_id is no UUID');
    return {
      reading: readingOf(given['create'], config.defaultSchemaId),
      mark: patchId === undefined ? {} : { patch_id: patchId },
    };
  });
  if (readings.filter(({ reading }) => isPlain(reading)).length > PLAIN_BATCH_MAX)
    refuse(`At most ${PLAIN_BATCH_MAX} identities with passwords in plain at a time`);
  const identities: unknown[] = [];
  for (const { reading, mark } of readings) {
    try {
      if ('reason' in reading) throw reading.reason;
      const account = await administration.create(reading.spec, by);
      identities.push({ action: 'create', identity: account.id, ...mark });
    } catch (reason) {
      const { status, body } = errorBody(reason);
      if (status >= 500) logger.error({ err: reason }, 'an identity of a batch met a fault');
      const error = isJsonObject(body) ? body['error'] : undefined;
      identities.push({ action: 'error', ...mark, error });
    }
  }
  return reply.send({ identities });
}

/** Adds the route. */
export function addIdentityBatch(add: AddRoute, parts: AdminParts): void {
  add('PATCH', '/identities', (q, r, by) => createMany(parts, q, r, by));
}
