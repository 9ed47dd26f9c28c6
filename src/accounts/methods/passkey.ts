/**
 * Passkeys: keys that live on the person's own devices, know who they belong to, and sign in by themselves (reference:
 * Kratos's method `passkey`). INVARIANT: who signs in is whom the key belongs to here, whatever else the answer says; the
 * last way to sign in is never taken away.
 */
import { randomBytes } from 'node:crypto';
import type { Account, JsonObject } from '../account.ts';
import {
  type Flow,
  problem,
  recordOf,
  type Submission,
  textOf,
  type Visitor,
  withNote,
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
import { type Services, schemaOf } from '../services.ts';
import { newToken } from '../sessions.ts';
import { attemptBudgets, refuseSpent } from '../throttle.ts';
import { INVALID, LOGIN, REGISTRATION, SETTINGS } from '../ui/message.ts';
import { submit, type UiNode } from '../ui/node.ts';
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
  passkeyIdentifier,
  removalName,
  ringCredential,
  ringOf,
} from '../webauthn/credential.ts';
import { hiddenField, scriptNodes, trigger } from '../webauthn/nodes.ts';

const NOTE = 'passkey';
const CHALLENGE_BYTES = 32;
const KEYS_MAX = 20;

interface Note {
  readonly challenge: string;
  /** 64 characters that say nothing of the person, base64url. */
  readonly userHandle: string;
}

function withChallenge(flow: Flow): Flow {
  return withNote(flow, NOTE, {
    challenge: randomBytes(CHALLENGE_BYTES).toString('base64url'),
    userHandle: Buffer.from(`${newToken('')}${newToken('')}`).toString('base64url'),
  });
}
function challengeOf(flow: Flow): Note | undefined {
  return recordOf(flow, NOTE);
}

class PasskeyLogin implements LoginMethod {
  readonly name = 'passkey';
  readonly aal = 'aal1';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const { rp } = config.methods.passkey;
    const note = challengeOf(flow);
    if (note === undefined) return [];
    const { keys } = ringOf(account, 'passkey');
    if (account !== undefined && keys.length === 0) return [];
    const options = requestOptions({
      ...{ rp, challenge: note.challenge },
      ...(account === undefined ? {} : { known: keys }),
    });
    const result = hiddenField('passkey', 'passkey_login');
    const load = 'oryPasskeyLoginAutocompleteInit';
    return [
      hiddenField('passkey', 'passkey_challenge', JSON.stringify(options)),
      ...scriptNodes(flow, config.publicUrl),
      account === undefined && result.attributes.node_type === 'input'
        ? {
            ...result,
            attributes: {
              ...result.attributes,
              ...(flow.type === 'browser' ? { onload: `window.${load}()` } : {}),
              onloadTrigger: load,
            },
          }
        : result,
      trigger(flow, 'passkey', {
        name: 'passkey_login_trigger',
        run: 'oryPasskeyLogin',
        label: LOGIN.passkey,
      }),
    ];
  }

  async submit(
    flow: Flow,
    submission: Submission,
    visitor: Visitor,
    known: Account | undefined,
  ): Promise<Authenticated> {
    const { accounts, budgets, clock, config, sessions } = this.#services;
    const answer = textOf(submission, 'passkey_login') ?? '';
    const note = challengeOf(flow);
    const claimed = claimedOf(answer);
    if (note === undefined || claimed === undefined) throw problem(INVALID.noWebauthnUser);
    const name =
      claimed.userHandle === undefined ? undefined : passkeyIdentifier(claimed.userHandle);
    const account =
      known ??
      (name === undefined ? undefined : await accounts.findByIdentifier(name, ['passkey']));
    const spent = attemptBudgets({
      ...{ what: 'passkey', visitor, subject: account?.id ?? 'nobody' },
      isKnownNetwork: await sessions.wasInNetworkOf(account?.id, visitor.ipAddress),
    });
    await refuseSpent(budgets, spent);
    const ring = ringOf(account, 'passkey');
    const key = ring.keys.find(({ id }) => id === claimed.id);
    const isOwner = name === undefined || name === passkeyIdentifier(ring.userHandle);
    if (account === undefined) throw problem(INVALID.noWebauthnUser);
    if (key === undefined || !isOwner) throw problem(INVALID.webauthnWrong);
    const { rp } = config.methods.passkey;
    const proof = await verifyProof(answer, key, { rp, challenge: note.challenge });
    if (proof === undefined) throw problem(INVALID.webauthnWrong);
    const nowMs = clock.now();
    if (proof === 'copied') {
      const marked = { ...key, hasCloneWarning: true };
      const keys = ring.keys.map((k) => (k.id === key.id ? marked : k));
      return refuseCopied(this.#services, withRing(account, { ...ring, keys }, nowMs), marked);
    }
    return {
      kind: 'authenticated',
      account,
      changed: withRing(account, counted(ring, key, proof.signCount), nowMs),
      method: { method: 'passkey', aal: 'aal1', completedAtMs: nowMs },
      spent,
    };
  }
}

function counted(ring: KeyRing, key: PublicKey, signCount: number): KeyRing {
  return { ...ring, keys: ring.keys.map((k) => (k.id === key.id ? { ...k, signCount } : k)) };
}

/** The account with these passkeys; without the credential when there are none. */
function withRing(account: Account, ring: KeyRing, nowMs: number): Account {
  const credentials = new Map(account.credentials);
  const before = credentials.get('passkey');
  const identifiers = [passkeyIdentifier(ring.userHandle)];
  if (ring.keys.length === 0) credentials.delete('passkey');
  else credentials.set('passkey', ringCredential('passkey', ring, identifiers, nowMs, before));
  return { ...account, credentials };
}

class PasskeyRegistration implements RegistrationMethod {
  readonly name = 'passkey';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(flow: Flow, schema: IdentitySchema): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const note = challengeOf(flow);
    const names = schema.passkeyNameFields().map((path) => `traits.${path}`);
    const [first] = names;
    if (note === undefined || first === undefined) return [];
    const credentialOptions = creationOptions({
      ...{ ...note, rp: config.methods.passkey.rp, name: '', known: [], isPasskey: true },
    });
    const data = {
      credentialOptions,
      displayNameFieldName: first,
      displayNameFieldNames: names,
    };
    return [
      ...scriptNodes(flow, config.publicUrl),
      hiddenField('passkey', 'passkey_create_data', JSON.stringify(data)),
      hiddenField('passkey', 'passkey_register'),
      trigger(flow, 'passkey', {
        name: 'passkey_register_trigger',
        run: 'oryPasskeyRegistration',
        label: REGISTRATION.passkey,
      }),
    ];
  }

  async submit(flow: Flow, submission: Submission, traits: JsonObject): Promise<Registered> {
    const { clock, config } = this.#services;
    const note = challengeOf(flow);
    const answer = textOf(submission, 'passkey_register');
    if (answer === undefined || note === undefined)
      throw problem(INVALID.required('passkey_register'), 'passkey_register');
    const { rp } = config.methods.passkey;
    const made = await verifyCreation(answer, { rp, challenge: note.challenge });
    if (made === undefined) throw problem(INVALID.webauthnWrong);
    const nowMs = clock.now();
    const key = { ...made, displayName: '', addedAtMs: nowMs, isPasswordless: true };
    const ring = { keys: [key], userHandle: note.userHandle };
    const identifiers = [passkeyIdentifier(note.userHandle)];
    return {
      kind: 'registered',
      traits,
      credentials: [ringCredential('passkey', ring, identifiers, nowMs)],
      method: { method: 'passkey', aal: 'aal1', completedAtMs: nowMs },
    };
  }
}

class PasskeySettings implements SettingsMethod {
  readonly name = 'passkey';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }
  isPrivileged(): boolean {
    return true;
  }

  async nodes(flow: Flow, account: Account): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const note = challengeOf(flow);
    const ring = ringOf(account, 'passkey');
    const isLast = firstFactorCount(account) < 2;
    const removals = ring.keys.map((key) => {
      const label = SETTINGS.removePasskey(key.displayName || 'unnamed', key.addedAtMs);
      const node = submit('passkey', 'passkey_remove', removalName(key), label);
      return { ...node, attributes: { ...node.attributes, disabled: isLast } } as UiNode;
    });
    const name = schemaOf(this.#services, account).passkeyDisplayName(account.traits);
    if (note === undefined || name === undefined || ring.keys.length >= KEYS_MAX) return removals;
    const options = creationOptions({
      ...{ rp: config.methods.passkey.rp, challenge: note.challenge, name },
      ...{ userHandle: ring.userHandle || note.userHandle, known: ring.keys, isPasskey: true },
    });
    return [
      ...scriptNodes(flow, config.publicUrl),
      ...removals,
      trigger(flow, 'passkey', {
        name: 'passkey_register_trigger',
        run: 'oryPasskeySettingsRegistration',
        label: SETTINGS.addPasskey,
      }),
      hiddenField('passkey', 'passkey_settings_register'),
      hiddenField('passkey', 'passkey_create_data', JSON.stringify(options)),
    ];
  }

  async submit(flow: Flow, submission: Submission, account: Account): Promise<Changed> {
    const { clock, config } = this.#services;
    const ring = ringOf(account, 'passkey');
    const nowMs = clock.now();
    const removed = textOf(submission, 'passkey_remove');
    if (removed !== undefined) {
      const keys = ring.keys.filter((k) => removalName(k) !== removed);
      if (keys.length === ring.keys.length) throw problem(INVALID.noWebauthn);
      if (firstFactorCount(account) < 2) throw problem(INVALID.lastCredential);
      const without = withRing(account, { ...ring, keys }, nowMs);
      return { kind: 'changed', account: without, what: 'passkey removed' };
    }
    const answer = textOf(submission, 'passkey_settings_register');
    const note = challengeOf(flow);
    if (answer === undefined || note === undefined || ring.keys.length >= KEYS_MAX)
      throw problem(INVALID.required('passkey_settings_register'));
    const { rp } = config.methods.passkey;
    const made = await verifyCreation(answer, { rp, challenge: note.challenge });
    if (made === undefined || ring.keys.some(({ id }) => id === made.id))
      throw problem(INVALID.webauthnWrong);
    const key = { ...made, displayName: '', addedAtMs: nowMs, isPasswordless: true };
    const userHandle = ring.userHandle || note.userHandle;
    const changed = withRing(account, { keys: [...ring.keys, key], userHandle }, nowMs);
    return {
      ...{ kind: 'changed', account: changed, what: 'passkey added' },
      proved: { method: 'passkey', aal: 'aal1', completedAtMs: nowMs },
    };
  }
}

export function createPasskeyMethod(services: Services): Method {
  return {
    name: 'passkey',
    login: new PasskeyLogin(services),
    registration: new PasskeyRegistration(services),
    settings: new PasskeySettings(services),
    prepare: withChallenge,
    prepareSettings: withChallenge,
  };
}
