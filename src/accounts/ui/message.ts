/**
 * The texts of flows, by the stable ids of Kratos: clients and translations switch on an id, so an id never changes its
 * meaning and new ones are only appended. Pure. A text never says whether an account exists.
 */
import type { TextKind, UiText } from './node.ts';

type Context = Readonly<Record<string, unknown>>;

function make(id: number, type: TextKind, text: string, context?: Context): UiText {
  return { id, text, type, ...(context === undefined ? {} : { context }) };
}
const info = (id: number, text: string, context?: Context): UiText =>
  make(id, 'info', text, context);
const success = (id: number, text: string, context?: Context): UiText =>
  make(id, 'success', text, context);
const error = (id: number, text: string, context?: Context): UiText =>
  make(id, 'error', text, context);

const unix = (ms: number): number => Math.floor(ms / 1_000);
const minutes = (ms: number): string => (ms / 60_000).toFixed(2);

/** A moment for clients that format it themselves: `name` in RFC 3339, `name_unix` in seconds. */
const moment = (name: string, atMs: number): Context => ({
  [name]: new Date(atMs).toISOString(),
  [`${name}_unix`]: unix(atMs),
});
const expiredAt = (agoMs: number): Context => moment('expired_at', Date.now() - agoMs);

/** Sign-in: 1010000. */
export const LOGIN = {
  signIn: info(1010001, 'Sign in') as UiText,
  signInWith: (provider: string, providerId: string): UiText =>
    info(1010002, `Sign in with ${provider}`, { provider, provider_id: providerId }),
  refresh: info(1010003, 'Please confirm that it is you') as UiText,
  secondFactor: info(1010004, 'Please complete the second step') as UiText,
  totpLabel: info(1010006, 'Authentication code') as UiText,
  lookupLabel: info(1010007, 'Backup recovery code') as UiText,
  useTotp: info(1010009, 'Use Authenticator') as UiText,
  useLookup: info(1010010, 'Use backup recovery code') as UiText,
  useSecurityKey: info(1010008, 'Sign in with hardware key') as UiText,
  prepareSecurityKey: info(
    1010012,
    'Have your security key ready (USB, Bluetooth or built in), then continue',
  ) as UiText,
  continueWithSecurityKey: info(1010011, 'Continue with the security key') as UiText,
  continue: info(1010013, 'Continue') as UiText,
  codeSent: info(
    1010014,
    'If the account exists, a code was sent to its address. Enter it below; if it does not come, check the spelling and ask for another.',
  ) as UiText,
  /** Of whoever is signed in already: the address is theirs, not one that was typed. */
  codeSentToYou: info(
    1010025,
    'A code was sent to your address. Enter it below; if it does not come, ask for another.',
  ) as UiText,
  sendCode: info(1010015, 'Send sign in code') as UiText,
  linkPrompt: (duplicate: string, provider: string): UiText =>
    info(
      1010016,
      `You tried to sign in with "${duplicate}", which another account already uses. Sign in there to link the two.`,
      { duplicateIdentifier: duplicate, provider },
    ),
  requestMfaCode: info(1010019, 'Request a code to continue') as UiText,
  passkey: info(1010021, 'Sign in with passkey') as UiText,
  withPassword: info(1010022, 'Sign in with password') as UiText,
  sendCodeTo: (address: string, channel: string): UiText =>
    info(1010023, `Send code to ${address}`, { address, channel }),
} as const;

/** Registration: 1040000. */
export const REGISTRATION = {
  signUp: info(1040001, 'Sign up') as UiText,
  signUpWith: (provider: string, providerId: string): UiText =>
    info(1040002, `Sign up with ${provider}`, { provider, provider_id: providerId }),
  continue: info(1040003, 'Continue') as UiText,
  withSecurityKey: info(1040004, 'Sign up with security key') as UiText,
  codeSent: info(
    1040005,
    'A code was sent to your address. Enter it below to complete the registration.',
  ) as UiText,
  sendCode: info(1040006, 'Send sign up code') as UiText,
  passkey: info(1040007, 'Sign up with passkey') as UiText,
  back: info(1040008, 'Back') as UiText,
  chooseCredential: info(1040009, 'Please choose how you want to sign in') as UiText,
} as const;

/** Settings: 1050000. */
export const SETTINGS = {
  tooManyAddresses: error(
    4050002,
    'Only one address can be changed at a time. Please change each by itself.',
  ) as UiText,
  saved: success(1050001, 'Your changes have been saved') as UiText,
  link: (provider: string): UiText => info(1050002, `Link ${provider}`, { provider }),
  unlink: (provider: string): UiText => info(1050003, `Unlink ${provider}`, { provider }),
  unlinkTotp: info(1050004, 'Remove the authenticator app') as UiText,
  totpQr: info(1050005, 'Authenticator app QR code') as UiText,
  totpSecret: (secret: string): UiText => info(1050006, secret, { secret }),
  revealLookup: info(1050007, 'Reveal backup recovery codes') as UiText,
  regenerateLookup: info(1050008, 'Generate new backup recovery codes') as UiText,
  lookupCode: (secret: string): UiText => info(1050009, secret, { secret }),
  confirmLookup: info(1050010, 'These are your backup recovery codes') as UiText,
  confirmLookupButton: info(1050011, 'Confirm backup recovery codes') as UiText,
  addSecurityKey: info(1050012, 'Add security key') as UiText,
  securityKeyName: info(1050013, 'Name of the security key') as UiText,
  lookupUsed: (usedAtMs: number): UiText =>
    info(1050014, `Secret was used at ${new Date(usedAtMs).toISOString()}`, {
      used_at: new Date(usedAtMs).toISOString(),
      used_at_unix: unix(usedAtMs),
    }),
  /** Of codes as `lookupCode` and `lookupUsed` tell of each. */
  lookupList: (secrets: readonly UiText[]): UiText =>
    info(1050015, secrets.map((s) => (s.id === 1050014 ? 'used' : s.text)).join(', '), { secrets }),
  disableLookup: info(1050016, 'Disable this method') as UiText,
  totpSecretLabel: info(
    1050017,
    'This is your authenticator app secret. Use it if you can not scan the QR code.',
  ) as UiText,
  removeSecurityKey: (name: string, addedAtMs: number): UiText =>
    info(1050018, `Remove security key "${name}"`, {
      display_name: name,
      added_at: new Date(addedAtMs).toISOString(),
      added_at_unix: unix(addedAtMs),
    }),
  addPasskey: info(1050019, 'Add passkey') as UiText,
  removePasskey: (name: string, addedAtMs: number): UiText =>
    info(1050020, `Remove passkey "${name}"`, {
      display_name: name,
      added_at: new Date(addedAtMs).toISOString(),
      added_at_unix: unix(addedAtMs),
    }),
} as const;

/** Recovery: 1060000 and 4060000. */
export const RECOVERY = {
  recovered: (expiresInMs: number): UiText => {
    const at = moment('privileged_session_expires_at', Date.now() + expiresInMs);
    return success(
      1060001,
      `You successfully recovered your account. Please change your password or set up another way to sign in within ${minutes(expiresInMs)} minutes.`,
      // Kratos has it by its older name too.
      { ...at, privilegedSessionExpiresAt: at['privileged_session_expires_at'] },
    );
  },
  linkSent: info(
    1060002,
    'If this address has an account, an email with a recovery link was sent to it. If it does not come, check the spelling.',
  ) as UiText,
  codeSent: info(
    1060003,
    'If this address has an account, an email with a recovery code was sent to it. If it does not come, check the spelling.',
  ) as UiText,
  alreadyDone: error(4060001, 'The request was already completed successfully') as UiText,
  failedState: error(
    4060002,
    'The recovery flow reached a failure state and must be retried',
  ) as UiText,
  tokenInvalid: error(
    4060004,
    'The recovery token is invalid or has already been used. Please retry.',
  ) as UiText,
  expired: (agoMs: number): UiText =>
    error(
      4060005,
      `The recovery flow expired ${minutes(agoMs)} minutes ago, please try again`,
      expiredAt(agoMs),
    ),
  codeInvalid: error(
    4060006,
    'The recovery code is invalid or has already been used. Please try again.',
  ) as UiText,
} as const;

/** Verification: 1080000 and 4070000. */
export const VERIFICATION = {
  linkSent: info(
    1080001,
    'An email with a verification link was sent to the address, if it is known here.',
  ) as UiText,
  verified: success(1080002, 'You successfully verified your email address.') as UiText,
  codeSent: info(
    1080003,
    'An email with a verification code was sent to the address, if it is known here.',
  ) as UiText,
  codeTexted: info(
    1080004,
    'A text message with a verification code was sent, if the number is known here.',
  ) as UiText,
  phoneVerified: success(1080005, 'You successfully verified your phone number.') as UiText,
  tokenInvalid: error(
    4070001,
    'The verification token is invalid or has already been used. Please retry.',
  ) as UiText,
  alreadyDone: error(4070002, 'The request was already completed successfully') as UiText,
  failedState: error(
    4070003,
    'The verification flow reached a failure state and must be retried',
  ) as UiText,
  expired: (agoMs: number): UiText =>
    error(
      4070005,
      `The verification flow expired ${minutes(agoMs)} minutes ago, please try again`,
      expiredAt(agoMs),
    ),
  codeInvalid: error(
    4070006,
    'The verification code is invalid or has already been used. Please try again.',
  ) as UiText,
} as const;

/** Labels: 1070000. */
export const LABEL = {
  password: info(1070001, 'Password') as UiText,
  trait: (title: string, name: string): UiText => info(1070002, title, { title, name }),
  save: info(1070003, 'Save') as UiText,
  identifier: info(1070004, 'ID') as UiText,
  verifyTotp: info(1070006, 'Verify code') as UiText,
  email: info(1070007, 'Email') as UiText,
  resend: info(1070008, 'Resend code') as UiText,
  continue: info(1070009, 'Continue') as UiText,
  recoveryCode: info(1070010, 'Recovery code') as UiText,
  verificationCode: info(1070011, 'Verification code') as UiText,
  registrationCode: info(1070012, 'Registration code') as UiText,
  loginCode: info(1070013, 'Login code') as UiText,
  phone: info(1070016, 'Phone number') as UiText,
} as const;

/** What is wrong with an input: 4000000. */
export const INVALID = {
  generic: (reason: string): UiText => error(4000001, reason, { reason }),
  /** `retry_after` in seconds: programs are told it in a header too. */
  throttled: (reason: string, waitMs: number): UiText =>
    error(4000001, reason, { reason, retry_after: Math.max(1, Math.ceil(waitMs / 1_000)) }),
  required: (property: string): UiText =>
    error(4000002, `Property ${property} is missing.`, { property }),
  tooShort: (actual: number, min: number): UiText =>
    error(4000003, `length must be >= ${min}, but got ${actual}`, {
      min_length: min,
      actual_length: actual,
    }),
  pattern: (pattern: string): UiText =>
    error(4000004, `does not match pattern "${pattern}"`, { pattern }),
  password: (reason: string): UiText =>
    error(4000005, `The password can not be used because ${reason}`, { reason }),
  /** Of the generic id: Kratos has none of its own. */
  webauthnWrong: error(
    4000043,
    'The security key or passkey could not be accepted, please try again.',
  ) as UiText,
  nameUnshown: error(
    4000001,
    'This name has characters that are not seen, or that turn the direction of writing. Type it anew.',
  ) as UiText,
  lastCredential: error(
    4000001,
    'This is the last way to sign in to your account. Add another one first.',
  ) as UiText,
  credentials: error(
    4000006,
    'The provided credentials are invalid, check for spelling mistakes in your password or username, email address, or phone number.',
  ) as UiText,
  duplicate: error(
    4000007,
    'An account with the same identifier (email, phone, username, ...) exists already.',
  ) as UiText,
  totpWrong: error(
    4000008,
    'The provided authentication code is invalid, please try again.',
  ) as UiText,
  noIdentifier: error(
    4000009,
    'Could not find any login identifiers. Did you forget to set them? This could also be caused by a server misconfiguration.',
  ) as UiText,
  addressUnverified: error(
    4000010,
    'Account not active yet. Did you forget to verify your email address?',
  ) as UiText,
  noTotp: error(4000011, 'You have no TOTP device set up.') as UiText,
  lookupUsed: error(4000012, 'This backup recovery code has already been used.') as UiText,
  noWebauthn: error(4000013, 'You have no WebAuthn device set up.') as UiText,
  noLookup: error(4000014, 'You have no backup recovery codes set up.') as UiText,
  noWebauthnUser: error(
    4000015,
    'This account does not exist or has no security key set up.',
  ) as UiText,
  lookupWrong: error(4000016, 'The backup recovery code is not valid.') as UiText,
  tooLong: (actual: number, max: number): UiText =>
    error(4000017, `length must be <= ${max}, but got ${actual}`, {
      max_length: max,
      actual_length: actual,
    }),
  minimum: (actual: unknown, minimum: number): UiText =>
    error(4000018, `must be >= ${minimum} but found ${String(actual)}`, { minimum, actual }),
  exclusiveMinimum: (actual: unknown, minimum: number): UiText =>
    error(4000019, `must be > ${minimum} but found ${String(actual)}`, { minimum, actual }),
  maximum: (actual: unknown, maximum: number): UiText =>
    error(4000020, `must be <= ${maximum} but found ${String(actual)}`, { maximum, actual }),
  exclusiveMaximum: (actual: unknown, maximum: number): UiText =>
    error(4000021, `must be < ${maximum} but found ${String(actual)}`, { maximum, actual }),
  type: (actual: string, allowed: readonly string[]): UiText =>
    error(4000026, `expected ${allowed.join(' or ')}, but got ${actual}`, {
      allowed_types: allowed,
      actual_type: actual,
    }),
  duplicateOnLink: (credential: string, provider: string): UiText =>
    error(
      4000027,
      'An account with the same identifier exists already. Please sign in to your existing account to link your social profile.',
      {
        credential_identifier_hint: credential,
        provider,
      },
    ),
  passwordSimilar: error(
    4000031,
    'The password can not be used because it is too similar to the identifier.',
  ) as UiText,
  passwordShort: (min: number, actual: number): UiText =>
    error(4000032, `The password must be at least ${min} characters long, but got ${actual}.`, {
      min_length: min,
      actual_length: actual,
    }),
  passwordLong: (max: number, actual: number): UiText =>
    error(4000033, `The password must be at most ${max} characters long, but got ${actual}.`, {
      max_length: max,
      actual_length: actual,
    }),
  passwordBreached: (breaches: number): UiText =>
    error(4000034, 'The password has been found in data breaches and must no longer be used.', {
      breaches,
    }),
  noCodeUser: error(
    4000035,
    'This account does not exist or has not setup sign in with code.',
  ) as UiText,
  traitsChanged: error(
    4000036,
    'The provided traits do not match the traits previously associated with this flow.',
  ) as UiText,
  accountNotFound: error(
    4000037,
    'This account does not exist or has no login method configured.',
  ) as UiText,
  /** Right or wrong, there were too many before. */
  codeTooOften: error(
    4000001,
    'The request was submitted too often. Please request another code.',
  ) as UiText,
  passwordSame: error(
    4000039,
    'The new password must be different from the old password.',
  ) as UiText,
  email: (value: string): UiText => error(4000040, `Enter a valid email address`, { value }),
  phone: (value: string): UiText => error(4000041, `Enter a valid phone number`, { value }),
} as const;

/** What is wrong with a flow. */
export const FLOW = {
  linkMismatch: error(
    4010009,
    'This is not the account that has the address. Sign in to that one, or begin again.',
  ) as UiText,
  accountUnknown: error(
    4000037,
    'This account does not exist or has no login method configured.',
  ) as UiText,
  providerRefused: (provider: string, code: string): UiText =>
    error(4000001, `Signing in with ${provider} did not work (${code}). Please try again.`, {
      reason: code,
      provider,
    }),
  loginExpired: (agoMs: number): UiText =>
    error(
      4010001,
      `The login flow expired ${minutes(agoMs)} minutes ago, please try again.`,
      expiredAt(agoMs),
    ),
  noLogin: error(
    4010002,
    'Could not find any strategy to log you in with. Did you fill out the form correctly?',
  ) as UiText,
  noRegistration: error(
    4010003,
    'Could not find any strategy to sign you up with. Did you fill out the form correctly?',
  ) as UiText,
  noSettings: error(
    4010004,
    'Could not find any strategy to update your settings. Did you fill out the form correctly?',
  ) as UiText,
  noRecovery: error(
    4010005,
    'Could not find any strategy to recover your account with. Did you fill out the form correctly?',
  ) as UiText,
  noVerification: error(
    4010006,
    'Could not find any strategy to verify your account with. Did you fill out the form correctly?',
  ) as UiText,
  alreadyDone: error(
    4010007,
    'The request was already completed successfully and can not be retried.',
  ) as UiText,
  loginCodeWrong: error(
    4010008,
    'The login code is invalid or has already been used. Please try again.',
  ) as UiText,
  addressUnknown: error(
    4010010,
    'The address you entered does not match any known addresses in the current account.',
  ) as UiText,
  accountDisabled: error(4010011, 'This account is disabled.') as UiText,
  registrationExpired: (agoMs: number): UiText =>
    error(
      4040001,
      `The registration flow expired ${minutes(agoMs)} minutes ago, please try again.`,
      expiredAt(agoMs),
    ),
  registrationCodeWrong: error(
    4040003,
    'The registration code is invalid or has already been used. Please try again.',
  ) as UiText,
  settingsExpired: (agoMs: number): UiText =>
    error(
      4050001,
      `The settings flow expired ${minutes(agoMs)} minutes ago, please try again.`,
      expiredAt(agoMs),
    ),
  system: (reason: string): UiText => error(5000001, reason, { reason }),
  noMethod: error(
    5000002,
    'No authentication methods are available for this request. Please contact the site or app owner.',
  ) as UiText,
} as const;
