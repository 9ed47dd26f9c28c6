/**
 * What shows a secret: credentials' configurations (hashes, seeds of second factors, backup codes) and the mails that carry codes
 * and links. INVARIANT: reading accounts is not enough for it, since who knows one can become the account; each showing is in the
 * audit, one entry a request, before the answer leaves.
 */
import type { FastifyRequest } from 'fastify';
import { PosternError } from '../../../kernel/index.ts';
import type { AdminParts } from './parts.ts';

const SCOPE = 'accounts:secrets';

/** Throws `denied`, naming the scope. */
export async function insistOnSecrets(parts: AdminParts, request: FastifyRequest): Promise<void> {
  await parts.authorise(request, SCOPE);
}

export async function mayShowSecrets(parts: AdminParts, request: FastifyRequest): Promise<boolean> {
  try {
    await parts.authorise(request, SCOPE);
    return true;
  } catch (reason) {
    if (reason instanceof PosternError && reason.code === 'denied') return false;
    throw reason;
  }
}

/** Writes down what is about to be shown, and to whom. */
export async function noteShown(
  { manager }: AdminParts,
  by: string,
  resource: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { store, audit } = manager.services;
  await store.write((trx) =>
    audit.append(trx, { actor: by, action: 'accounts:show-secrets', resource, data }),
  );
}
