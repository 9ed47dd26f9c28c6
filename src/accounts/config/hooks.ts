/**
 * Reads the hooks of a kratos.yml: `before` and `after` of each flow, in general and by method. Bodies are compiled here,
 * so that a fault in one shows at the start and not at somebody's sign-in. INVARIANT: a hook that is unknown, or that
 * would never run where it stands, is refused by its name, never passed over.
 */
import { PosternError } from '../../kernel/index.ts';
import type { FlowKind } from '../flows/flow.ts';
import { RECIPIENTS } from '../hooks/notices.ts';
import type { WebHook } from '../hooks/settings.ts';
import type { AfterConfig, FlowConfig, HookConfig, HookName } from './config.ts';
import type { Part } from './part.ts';
import type { Load } from './read.ts';
import { requestOf } from './request.ts';

/** The hooks that do something after a flow. */
const AFTER: Readonly<Record<FlowKind, readonly HookName[]>> = {
  login: [
    ...(['web_hook', 'require_verified_address', 'revoke_active_sessions'] as const),
    ...(['verification', 'show_verification_ui'] as const),
  ],
  registration: ['web_hook', 'session', 'show_verification_ui', 'verification'],
  settings: [
    ...(['web_hook', 'revoke_active_sessions', 'show_verification_ui'] as const),
    ...(['notify_previous_addresses', 'verify_new_address'] as const),
  ],
  recovery: ['web_hook', 'revoke_active_sessions'],
  verification: ['web_hook'],
};

/** What to do about hooks that other servers have. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    'two_step_registration',
    'take it out: selfservice.flows.registration.style is profile_first without it',
  ],
  ['b2b_sso', 'organisations are not supported; take it out'],
]);

function fault(part: Part, why: string, hint?: string): PosternError {
  return new PosternError(
    'unsupported',
    `kratos.yml: ${part.path}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}

/** `before` and `after` of a flow; undefined for one that the file does not have. Throws, naming the key. */
export async function hooksOfFlow(
  kind: FlowKind,
  flow: Part,
  load: Load,
): Promise<Pick<FlowConfig, 'before' | 'after'>> {
  const before = await Promise.all(
    flow
      .at('before', 'hooks')
      .items()
      .map((item) => hookOf(item, ['web_hook'], load)),
  );
  const after = flow.at('after');
  const one = async (part: Part): Promise<AfterConfig> => {
    const url = part.at('default_browser_return_url').text();
    const hooks = await Promise.all(
      part
        .at('hooks')
        .items()
        .map((item) => hookOf(item, AFTER[kind], load)),
    );
    return { hooks, ...(url === undefined ? {} : { defaultReturnUrl: url }) };
  };
  const byMethod = new Map<string, AfterConfig>();
  for (const name of after.keys())
    if (name !== 'hooks' && name !== 'default_browser_return_url')
      byMethod.set(name, await one(after.at(name)));
  return { before, after: { ...(await one(after)), byMethod: Object.fromEntries(byMethod) } };
}

async function hookOf(item: Part, known: readonly HookName[], load: Load): Promise<HookConfig> {
  const name = item.at('hook').text();
  if (name === undefined) throw fault(item, 'names no hook');
  const hint = REFUSED.get(name);
  if (hint !== undefined) throw fault(item, `the hook "${name}" is not supported`, hint);
  const hook = known.find((k) => k === name);
  if (hook === undefined)
    throw fault(item, `the hook "${name}" does nothing here`, `known here: ${known.join(', ')}`);
  if (hook === 'notify_previous_addresses')
    return { hook, recipients: item.at('config', 'recipients').oneOf(RECIPIENTS) ?? 'removed' };
  if (hook !== 'web_hook') return { hook };
  return { hook, web: await webHookOf(item.at('config'), load) };
}

async function webHookOf(part: Part, load: Load): Promise<WebHook> {
  const request = await requestOf(part, load);
  const isIgnored = part.at('response', 'ignore').flag() ?? false;
  const isParsed = part.at('response', 'parse').flag() ?? false;
  const canInterrupt = part.at('can_interrupt').flag() ?? false;
  if (isIgnored && (isParsed || canInterrupt))
    throw fault(
      part.at('response'),
      'an answer that is ignored can neither be parsed nor interrupt',
    );
  return {
    ...request,
    ...{ name: part.at('id').text() ?? part.path, isIgnored, isParsed, canInterrupt },
  };
}
