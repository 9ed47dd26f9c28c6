/**
 * A second factor from an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds). INVARIANT: a code is good once: the
 * time step of the last one is stored with the sign-in, and an earlier or equal step is refused.
 */
import { Secret as OtpSecret, TOTP } from 'otpauth';
import type { Account, Credential } from '../account.ts';
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
import { type Services, schemaOf } from '../services.ts';
import { attemptBudgets, refuseSpent } from '../throttle.ts';
import { INVALID, LABEL, LOGIN, SETTINGS } from '../ui/message.ts';
import { image, input, submit, text, type UiNode } from '../ui/node.ts';
import { authenticatedBy, takeTry } from './second-factor.ts';

const SECRET_BYTES = 20;
const PERIOD_MS = 30_000;
/** Clocks of phones and servers differ by a step. */
const WINDOW = 1;
const QR_PIXELS = 256;
const NOTE = 'totp_secret';

function totpOf(secret: string, issuer: string, label: string): TOTP {
  return new TOTP({
    issuer,
    label,
    algorithm: 'SHA1',
    digits: 6,
    period: PERIOD_MS / 1_000,
    secret: OtpSecret.fromBase32(secret),
  });
}

/** The secret of `otpauth://totp/…?secret=`. */
function secretOf(credential: Credential | undefined): string | undefined {
  const url = credential?.config['totp_url'];
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  return new URL(url).searchParams.get('secret') ?? undefined;
}

/** The time step of a right code; undefined for a wrong one. */
export function stepOf(secret: string, code: string, nowMs: number): number | undefined {
  const token = code.replaceAll(' ', '');
  if (!/^\d{6}$/.test(token)) return undefined;
  const delta = totpOf(secret, 'x', 'x').validate({ token, timestamp: nowMs, window: WINDOW });
  return delta === null ? undefined : Math.floor(nowMs / PERIOD_MS) + delta;
}

class TotpLogin implements LoginMethod {
  readonly name = 'totp';
  readonly aal = 'aal2';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  async nodes(_flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    if (secretOf(account?.credentials.get('totp')) === undefined) return [];
    return [
      input(
        'totp',
        {
          name: 'totp_code',
          type: 'text',
          required: true,
          autocomplete: 'one-time-code',
          value: '',
        },
        LOGIN.totpLabel,
      ),
      submit('totp', 'method', 'totp', LOGIN.useTotp),
    ];
  }

  async submit(
    _flow: Flow,
    submission: Submission,
    visitor: Visitor,
    account: Account | undefined,
  ): Promise<Authenticated> {
    const credential = account?.credentials.get('totp');
    const secret = secretOf(credential);
    if (account === undefined || credential === undefined || secret === undefined)
      throw problem(INVALID.noTotp);
    const code = textOf(submission, 'totp_code');
    if (code === undefined) throw problem(INVALID.required('totp_code'), 'totp_code');
    const spent = await takeTry(this.#services, 'totp', account, visitor);
    const nowMs = this.#services.clock.now();
    const step = stepOf(secret, code, nowMs);
    const last = Number(credential.config['last_step'] ?? 0);
    // Of the whole flow, as Kratos has it at sign-in; our page shows it beside the field.
    if (step === undefined || step <= last) throw problem(INVALID.totpWrong);
    const config = { ...credential.config, last_step: step };
    return authenticatedBy('totp', account, credential, { config, nowMs, spent });
  }
}

class TotpSettings implements SettingsMethod {
  readonly name = 'totp';
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  isPrivileged(): boolean {
    return true;
  }

  async nodes(flow: Flow, account: Account): Promise<readonly UiNode[]> {
    if (account.credentials.has('totp'))
      return [
        input(
          'totp',
          { name: 'totp_unlink', type: 'submit', value: 'true', required: true },
          SETTINGS.unlinkTotp,
        ),
      ];
    const secret = noteOf(flow, NOTE);
    if (typeof secret !== 'string') return [];
    // Loaded when somebody sets up an app: a server starts without it.
    const { default: qrcode } = await import('qrcode');
    const src = await qrcode.toDataURL(this.#url(secret, account), { width: QR_PIXELS });
    return [
      image('totp', { id: 'totp_qr', src, width: QR_PIXELS, height: QR_PIXELS }, SETTINGS.totpQr),
      text('totp', 'totp_secret_key', SETTINGS.totpSecret(secret), SETTINGS.totpSecretLabel),
      input(
        'totp',
        { name: 'totp_code', type: 'text', required: true, autocomplete: 'one-time-code' },
        LABEL.verifyTotp,
      ),
      submit('totp', 'method', 'totp', LABEL.save),
    ];
  }

  #url(secret: string, account: Account): string {
    const name = schemaOf(this.#services, account).totpAccountName(account.traits);
    return totpOf(secret, this.#services.config.methods.totp.issuer, name ?? account.id).toString();
  }

  async submit(
    flow: Flow,
    submission: Submission,
    account: Account,
    visitor: Visitor,
  ): Promise<Changed | Shown> {
    const credentials = new Map(account.credentials);
    if (isTrue(submission, 'totp_unlink')) {
      credentials.delete('totp');
      return { kind: 'changed', account: { ...account, credentials }, what: 'totp removed' };
    }
    const secret = noteOf(flow, NOTE);
    if (typeof secret !== 'string' || credentials.has('totp')) throw problem(INVALID.noTotp);
    const code = textOf(submission, 'totp_code');
    if (code === undefined) throw problem(INVALID.required('totp_code'), 'totp_code');
    await refuseSpent(
      this.#services.budgets,
      attemptBudgets({ what: 'totp', visitor, subject: account.id }),
    );
    const nowMs = this.#services.clock.now();
    const step = stepOf(secret, code, nowMs);
    if (step === undefined) throw problem(INVALID.totpWrong, 'totp_code');
    credentials.set('totp', {
      type: 'totp',
      identifiers: [account.id],
      version: 0,
      config: { totp_url: this.#url(secret, account), last_step: step },
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    });
    return {
      ...{ kind: 'changed', account: { ...account, credentials }, what: 'totp added' },
      proved: { method: 'totp', aal: 'aal2', completedAtMs: nowMs },
    };
  }
}

/** A settings flow with a fresh secret in it, for an account that has none yet. */
export function withTotpSecret(flow: Flow, account: Account): Flow {
  if (account.credentials.has('totp')) return flow;
  return withNote(flow, NOTE, new OtpSecret({ size: SECRET_BYTES }).base32);
}

export function createTotpMethod(services: Services): Method {
  return {
    name: 'totp',
    secondFactor: new TotpLogin(services),
    settings: new TotpSettings(services),
    prepareSettings: withTotpSecret,
  };
}
