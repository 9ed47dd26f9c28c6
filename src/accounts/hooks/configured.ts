/** Which hooks follow a flow, by the configuration. Pure. */
import type { AccountsConfig, HookConfig, HookName } from '../config/config.ts';
import type { FlowKind } from '../flows/flow.ts';

/**
 * The hooks after a flow by a method: those of the method, else those of all methods; never both, as at Kratos. Only
 * `hooks` that are there count.
 */
export function hooksAfter(
  config: Pick<AccountsConfig, 'flows'>,
  kind: FlowKind,
  method: string | undefined,
): readonly HookConfig[] {
  const { after } = config.flows[kind];
  const own =
    method !== undefined && Object.hasOwn(after.byMethod, method)
      ? (after.byMethod[method]?.hooks ?? [])
      : [];
  return own.length > 0 ? own : after.hooks;
}

/** Whether such a hook is configured. */
export function hasHook(
  config: Pick<AccountsConfig, 'flows'>,
  kind: FlowKind,
  method: string | undefined,
  name: HookName,
): boolean {
  return hooksAfter(config, kind, method).some((h) => h.hook === name);
}
