/**
 * The web hooks of the flows: when which is asked, what it is told and what follows (reference: Kratos's hooks).
 * INVARIANT: what a hook has to agree to is asked before it is stored; what a hook's answer or its program says is never
 * logged, since it may be somebody's data.
 */
import type { Audit } from '../../audit/index.ts';
import { type Clock, type Logger, newUuid, PosternError } from '../../kernel/index.ts';
import type { Store } from '../../store/index.ts';
import type { Account, Session } from '../account.ts';
import type { AccountsConfig, HookConfig } from '../config/config.ts';
import { FlowFault } from '../flows/fault.ts';
import { type Flow, FlowProblem, type RequestFacts } from '../flows/flow.ts';
import { type Answer, type SendOptions, send, Unreachable } from '../outgoing/client.ts';
import { encodedBody } from '../outgoing/request.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import { flowView, personView, sessionView, type View } from '../view.ts';
import { HookAnswerFault, hookMessages, type IdentityChanges, identityChanges } from './answer.ts';
import { applyChanges } from './apply.ts';
import { hooksAfter } from './configured.ts';
import { isDecisive, type WebHook } from './settings.ts';

/** Hooks whose answer nobody waits for, at once: beyond, a slow receiver would pile them up without end. */
const IGNORED_AT_ONCE_MAX = 1_000;

/** What happens, and to whom. */
export interface Occasion {
  readonly flow: Flow;
  readonly account?: Account | undefined;
  readonly session?: Session | undefined;
  readonly request: RequestFacts | undefined;
}

export interface FlowHooksParts {
  readonly config: AccountsConfig;
  readonly store: Store;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly schemas: ReadonlyMap<string, IdentitySchema>;
  readonly client?: SendOptions;
}

export class FlowHooks {
  readonly #parts: FlowHooksParts;
  #ignored = 0;

  constructor(parts: FlowHooksParts) {
    this.#parts = parts;
  }

  /** Asks the hooks before a flow. Throws FlowProblem or FlowFault where one stops it. */
  async before(occasion: Occasion): Promise<void> {
    await this.#askAll(this.#parts.config.flows[occasion.flow.kind].before, occasion);
  }

  /**
   * Asks the hooks that have to agree before something is stored; answers the account as they want it. Throws FlowProblem
   * or FlowFault where one stops it.
   */
  async decide(
    method: string | undefined,
    occasion: Occasion & { account: Account },
  ): Promise<Account> {
    const hooks = this.#after(method, occasion).filter((h) => h.web && isDecisive(h.web));
    return (await this.#askAll(hooks, occasion)) ?? occasion.account;
  }

  /** Asks the other hooks, once it is stored. Throws FlowFault where one fails whose answer is not ignored. */
  async tell(method: string | undefined, occasion: Occasion): Promise<void> {
    const hooks = this.#after(method, occasion).filter((h) => h.web && !isDecisive(h.web));
    await this.#askAll(hooks, occasion);
  }

  /** Asks all hooks, where nothing of theirs is stored. Throws FlowProblem or FlowFault where one stops it. */
  async ask(method: string | undefined, occasion: Occasion): Promise<void> {
    await this.#askAll(this.#after(method, occasion), occasion);
  }

  #after(method: string | undefined, { flow }: Occasion): readonly HookConfig[] {
    return hooksAfter(this.#parts.config, flow.kind, method);
  }

  async #askAll(hooks: readonly HookConfig[], occasion: Occasion): Promise<Account | undefined> {
    let { account } = occasion;
    for (const { web } of hooks) {
      if (web === undefined) continue;
      const now = { ...occasion, account };
      if (web.isIgnored) this.#send(web, now);
      else account = await this.#judge(web, now);
    }
    return account;
  }

  /** Sends and does not wait; what fails is logged, as at Kratos. */
  #send(hook: WebHook, occasion: Occasion): void {
    const { logger } = this.#parts;
    if (this.#ignored >= IGNORED_AT_ONCE_MAX) {
      logger.error(
        { hook: hook.name },
        'too many web hooks wait for their answer: one is left out',
      );
      return;
    }
    this.#ignored += 1;
    void this.#exchange(hook, occasion)
      .catch(() => undefined)
      .finally(() => {
        this.#ignored -= 1;
      });
  }

  async #judge(hook: WebHook, occasion: Occasion): Promise<Account | undefined> {
    const { account } = occasion;
    try {
      const answer = await this.#exchange(hook, occasion);
      if (answer === undefined) return account;
      if (answer.status >= 300) {
        // Redirects are not followed: they are no agreement.
        if (answer.status < 400 || !isDecisive(hook)) throw new HookAnswerFault('it refused');
        throw new FlowProblem(hookMessages(answer.text));
      }
      if (!hook.isParsed || answer.status !== 200) return account;
      const changes = identityChanges(answer.text);
      if (changes === undefined || account === undefined) return account;
      return await this.#changed(hook, occasion, account, changes);
    } catch (reason) {
      await this.#record(hook, occasion, reason instanceof FlowProblem ? 'stopped' : 'failed');
      throw this.#faultOf(hook, reason);
    }
  }

  async #changed(
    hook: WebHook,
    occasion: Occasion,
    account: Account,
    changes: IdentityChanges,
  ): Promise<Account> {
    const { kind } = occasion.flow;
    // As at Kratos, the other flows store nothing of the identity.
    if (kind !== 'registration' && kind !== 'settings') return account;
    const changed = applyChanges(this.#parts, account, changes);
    await this.#record(hook, occasion, 'changed');
    return changed;
  }

  #faultOf(hook: WebHook, reason: unknown): unknown {
    if (reason instanceof Unreachable)
      return new FlowFault(reason.kind === 'timeout' ? 'gateway_timeout' : 'bad_gateway');
    if (!(reason instanceof HookAnswerFault)) return reason;
    this.#parts.logger.error({ hook: hook.name, why: reason.message }, 'a web hook failed');
    return new FlowFault('bad_gateway');
  }

  /** The answer; undefined when the hook's program wants nothing to be sent. Throws Unreachable. */
  async #exchange(hook: WebHook, occasion: Occasion): Promise<Answer | undefined> {
    const { logger, client } = this.#parts;
    const body = this.#bodyOf(hook, occasion);
    if (body === 'cancel') return undefined;
    const beganMs = performance.now();
    try {
      const trigger = newUuid();
      const marks = (): Record<string, string> => ({
        'ory-webhook-request-id': newUuid(),
        'ory-webhook-trigger-id': trigger,
      });
      const answer = await send(hook, body.text, { ...client, marks });
      const durationMs = Math.round(performance.now() - beganMs);
      const facts = { hook: hook.name, status: answer.status, durationMs };
      if (answer.status < 300) logger.info(facts, 'a web hook was asked');
      else logger.warn(facts, 'a web hook refused');
      return answer;
    } catch (reason) {
      const why = reason instanceof Unreachable ? reason.message : 'unknown';
      logger.error({ hook: hook.name, why }, 'a web hook could not be asked');
      throw reason;
    }
  }

  #bodyOf(hook: WebHook, occasion: Occasion): 'cancel' | { readonly text: string | undefined } {
    if (hook.body === undefined) return { text: undefined };
    try {
      const made = hook.body.evaluate({ named: { ctx: this.#context(occasion) } });
      return { text: encodedBody(hook, made) };
    } catch (reason) {
      if (reason instanceof PosternError && reason.facts['thrown'] === 'cancel') return 'cancel';
      this.#parts.logger.error({ hook: hook.name }, "a web hook's program failed");
      throw new PosternError('internal', 'A web hook of this server could not be prepared');
    }
  }

  #context({ flow, account, session, request }: Occasion): View {
    const { publicUrl, hookHeaders } = this.#parts.config;
    const identity = account === undefined ? undefined : personView(account, publicUrl);
    const names = new Map(hookHeaders.map((name) => [name.toLowerCase(), name]));
    const headers = Object.entries(request?.headers ?? {}).filter(([n]) =>
      names.has(n.toLowerCase()),
    );
    return {
      flow: flowView(flow, flow.kind === 'settings' ? identity : undefined),
      request_headers: Object.fromEntries(headers),
      request_method: request?.method ?? '',
      request_url: request?.url ?? '',
      request_cookies: request?.cookies ?? {},
      ...(identity === undefined ? {} : { identity }),
      ...(session === undefined ? {} : { session: sessionView(session, identity) }),
    };
  }

  /** Only what changed or stopped something is in the audit: the rest changed nothing. */
  async #record(
    hook: WebHook,
    { flow, account }: Occasion,
    outcome: 'changed' | 'stopped' | 'failed',
  ): Promise<void> {
    const { store, audit } = this.#parts;
    await store.write((trx) =>
      audit.append(trx, {
        actor: account?.id ?? flow.accountId ?? 'anyone',
        action: 'accounts:hook',
        resource: `flow/${flow.id}`,
        data: { hook: hook.name, kind: flow.kind, outcome },
      }),
    );
  }
}
