/**
 * Sign-in by password (reference: Kratos's method `password`). INVARIANT: an unknown person and a wrong password look the
 * same and take the same time; a password is never kept, logged or shown, only its hash, sealed.
 */
import type { Account, AuthenticationMethod, Credential, JsonObject } from '../account.ts';
import {
  type Flow,
  FlowProblem,
  problem,
  type Submission,
  textOf,
  type Visitor,
} from '../flows/flow.ts';
import type {
  Authenticated,
  Changed,
  LoginMethod,
  Method,
  Registered,
  RegistrationMethod,
  SettingsMethod,
} from '../flows/method.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { attemptBudgets, refuseSpent, STRANGERS_PER_HOUR } from '../throttle.ts';
import { INVALID, LABEL, LOGIN, REGISTRATION } from '../ui/message.ts';
import { input, submit, type UiNode } from '../ui/node.ts';

/** A longer one is refused before it costs anything. */
const PASSWORD_LENGTH_MAX = 1_024;

function passwordNode(autocomplete: string): UiNode {
  return input(
    'password',
    { name: 'password', type: 'password', required: true, autocomplete },
    LABEL.password,
  );
}

function hashOf(account: Account): string | undefined {
  const hash = account.credentials.get('password')?.config['hashed_password'];
  return typeof hash === 'string' ? hash : undefined;
}

/** The credential of a new hash, for the identifiers that the traits give. */
export function passwordCredential(
  identifiers: readonly string[],
  hash: string,
  nowMs: number,
  before?: Credential,
): Credential {
  return {
    type: 'password',
    identifiers,
    version: 0,
    config: { hashed_password: hash },
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

class PasswordLogin implements LoginMethod {
  readonly name = 'password';
  readonly aal = 'aal1';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    if (account !== undefined && hashOf(account) === undefined) return [];
    const label = flow.isRefresh ? LOGIN.signIn : LOGIN.withPassword;
    return [passwordNode('current-password'), submit('password', 'method', 'password', label)];
  }

  async submit(
    _flow: Flow,
    submission: Submission,
    visitor: Visitor,
    known: Account | undefined,
  ): Promise<Authenticated> {
    const { accounts, hasher, budgets, clock, sessions } = this.#services;
    const identifier =
      textOf(submission, 'identifier') ?? textOf(submission, 'password_identifier');
    const password = textOf(submission, 'password');
    const missing = [
      ...(identifier === undefined && known === undefined
        ? [{ node: 'identifier', message: INVALID.required('identifier') }]
        : []),
      ...(password === undefined
        ? [{ node: 'password', message: INVALID.required('password') }]
        : []),
    ];
    if (missing.length > 0 || password === undefined) throw new FlowProblem(missing);
    if (password.length > PASSWORD_LENGTH_MAX) throw problem(INVALID.credentials);
    const name = normaliseIdentifier(identifier ?? '');
    const account = known ?? (await accounts.findByIdentifier(name, ['password']));
    const spent = attemptBudgets({
      ...{ what: 'password', visitor, subject: account?.id ?? name },
      isKnownNetwork: await sessions.wasInNetworkOf(account?.id, visitor.ipAddress),
      strangersPerHour: STRANGERS_PER_HOUR.password,
    });
    await refuseSpent(budgets, spent);
    const hash = account === undefined ? undefined : hashOf(account);
    if (account === undefined || hash === undefined) {
      await hasher.verifyNothing(password);
      throw problem(INVALID.credentials);
    }
    if (!(await hasher.verify(password, hash))) throw problem(INVALID.credentials);
    const nowMs = clock.now();
    const method: AuthenticationMethod = { method: 'password', aal: 'aal1', completedAtMs: nowMs };
    const isLong = Buffer.byteLength(password) > hasher.passwordBytesMax;
    if (isLong || !hasher.needsRehash(hash))
      return { kind: 'authenticated', account, method, spent };
    const before = account.credentials.get('password');
    const credentials = new Map(account.credentials);
    credentials.set(
      'password',
      passwordCredential(before?.identifiers ?? [], await hasher.hash(password), nowMs, before),
    );
    const changed = { ...account, credentials };
    return { kind: 'authenticated', account, method, changed, spent };
  }
}

class PasswordRegistration implements RegistrationMethod {
  readonly name = 'password';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(): Promise<readonly UiNode[]> {
    return [
      passwordNode('new-password'),
      submit('password', 'method', 'password', REGISTRATION.signUp),
    ];
  }

  async submit(
    _flow: Flow,
    submission: Submission,
    traits: JsonObject,
    schema: IdentitySchema,
  ): Promise<Registered> {
    const { hasher, clock } = this.#services;
    const identifiers = schema.identifiers('password', traits);
    const password = await acceptedPassword(this.#services, submission, identifiers);
    if (identifiers.length === 0) throw problem(INVALID.noIdentifier);
    const nowMs = clock.now();
    return {
      kind: 'registered',
      traits,
      credentials: [passwordCredential(identifiers, await hasher.hash(password), nowMs)],
      method: { method: 'password', aal: 'aal1', completedAtMs: nowMs },
    };
  }
}

/** The new password of a submission. Throws FlowProblem for what is wrong with it. */
async function acceptedPassword(
  services: Services,
  submission: Submission,
  identifiers: readonly string[],
): Promise<string> {
  const password = textOf(submission, 'password');
  if (password === undefined) throw problem(INVALID.required('password'), 'password');
  if (password.length > PASSWORD_LENGTH_MAX)
    throw problem(INVALID.passwordLong(PASSWORD_LENGTH_MAX, password.length), 'password');
  const wrong = await services.passwordPolicy.check(password, identifiers);
  if (wrong !== undefined) throw problem(wrong, 'password');
  return password;
}

class PasswordSettings implements SettingsMethod {
  readonly name = 'password';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(): Promise<readonly UiNode[]> {
    return [passwordNode('new-password'), submit('password', 'method', 'password', LABEL.save)];
  }
  isPrivileged(): boolean {
    return true;
  }

  async submit(_flow: Flow, submission: Submission, account: Account): Promise<Changed> {
    const { hasher, clock } = this.#services;
    const identifiers = schemaOf(this.#services, account).identifiers('password', account.traits);
    if (identifiers.length === 0) throw problem(INVALID.noIdentifier);
    const password = await acceptedPassword(this.#services, submission, identifiers);
    // Who changes a password that leaked must not set it again unawares.
    const stored = hashOf(account);
    if (stored !== undefined && (await hasher.verify(password, stored)))
      throw problem(INVALID.passwordSame, 'password');
    const credentials = new Map(account.credentials);
    const hash = await hasher.hash(password);
    const before = credentials.get('password');
    credentials.set('password', passwordCredential(identifiers, hash, clock.now(), before));
    return { kind: 'changed', account: { ...account, credentials }, what: 'password' };
  }
}

/** The method, with the flows that it serves. */
export function createPasswordMethod(services: Services): Method {
  return {
    name: 'password',
    login: new PasswordLogin(services),
    registration: new PasswordRegistration(services),
    settings: new PasswordSettings(services),
  };
}
