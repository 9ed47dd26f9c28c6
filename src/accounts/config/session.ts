/**
 * Reads `session` and `feature_flags` of a kratos.yml, with the templates that make tokens of sessions. Keys and programs
 * are taken in here, so that a fault in one shows at the start. INVARIANT: a flag that would do nothing is refused by name.
 */
import type { JWK } from 'jose';
import { PosternError } from '../../kernel/index.ts';
import { compileJsonnet, type Program } from '../jsonnet/index.ts';
import type { AccountsConfig, TokenizerConfig } from './config.ts';
import { type Part, refuse } from './part.ts';
import type { Load } from './read.ts';

const DEFAULT_TTL_MS = 60_000;
const ALGORITHMS = /^(?:[RPE]S(?:256|384|512)|EdDSA|Ed25519)$/;
const FLAGS: ReadonlySet<string> = new Set([
  ...['use_continue_with_transitions', 'faster_session_extend'],
  ...['cacheable_sessions', 'cacheable_sessions_max_age'],
]);

/** What `session` says beside cookies. Throws, naming the key. */
export async function sessionRulesOf(
  part: Part,
  load: Load,
): Promise<Pick<AccountsConfig['session'], 'earliestExtendMs' | 'tokenizers'>> {
  const earliest = part.at('earliest_possible_extend');
  const templates = part.at('whoami', 'tokenizer', 'templates');
  const tokenizers = new Map<string, TokenizerConfig>();
  for (const name of templates.keys())
    tokenizers.set(name, await tokenizerOf(templates.at(name), load));
  return {
    // At any time, as without the key.
    earliestExtendMs: earliest.value === 'lifespan' ? undefined : earliest.durationMs(),
    tokenizers,
  };
}

async function tokenizerOf(part: Part, load: Load): Promise<TokenizerConfig> {
  const ttlMs = part.at('ttl').durationMs() ?? DEFAULT_TTL_MS;
  if (ttlMs < 1_000) refuse(part.at('ttl').path, 'is less than 1s');
  const mapper = part.at('claims_mapper_url');
  return {
    ttlMs,
    ...(await keyOf(part.at('jwks_url'), load)),
    claimsMapper: mapper.isThere ? await programOf(mapper, load) : undefined,
    subjectSource: part.at('subject_source').oneOf(['id', 'external_id']) ?? 'id',
  };
}

/** The first key of a set that signs. */
async function keyOf(
  part: Part,
  load: Load,
): Promise<Pick<TokenizerConfig, 'key' | 'keyId' | 'algorithm'>> {
  const url = part.text() ?? refuse(part.path, 'is missing');
  if (!/^(file|base64):\/\//.test(url))
    refuse(part.path, 'is neither file:// nor base64://: private keys do not come over a network');
  const wrong = (why: string): never => refuse(part.path, why);
  let keys: unknown;
  try {
    keys = Reflect.get(Object(JSON.parse(await load(url))), 'keys');
  } catch {
    // What stands there is secret.
    wrong('is no JSON Web Key Set');
  }
  const list: JWK[] = Array.isArray(keys) ? keys : wrong('is no JSON Web Key Set');
  const jwk = list.find((k) => typeof k === 'object' && k !== null && k.use !== 'enc');
  if (jwk === undefined) return wrong('has no key that signs');
  const algorithm = jwk.alg ?? '';
  if (jwk.d === undefined) wrong('has a public key first: its private half is needed');
  if (!ALGORITHMS.test(algorithm))
    wrong('has a key without a known "alg" (RS256, PS256, ES256, EdDSA …)');
  try {
    const { importJWK } = await import('jose');
    const key = await importJWK(jwk, algorithm);
    if (key instanceof Uint8Array) return wrong('has a shared secret first: tokens are signed');
    return { key, algorithm, keyId: jwk.kid };
  } catch {
    return wrong('has a key that can not be used');
  }
}

async function programOf(part: Part, load: Load): Promise<Program> {
  const url = part.text() ?? refuse(part.path, 'is no text');
  try {
    return compileJsonnet(await load(url));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'is no Jsonnet';
    throw new PosternError('invalid', `kratos.yml: ${part.path}: ${why}`, { cause });
  }
}

/** `feature_flags`. Throws, naming the key. */
export function featuresOf(part: Part): AccountsConfig['features'] {
  for (const name of part.keys())
    if (!FLAGS.has(name) && part.at(name).value !== false)
      throw new PosternError('unsupported', `kratos.yml: ${part.at(name).path} is not supported`, {
        hint: 'Take it out, or set it to false',
      });
  return {
    useContinueWithTransitions: part.at('use_continue_with_transitions').flag() ?? false,
    fasterSessionExtend: part.at('faster_session_extend').flag() ?? false,
    cacheableSessions: part.at('cacheable_sessions').flag() ?? false,
    cacheableSessionsMaxAgeMs: part.at('cacheable_sessions_max_age').durationMs(),
  };
}
