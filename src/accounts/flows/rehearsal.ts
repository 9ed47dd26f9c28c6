/**
 * A dry run of social sign-in, for whoever sets a provider up (reference: Kratos's test login flows): the whole way to the
 * provider and back, what its claims were and what the mapper made of them. INVARIANT: it signs nobody in, stores no
 * person, and keeps no token; what was captured is shown to the browser that made the trip alone.
 */
import { PosternError, toPosternError } from '../../kernel/index.ts';
import type { Json, JsonObject } from '../account.ts';
import type { Providers } from '../methods/oidc.ts';
import type { Services } from '../services.ts';
import type { Claims } from '../social/claims.ts';
import type { SocialProvider } from '../social/provider.ts';
import { ProviderRefusal } from '../social/refusal.ts';
import { LOGIN } from '../ui/message.ts';
import { submit } from '../ui/node.ts';
import { newCsrfSecret } from './csrf.ts';
import { type Flow, newFlow, recordOf, show, withNote } from './flow.ts';
import { csrfNode } from './form.ts';

const NOTE = 'rehearsal';

export interface Rehearsal {
  readonly provider: string;
  /** What happened; undefined until somebody came back. */
  readonly payload: JsonObject | undefined;
}

/** What a flow rehearses; undefined for one that signs people in. */
export function rehearsalOf(flow: Flow): Rehearsal | undefined {
  return recordOf(flow, NOTE);
}

/** Whether a dry run was made already: until then it holds nothing of anybody. */
export function isUnmade(flow: Flow): boolean {
  const rehearsal = rehearsalOf(flow);
  return rehearsal !== undefined && rehearsal.payload === undefined;
}

function withRehearsal(flow: Flow, provider: string, payload?: JsonObject): Flow {
  return withNote(flow, NOTE, { provider, ...(payload === undefined ? {} : { payload }) });
}

/** Begins a dry run; its form's token stands for the cookie that no browser has yet. Throws `not_found`. */
export async function beginRehearsal(
  services: Pick<Services, 'config' | 'clock' | 'flows'>,
  providers: Providers,
  providerId: string,
  requestUrl: string,
): Promise<Flow> {
  const { config, clock, flows } = services;
  const provider = providers.get(providerId);
  if (provider === undefined)
    throw new PosternError(
      'not_found',
      `OpenID Connect provider "${providerId}" is not configured`,
    );
  const { id, label } = provider.config;
  const flow = newFlow(
    {
      ...{ kind: 'login', type: 'browser', requestUrl, publicUrl: config.publicUrl },
      lifespanMs: config.flows.login.lifespanMs,
      schemaId: config.defaultSchemaId,
      csrf: newCsrfSecret(),
      isRefresh: true,
    },
    clock.now(),
  );
  const nodes = [csrfNode(flow), submit('oidc', 'provider', id, LOGIN.signInWith(label, id))];
  return flows.insert(show(withRehearsal(flow, id), nodes, []));
}

/** The flow with what the claims are worth. */
export function rehearsed(
  services: Pick<Services, 'schemas' | 'config'>,
  flow: Flow,
  provider: SocialProvider,
  claims: Claims,
): Flow {
  const input: JsonObject = { ...claims };
  const payload: Record<string, Json> = { id_token_claims: claims['raw_claims'] ?? input };
  payload['jsonnet_input'] = input;
  try {
    const { traits, metadataPublic, metadataAdmin, verified } = provider.mapper(claims);
    payload['jsonnet_output'] = {
      identity: {
        traits,
        metadata_public: metadataPublic,
        metadata_admin: metadataAdmin,
        verified_addresses: verified.map(({ via, value }) => ({ via, value })),
      },
    };
    const schema = services.schemas.get(services.config.defaultSchemaId);
    const problems = schema?.problems(traits) ?? [];
    if (problems.length > 0) {
      payload['schema_validation_errors'] = problems.map(({ node, message }) => ({
        path: node ?? '',
        message: message.text,
      }));
      payload['error'] = step('schema_validate', 'traits_invalid', 'The traits do not fit');
    }
  } catch (reason) {
    // Only who made the trip reads it, and has to know why.
    const { message } = toPosternError(reason);
    payload['error'] = step('jsonnet_run', 'evaluation_failed', message);
  }
  return captured(flow, payload);
}

/** The flow with why the provider gave nobody. */
export function rehearsedFault(flow: Flow, reason: unknown): Flow {
  const code = reason instanceof ProviderRefusal ? reason.code : 'fault';
  return captured(flow, {
    error: step('provider', code, 'The provider gave no one to sign in'),
  });
}

function step(name: string, reason: string, message: string): JsonObject {
  return { step: name, reason, message };
}
function captured(flow: Flow, payload: JsonObject): Flow {
  const rehearsal = rehearsalOf(flow);
  return {
    ...withRehearsal(flow, rehearsal?.provider ?? '', payload),
    state: 'passed_challenge',
  };
}

/** `test_context` of a flow, as its reader sees it. */
export function testContextOf(flow: Flow): JsonObject | undefined {
  const rehearsal = rehearsalOf(flow);
  if (rehearsal === undefined) return undefined;
  const { provider, payload } = rehearsal;
  return { provider_id: provider, ...(payload === undefined ? {} : { debug_payload: payload }) };
}
