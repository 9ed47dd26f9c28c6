/**
 * Tokens of sessions (`/sessions/whoami?tokenize_as=…`, reference: Kratos's session tokenizer): a JWT (RFC 7519) that
 * another program checks by itself. INVARIANT: it names a session that stood when it was made; its key is the
 * configuration's, and in no answer; what a mapper failed on is never told.
 */
import { newUuid, PosternError } from '../kernel/index.ts';
import { isJsonObject, type Json, type JsonObject, type Session } from './account.ts';
import type { TokenizerConfig } from './config/config.ts';
import { FlowFault } from './flows/fault.ts';
import type { Services } from './services.ts';
import type { View } from './view.ts';

/**
 * The token of a session by the template `name`; `view` is the session as whoami shows it. Throws FlowFault `bad_request`
 * for a template that there is not, a person without the id it wants, or a mapper that fails.
 */
export async function tokenize(
  services: Pick<Services, 'config' | 'clock' | 'logger'>,
  name: string,
  session: Session,
  shown: View,
): Promise<string> {
  // A view is JSON.
  const view = shown as JsonObject;
  const { config, clock } = services;
  const template = config.session.tokenizers.get(name);
  if (template === undefined)
    throw new FlowFault('bad_request', {}, 'There is no tokenizer template of that name.');
  // Loaded for who asks for tokens alone.
  const { SignJWT } = await import('jose');
  const nowS = Math.floor(clock.now() / 1_000);
  const sub = subjectOf(template, session, view);
  const own: Record<string, Json> = {
    ...{ jti: newUuid(), iss: `${config.publicUrl}/`, sid: session.id, sub },
    ...{ iat: nowS, nbf: nowS, exp: nowS + Math.floor(template.ttlMs / 1_000) },
  };
  const claims = { ...own, ...mapped(services, name, template, view, own), sub };
  return new SignJWT(claims)
    .setProtectedHeader({
      ...{ alg: template.algorithm, typ: 'JWT' },
      ...(template.keyId === undefined ? {} : { kid: template.keyId }),
    })
    .sign(template.key);
}

function subjectOf({ subjectSource }: TokenizerConfig, session: Session, view: JsonObject): string {
  if (subjectSource === 'id') return session.accountId;
  const { identity } = view;
  const id = isJsonObject(identity) ? identity['external_id'] : undefined;
  if (typeof id === 'string' && id !== '') return id;
  throw new FlowFault('bad_request', {}, 'The person of this session has no external id.');
}

function mapped(
  { logger }: Pick<Services, 'logger'>,
  name: string,
  { claimsMapper }: TokenizerConfig,
  view: JsonObject,
  claims: JsonObject,
): JsonObject {
  if (claimsMapper === undefined) return {};
  try {
    const made: unknown = claimsMapper.evaluate({ external: { session: view, claims } });
    const given = isJsonObject(made) ? made['claims'] : undefined;
    if (isJsonObject(given)) return given;
    throw new PosternError('invalid', 'The mapper gives no claims');
  } catch (reason) {
    const [, place = ''] = /(line \d+, column \d+)/.exec(String(reason)) ?? [];
    logger.error({ template: name, place }, 'the mapper of a tokenizer failed');
    throw new FlowFault('bad_request', {}, 'The claims of this token could not be made.');
  }
}
