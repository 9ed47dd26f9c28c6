/** All of accounts over one store, put together: what server/ holds, and what the surfaces work with. */
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import type { Clock, Logger } from '../kernel/index.ts';
import { type Store, sweepInTurns } from '../store/index.ts';
import { Budgets } from './budgets.ts';
import type { AccountsConfig } from './config/config.ts';
import { LoginFlows } from './flows/login.ts';
import type { Method } from './flows/method.ts';
import { RecoveryFlows } from './flows/recovery.ts';
import { RegistrationFlows } from './flows/registration.ts';
import { SettingsFlows } from './flows/settings.ts';
import { SocialFlows } from './flows/social.ts';
import { SocialPeople } from './flows/social-people.ts';
import { FlowStore } from './flows/store.ts';
import { VerificationFlows } from './flows/verification.ts';
import { FlowHooks } from './hooks/flow-hooks.ts';
import { createCodeMethod } from './methods/code.ts';
import { createLookupMethod } from './methods/lookup-secret.ts';
import { createSocialMethod, type Providers } from './methods/oidc.ts';
import { createPasskeyMethod } from './methods/passkey.ts';
import { createPasswordMethod } from './methods/password.ts';
import { createProfileMethod } from './methods/profile.ts';
import { createTotpMethod } from './methods/totp.ts';
import { createWebauthnMethod } from './methods/webauthn.ts';
import type { Brand } from './pages/brand.ts';
import { AccountRepository } from './repository.ts';
import { compileIdentitySchema } from './schema/identity-schema.ts';
import type { MessageQueue, PasswordHasher, PasswordPolicy, Services } from './services.ts';
import { SessionManager } from './sessions.ts';

const SWEEP_INTERVAL_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

export interface AccountsParts {
  readonly config: AccountsConfig;
  readonly brand: Brand;
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hasher: PasswordHasher;
  readonly passwordPolicy: PasswordPolicy;
  readonly messages: MessageQueue;
}

export class AccountsManager {
  readonly services: Services;
  readonly methods: readonly Method[];
  readonly login: LoginFlows;
  readonly registration: RegistrationFlows;
  readonly settings: SettingsFlows;
  readonly recovery: RecoveryFlows;
  readonly verification: VerificationFlows;
  readonly social: SocialFlows;
  /** Of social sign-in, by id. */
  readonly providers: Providers;
  #sweeper: NodeJS.Timeout | undefined;

  private constructor(services: Services, providers: Providers) {
    this.services = services;
    const { methods } = services.config;
    this.providers = providers;
    const people = new SocialPeople(services);
    this.methods = [
      ...(methods.profile.isEnabled ? [createProfileMethod(services)] : []),
      ...(methods.password.isEnabled ? [createPasswordMethod(services)] : []),
      ...(methods.passkey.isEnabled ? [createPasskeyMethod(services)] : []),
      ...(methods.webauthn.isEnabled ? [createWebauthnMethod(services)] : []),
      ...(methods.oidc.isEnabled ? [createSocialMethod(services, providers, people)] : []),
      ...(methods.code.isEnabled ? [createCodeMethod(services)] : []),
      ...(methods.totp.isEnabled ? [createTotpMethod(services)] : []),
      ...(methods.lookupSecret.isEnabled ? [createLookupMethod(services)] : []),
    ];
    this.verification = new VerificationFlows(services);
    this.login = new LoginFlows(services, this.methods);
    this.registration = new RegistrationFlows(services, this.methods, this.verification);
    this.settings = new SettingsFlows(services, this.methods, this.verification);
    this.recovery = new RecoveryFlows(services, this.settings);
    this.social = new SocialFlows(services, providers, this, people);
  }

  /** Throws `invalid` for an identity schema that does not compile. */
  static async open(parts: AccountsParts): Promise<AccountsManager> {
    const { store, fabric, clock, config } = parts;
    const accounts = new AccountRepository(store, fabric);
    await accounts.open();
    // Made now: a key that is first made inside of a transaction would wait for it.
    for (const name of ['accounts/flows', 'accounts/codes', 'accounts/logout', 'accounts/messages'])
      await fabric.keyring.secret(name);
    const schemas = new Map(
      config.schemas.map(({ id, document }) => [id, compileIdentitySchema(id, document)]),
    );
    const services: Services = {
      ...parts,
      accounts,
      sessions: new SessionManager({
        ...{ store, fabric, clock },
        lifespanMs: config.session.lifespanMs,
      }),
      flows: new FlowStore({ store, fabric, clock }),
      budgets: new Budgets({ store, clock }),
      schemas,
      hooks: new FlowHooks({ ...parts, schemas }),
    };
    const manager = new AccountsManager(services, await providersOf(services));
    manager.#sweeper = setInterval(() => void manager.#sweep(), SWEEP_INTERVAL_MS);
    manager.#sweeper.unref();
    return manager;
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  async #sweep(): Promise<void> {
    const { flows, sessions, budgets, logger } = this.services;
    try {
      await sweepInTurns(() => flows.sweep(DAY_MS));
      await sweepInTurns(() => sessions.sweep(30 * DAY_MS));
      await sweepInTurns(() => budgets.sweep(2 * DAY_MS));
    } catch (reason) {
      logger.warn({ err: reason }, 'what has expired could not be removed; it is tried again');
    }
  }
}

/** Their libraries are loaded where there is one. */
async function providersOf({ config, clock }: Services): Promise<Providers> {
  const { providers, redirectBaseUrl } = config.methods.oidc;
  if (providers.length === 0) return new Map();
  const { SocialProvider } = await import('./social/provider.ts');
  const baseUrl = redirectBaseUrl ?? config.publicUrl;
  return new Map(providers.map((p) => [p.id, new SocialProvider(p, { baseUrl, clock })]));
}
