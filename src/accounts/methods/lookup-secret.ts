/**
 * Backup recovery codes: twelve, each good once, shown when they are made. INVARIANT: a code is spent in the transaction
 * of the sign-in that used it.
 */
import { randomInt, timingSafeEqual } from 'node:crypto';
import type { Account, Credential, JsonObject } from '../account.ts';
import {
  type Flow,
  isTrue,
  noteOf,
  problem,
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
  SettingsMethod,
  Shown,
} from '../flows/method.ts';
import type { Services } from '../services.ts';
import { INVALID, LOGIN, SETTINGS } from '../ui/message.ts';
import { input, submit, text, type UiNode } from '../ui/node.ts';
import { authenticatedBy, takeTry } from './second-factor.ts';

const CODES = 12;
const LENGTH = 8;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const FRESH = 'lookup_fresh';
const REVEALED = 'lookup_revealed';

interface LookupCode {
  readonly code: string;
  readonly usedAtMs: number | undefined;
}

function newCodes(): string[] {
  return Array.from({ length: CODES }, () =>
    Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join(''),
  );
}

function codesOf(credential: Credential | undefined): LookupCode[] {
  const list = credential?.config['recovery_codes'];
  if (!Array.isArray(list)) return [];
  return list.map((item: JsonObject) => {
    const used = item['used_at'];
    return {
      code: String(item['code']),
      usedAtMs: typeof used === 'string' ? Date.parse(used) : undefined,
    };
  });
}
function configOf(codes: readonly LookupCode[]): JsonObject {
  return {
    recovery_codes: codes.map((c) =>
      c.usedAtMs === undefined
        ? { code: c.code }
        : { code: c.code, used_at: new Date(c.usedAtMs).toISOString() },
    ),
  };
}

function isSame(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

class LookupLogin implements LoginMethod {
  readonly name = 'lookup_secret';
  readonly aal = 'aal2';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(_flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    if (account?.credentials.has('lookup_secret') !== true) return [];
    return [
      input(
        'lookup_secret',
        { name: 'lookup_secret', type: 'text', required: true, value: '' },
        LOGIN.lookupLabel,
      ),
      submit('lookup_secret', 'method', 'lookup_secret', LOGIN.useLookup),
    ];
  }

  async submit(
    _flow: Flow,
    submission: Submission,
    visitor: Visitor,
    account: Account | undefined,
  ): Promise<Authenticated> {
    const credential = account?.credentials.get('lookup_secret');
    if (account === undefined || credential === undefined) throw problem(INVALID.noLookup);
    const given = textOf(submission, 'lookup_secret')?.trim().toLowerCase();
    if (given === undefined) throw problem(INVALID.required('lookup_secret'), 'lookup_secret');
    const spent = await takeTry(this.#services, 'lookup', account, visitor);
    const codes = codesOf(credential);
    const at = codes.findIndex((c) => isSame(c.code, given));
    const found = codes[at];
    // Of the whole flow, as Kratos has it; our page shows it beside the field.
    if (found === undefined) throw problem(INVALID.lookupWrong);
    if (found.usedAtMs !== undefined) throw problem(INVALID.lookupUsed);
    const nowMs = this.#services.clock.now();
    codes[at] = { code: found.code, usedAtMs: nowMs };
    const config = configOf(codes);
    return authenticatedBy('lookup_secret', account, credential, { config, nowMs, spent });
  }
}

class LookupSettings implements SettingsMethod {
  readonly name = 'lookup_secret';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  isPrivileged(): boolean {
    return true;
  }

  async nodes(flow: Flow, account: Account): Promise<readonly UiNode[]> {
    const fresh = noteOf(flow, FRESH);
    if (Array.isArray(fresh))
      return [
        text(
          'lookup_secret',
          'lookup_secret_codes',
          SETTINGS.lookupList(fresh.map((code) => SETTINGS.lookupCode(String(code)))),
          SETTINGS.confirmLookup,
        ),
        submit('lookup_secret', 'lookup_secret_confirm', 'true', SETTINGS.confirmLookupButton),
      ];
    const again = submit(
      'lookup_secret',
      'lookup_secret_regenerate',
      'true',
      SETTINGS.regenerateLookup,
    );
    const credential = account.credentials.get('lookup_secret');
    if (credential === undefined) return [again];
    const disable = submit(
      'lookup_secret',
      'lookup_secret_disable',
      'true',
      SETTINGS.disableLookup,
    );
    if (noteOf(flow, REVEALED) !== true)
      return [
        submit('lookup_secret', 'lookup_secret_reveal', 'true', SETTINGS.revealLookup),
        disable,
      ];
    const shown = codesOf(credential).map(({ code, usedAtMs }) =>
      usedAtMs === undefined ? SETTINGS.lookupCode(code) : SETTINGS.lookupUsed(usedAtMs),
    );
    return [
      text(
        'lookup_secret',
        'lookup_secret_codes',
        SETTINGS.lookupList(shown),
        SETTINGS.confirmLookup,
      ),
      again,
      disable,
    ];
  }

  async submit(flow: Flow, submission: Submission, account: Account): Promise<Changed | Shown> {
    const credentials = new Map(account.credentials);
    const shown = async (changed: Flow): Promise<Shown> => ({ kind: 'shown', flow: changed });
    if (isTrue(submission, 'lookup_secret_regenerate'))
      return shown(withNote(flow, FRESH, newCodes()));
    if (isTrue(submission, 'lookup_secret_reveal')) return shown(withNote(flow, REVEALED, true));
    if (isTrue(submission, 'lookup_secret_disable')) {
      credentials.delete('lookup_secret');
      return { kind: 'changed', account: { ...account, credentials }, what: 'lookup removed' };
    }
    const fresh = noteOf(flow, FRESH);
    if (!isTrue(submission, 'lookup_secret_confirm') || !Array.isArray(fresh))
      throw problem(INVALID.noLookup);
    const nowMs = this.#services.clock.now();
    credentials.set('lookup_secret', {
      type: 'lookup_secret',
      identifiers: [account.id],
      version: 0,
      config: configOf(fresh.map((code) => ({ code: String(code), usedAtMs: undefined }))),
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    });
    return {
      ...{ kind: 'changed', account: { ...account, credentials }, what: 'lookup added' },
      proved: { method: 'lookup_secret', aal: 'aal2', completedAtMs: nowMs },
    };
  }
}

export function createLookupMethod(services: Services): Method {
  return {
    name: 'lookup_secret',
    secondFactor: new LookupLogin(services),
    settings: new LookupSettings(services),
    afterSettings: (flow) => withNote(withNote(flow, FRESH, undefined), REVEALED, undefined),
  };
}
