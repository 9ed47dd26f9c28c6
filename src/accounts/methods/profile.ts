/** Changing one's traits in settings (reference: Kratos's method `profile`). */
import type { Account, JsonObject } from '../account.ts';
import { type Flow, FlowProblem, type Submission } from '../flows/flow.ts';
import type { Changed, Method, SettingsMethod } from '../flows/method.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { LABEL } from '../ui/message.ts';
import { submit, type UiNode } from '../ui/node.ts';
import { codeIdentifiers } from './code-addresses.ts';

/** What signs in, is verified or recovers: to change it is to change who may sign in. */
function sensitive(schema: IdentitySchema, traits: JsonObject): string {
  return JSON.stringify([
    schema.identifiers('password', traits),
    schema.identifiers('webauthn', traits),
    schema.codeAddresses(traits),
    schema.verifiable(traits),
    schema.recovery(traits),
  ]);
}

/** The account with other traits, its credentials known by the identifiers that these give. */
export function withTraits(schema: IdentitySchema, account: Account, traits: JsonObject): Account {
  const credentials = new Map(account.credentials);
  for (const type of ['password', 'webauthn', 'passkey'] as const) {
    const before = credentials.get(type);
    if (before === undefined || type === 'passkey') continue;
    credentials.set(type, { ...before, identifiers: schema.identifiers(type, traits) });
  }
  const code = credentials.get('code');
  if (code !== undefined)
    credentials.set('code', {
      ...code,
      identifiers: codeIdentifiers(schema, account, traits),
    });
  return { ...account, traits, credentials };
}

class ProfileSettings implements SettingsMethod {
  readonly name = 'profile';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(_flow: Flow, account: Account): Promise<readonly UiNode[]> {
    return [
      ...schemaOf(this.#services, account).nodes('profile', account.traits),
      submit('profile', 'method', 'profile', LABEL.save),
    ];
  }

  isPrivileged(submission: Submission, account: Account): boolean {
    const schema = schemaOf(this.#services, account);
    const traits = submission.traits ?? {};
    // Traits that do not fit the schema are refused anyway, and need no fresh session for it.
    if (schema.problems(traits).length > 0) return false;
    return sensitive(schema, traits) !== sensitive(schema, account.traits);
  }

  async submit(_flow: Flow, submission: Submission, account: Account): Promise<Changed> {
    const schema = schemaOf(this.#services, account);
    const traits = submission.traits ?? {};
    const problems = schema.problems(traits);
    if (problems.length > 0) throw new FlowProblem(problems);
    return { kind: 'changed', account: withTraits(schema, account, traits), what: 'profile' };
  }
}

export function createProfileMethod(services: Services): Method {
  return { name: 'profile', settings: new ProfileSettings(services) };
}
