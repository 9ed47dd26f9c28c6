/**
 * Security keys: a second factor, or where the configuration says so a first one, for somebody who said who they are
 * (reference: Kratos's method `webauthn`). INVARIANT: a key counts for the account that the flow knows already, and a key
 * registered as a second factor is never a first one.
 */
import { randomBytes } from 'node:crypto';
import { isShown } from '../../kernel/index.ts';
import type { Account, JsonObject } from '../account.ts';
import {
  type Flow,
  noteOf,
  problem,
  type Submission,
  show,
  textOf,
  type Visitor,
  withNote,
} from '../flows/flow.ts';
import { csrfNode } from '../flows/form.ts';
import type {
  Authenticated,
  Changed,
  LoginMethod,
  Method,
  Registered,
  RegistrationMethod,
  SettingsMethod,
  Shown,
} from '../flows/method.ts';
import { type IdentitySchema, normaliseIdentifier } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { attemptBudgets, refuseSpent } from '../throttle.ts';
import { INVALID, LOGIN, REGISTRATION, SETTINGS } from '../ui/message.ts';
import { input, submit, type UiNode, type UiText } from '../ui/node.ts';
import {
  claimedOf,
  creationOptions,
  requestOptions,
  verifyCreation,
  verifyProof,
} from '../webauthn/ceremony.ts';
import { refuseCopied } from '../webauthn/copied.ts';
import {
  firstFactorCount,
  type KeyRing,
  type PublicKey,
  removalName,
  ringCredential,
  ringOf,
} from '../webauthn/credential.ts';
import { hiddenField, scriptNodes, trigger } from '../webauthn/nodes.ts';

const NOTE = 'webauthn';
const CHALLENGE_BYTES = 32;
const KEYS_MAX = 20;
const NAME_MAX = 100;

function withChallenge(flow: Flow): Flow {
  return withNote(flow, NOTE, randomBytes(CHALLENGE_BYTES).toString('base64url'));
}
function challengeOf(flow: Flow): string | undefined {
  const note = noteOf(flow, NOTE);
  return typeof note === 'string' ? note : undefined;
}
const newHandle = (): string => randomBytes(CHALLENGE_BYTES).toString('base64url');
/** What a security key knows a person by: their id, which says nothing of them. */
const handleOf = (account: Account): string =>
  Buffer.from(account.id.replaceAll('-', ''), 'hex').toString('base64url');

function withRing(services: Services, account: Account, ring: KeyRing, nowMs: number): Account {
  const credentials = new Map(account.credentials);
  const before = credentials.get('webauthn');
  const named = schemaOf(services, account).identifiers('webauthn', account.traits);
  const identifiers = named.length === 0 ? [account.id] : named;
  if (ring.keys.length === 0) credentials.delete('webauthn');
  else credentials.set('webauthn', ringCredential('webauthn', ring, identifiers, nowMs, before));
  return { ...account, credentials };
}

class WebauthnLogin implements LoginMethod {
  readonly name = 'webauthn';
  readonly aal: 'aal1' | 'aal2';
  readonly #services: Services;
  constructor(services: Services, aal: 'aal1' | 'aal2') {
    this.#services = services;
    this.aal = aal;
  }

  #keys(account: Account | undefined): readonly PublicKey[] {
    const { keys } = ringOf(account, 'webauthn');
    return keys.filter((k) => k.isPasswordless === (this.aal === 'aal1'));
  }

  async nodes(flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    // Of programs' flows there are none: a key belongs to a browser here.
    if (flow.type !== 'browser') return [];
    if (account === undefined)
      return this.aal === 'aal1'
        ? [submit('webauthn', 'method', 'webauthn', LOGIN.useSecurityKey)]
        : [];
    return this.#proofNodes(flow, this.#keys(account), LOGIN.useSecurityKey);
  }

  #proofNodes(flow: Flow, known: readonly PublicKey[], label: UiText): UiNode[] {
    const { config } = this.#services;
    const challenge = challengeOf(flow);
    if (challenge === undefined || known.length === 0) return [];
    const isSecondFactor = this.aal === 'aal2';
    const { rp } = config.methods.webauthn;
    const options = requestOptions({ rp, challenge, known, isSecondFactor });
    return [
      ...scriptNodes(flow, config.publicUrl),
      trigger(flow, 'webauthn', {
        name: 'webauthn_login_trigger',
        run: 'oryWebAuthnLogin',
        value: JSON.stringify(options),
        label,
      }),
      hiddenField('webauthn', 'webauthn_login'),
    ];
  }

  async submit(
    flow: Flow,
    submission: Submission,
    visitor: Visitor,
    known: Account | undefined,
  ): Promise<Authenticated | Shown> {
    const { accounts, budgets, clock, config, sessions } = this.#services;
    const identifier = textOf(submission, 'identifier');
    if (known === undefined && identifier === undefined)
      throw problem(INVALID.required('identifier'), 'identifier');
    const name = normaliseIdentifier(identifier ?? '');
    const account = known ?? (await accounts.findByIdentifier(name, ['webauthn']));
    const spent = attemptBudgets({
      ...{ what: 'webauthn', visitor, subject: account?.id ?? name },
      isKnownNetwork: await sessions.wasInNetworkOf(account?.id, visitor.ipAddress, this.aal),
    });
    await refuseSpent(budgets, spent);
    const keys = this.#keys(account);
    if (account === undefined || keys.length === 0) throw problem(INVALID.noWebauthnUser);
    const answer = textOf(submission, 'webauthn_login');
    if (answer === undefined)
      return { kind: 'shown', flow: this.#ask(flow, identifier ?? '', keys) };
    const challenge = challengeOf(flow);
    const key = keys.find(({ id }) => id === claimedOf(answer)?.id);
    const { rp } = config.methods.webauthn;
    const proof =
      key === undefined || challenge === undefined
        ? undefined
        : await verifyProof(answer, key, { rp, challenge });
    if (key === undefined || proof === undefined) throw problem(INVALID.webauthnWrong);
    const nowMs = clock.now();
    const ring = ringOf(account, 'webauthn');
    if (proof === 'copied') {
      const marked = { ...key, hasCloneWarning: true };
      const keys = ring.keys.map((k) => (k.id === key.id ? marked : k));
      const changed = withRing(this.#services, account, { ...ring, keys }, nowMs);
      return refuseCopied(this.#services, changed, marked);
    }
    const moved = ring.keys.map((k) => (k.id === key.id ? { ...k, ...proof } : k));
    return {
      kind: 'authenticated',
      account,
      changed: withRing(this.#services, account, { ...ring, keys: moved }, nowMs),
      method: { method: 'webauthn', aal: this.aal, completedAtMs: nowMs },
      spent,
    };
  }

  /** The flow with nothing but the key to be used, for somebody who said who they are. */
  #ask(flow: Flow, identifier: string, keys: readonly PublicKey[]): Flow {
    const nodes = [
      csrfNode(flow),
      input('default', { name: 'identifier', type: 'hidden', value: identifier, required: true }),
      ...this.#proofNodes(flow, keys, LOGIN.continue),
    ];
    return show(flow, nodes, [LOGIN.prepareSecurityKey]);
  }
}

/** What a key that begins an account knows the person by: the account has no id yet. */
const HANDLE = 'webauthn_handle';

class WebauthnRegistration implements RegistrationMethod {
  readonly name = 'webauthn';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(flow: Flow): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const challenge = challengeOf(flow);
    const userHandle = noteOf(flow, HANDLE);
    if (flow.type !== 'browser' || challenge === undefined || typeof userHandle !== 'string')
      return [];
    const { rp } = config.methods.webauthn;
    const options = creationOptions({
      ...{ rp, challenge, userHandle, name: '', known: [], isPasskey: false },
    });
    return [
      nameField(),
      trigger(flow, 'webauthn', {
        name: 'webauthn_register_trigger',
        run: 'oryWebAuthnRegistration',
        value: JSON.stringify(options),
        label: REGISTRATION.withSecurityKey,
      }),
      ...scriptNodes(flow, config.publicUrl),
      hiddenField('webauthn', 'webauthn_register'),
    ];
  }

  async submit(
    flow: Flow,
    submission: Submission,
    traits: JsonObject,
    schema: IdentitySchema,
  ): Promise<Registered> {
    const { clock, config } = this.#services;
    const answer = textOf(submission, 'webauthn_register');
    const challenge = challengeOf(flow);
    const userHandle = noteOf(flow, HANDLE);
    if (answer === undefined || challenge === undefined || typeof userHandle !== 'string')
      throw problem(INVALID.required('webauthn_register'));
    const identifiers = schema.identifiers('webauthn', traits);
    if (identifiers.length === 0) throw problem(INVALID.noIdentifier);
    const { rp } = config.methods.webauthn;
    const made = await verifyCreation(answer, { rp, challenge });
    if (made === undefined) throw problem(INVALID.webauthnWrong);
    const nowMs = clock.now();
    const displayName = keyName(submission);
    const key = { ...made, displayName, isPasswordless: true, addedAtMs: nowMs };
    const ring = { keys: [key], userHandle };
    return {
      kind: 'registered',
      traits,
      credentials: [ringCredential('webauthn', ring, identifiers, nowMs)],
      method: { method: 'webauthn', aal: 'aal1', completedAtMs: nowMs },
    };
  }
}

/** The field for a key's name, and what was typed there. */
function nameField(): UiNode {
  return input(
    'webauthn',
    { name: 'webauthn_register_displayname', type: 'text', value: '', maxlength: NAME_MAX },
    SETTINGS.securityKeyName,
  );
}
function keyName(submission: Submission): string {
  const field = 'webauthn_register_displayname';
  const name = (textOf(submission, field) ?? '').slice(0, NAME_MAX);
  if (!isShown(name)) throw problem(INVALID.nameUnshown, field);
  return name;
}

class WebauthnSettings implements SettingsMethod {
  readonly name = 'webauthn';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }
  isPrivileged(): boolean {
    return true;
  }

  async nodes(flow: Flow, account: Account): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const { rp, isPasswordless } = config.methods.webauthn;
    const challenge = challengeOf(flow);
    const ring = ringOf(account, 'webauthn');
    const isLast = firstFactorCount(account) < 2;
    const removals = ring.keys.map((key) => {
      const label = SETTINGS.removeSecurityKey(key.displayName || 'unnamed', key.addedAtMs);
      const node = submit('webauthn', 'webauthn_remove', removalName(key), label);
      const disabled = key.isPasswordless && isLast;
      return { ...node, attributes: { ...node.attributes, disabled } } as UiNode;
    });
    if (flow.type !== 'browser' || challenge === undefined || ring.keys.length >= KEYS_MAX)
      return removals;
    const [name = account.id] = schemaOf(this.#services, account).identifiers(
      'webauthn',
      account.traits,
    );
    const userHandle = handleOf(account);
    const options = creationOptions({
      ...{ rp, challenge, name, userHandle, known: ring.keys, isPasskey: false },
      isSecondFactor: !isPasswordless,
    });
    return [
      ...scriptNodes(flow, config.publicUrl),
      ...removals,
      nameField(),
      trigger(flow, 'webauthn', {
        name: 'webauthn_register_trigger',
        run: 'oryWebAuthnRegistration',
        value: JSON.stringify(options),
        label: SETTINGS.addSecurityKey,
      }),
      hiddenField('webauthn', 'webauthn_register'),
    ];
  }

  async submit(flow: Flow, submission: Submission, account: Account): Promise<Changed> {
    const { clock, config } = this.#services;
    const { rp, isPasswordless } = config.methods.webauthn;
    const ring = ringOf(account, 'webauthn');
    const nowMs = clock.now();
    const removed = textOf(submission, 'webauthn_remove');
    if (removed !== undefined) {
      const gone = ring.keys.find((k) => removalName(k) === removed);
      if (gone === undefined) throw problem(INVALID.noWebauthn);
      if (gone.isPasswordless && firstFactorCount(account) < 2)
        throw problem(INVALID.lastCredential);
      const keys = ring.keys.filter((k) => k !== gone);
      const without = withRing(this.#services, account, { ...ring, keys }, nowMs);
      return { kind: 'changed', account: without, what: 'security key removed' };
    }
    const answer = textOf(submission, 'webauthn_register');
    const challenge = challengeOf(flow);
    if (answer === undefined || challenge === undefined || ring.keys.length >= KEYS_MAX)
      throw problem(INVALID.required('webauthn_register'));
    const made = await verifyCreation(answer, { rp, challenge });
    if (made === undefined || ring.keys.some(({ id }) => id === made.id))
      throw problem(INVALID.webauthnWrong);
    const key = { ...made, isPasswordless, addedAtMs: nowMs, displayName: keyName(submission) };
    const with_ = { keys: [...ring.keys, key], userHandle: handleOf(account) };
    const changed = withRing(this.#services, account, with_, nowMs);
    const aal = isPasswordless ? 'aal1' : 'aal2';
    return {
      ...{ kind: 'changed', account: changed, what: 'security key added' },
      proved: { method: 'webauthn', aal, completedAtMs: nowMs },
    };
  }
}

export function createWebauthnMethod(services: Services): Method {
  const { isPasswordless } = services.config.methods.webauthn;
  return {
    name: 'webauthn',
    // Keys of before a change of the configuration stay what they were registered as.
    ...(isPasswordless
      ? {
          login: new WebauthnLogin(services, 'aal1'),
          registration: new WebauthnRegistration(services),
        }
      : {}),
    secondFactor: new WebauthnLogin(services, 'aal2'),
    settings: new WebauthnSettings(services),
    prepare: (flow) => withNote(withChallenge(flow), HANDLE, newHandle()),
    prepareSettings: withChallenge,
  };
}
