/**
 * WebAuthn's two ceremonies (W3C WebAuthn Level 2): a key is registered, and a key proves itself. Options go to the
 * browser; answers are verified by @simplewebauthn/server. INVARIANT: an answer counts for the challenge of its own flow,
 * from our origins, for our relying party, and by a counter that moved.
 */
import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import type { RelyingPartyConfig } from '../config/config.ts';
import type { PublicKey } from './credential.ts';

const ANSWER_MAX = 32 * 1024;
const TIMEOUT_MS = 120_000;
/** ES256, EdDSA and RS256 (RFC 8152, RFC 8812): what authenticators have. */
const ALGORITHMS = [-7, -8, -257];

const descriptor = ({ id }: PublicKey): object => ({ type: 'public-key', id });

/** A second factor asks for no PIN: the person proved something that they know already. */
const verificationOf = (o: { readonly isSecondFactor?: boolean }): string =>
  o.isSecondFactor === true ? 'discouraged' : 'preferred';

/** What a browser needs to make a key. */
export function creationOptions(o: {
  readonly rp: RelyingPartyConfig;
  readonly challenge: string;
  readonly userHandle: string;
  /** Shown by the authenticator. */
  readonly name: string;
  readonly known: readonly PublicKey[];
  readonly isPasskey: boolean;
  readonly isSecondFactor?: boolean;
}): object {
  return {
    publicKey: {
      rp: { id: o.rp.id, name: o.rp.displayName },
      user: { id: o.userHandle, name: o.name, displayName: o.name },
      challenge: o.challenge,
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
      timeout: TIMEOUT_MS,
      excludeCredentials: o.known.map(descriptor),
      authenticatorSelection: {
        requireResidentKey: o.isPasskey,
        residentKey: o.isPasskey ? 'required' : 'discouraged',
        userVerification: verificationOf(o),
      },
      attestation: 'none',
    },
  };
}

/** What a browser needs to prove a key; any passkey of ours when none are named. */
export function requestOptions(o: {
  readonly rp: RelyingPartyConfig;
  readonly challenge: string;
  readonly known?: readonly PublicKey[];
  readonly isSecondFactor?: boolean;
}): object {
  return {
    publicKey: {
      challenge: o.challenge,
      timeout: TIMEOUT_MS,
      rpId: o.rp.id,
      userVerification: verificationOf(o),
      ...(o.known === undefined ? {} : { allowCredentials: o.known.map(descriptor) }),
    },
  };
}

type Answer = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Answer =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The answer of a browser; undefined for whatever else somebody sent. */
function parse(text: string, wanted: readonly string[]): Answer | undefined {
  if (text.length > ANSWER_MAX) return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(answer) || typeof answer['id'] !== 'string') return undefined;
  const { response } = answer;
  if (!isRecord(response) || !wanted.every((name) => typeof response[name] === 'string'))
    return undefined;
  // Browsers say the same twice; the library holds both against each other.
  return { clientExtensionResults: {}, rawId: answer['id'], type: 'public-key', ...answer };
}

/** The id of the key that an answer is by, and whom the authenticator takes for its owner; both base64url. */
export function claimedOf(
  text: string,
): { readonly id: string; readonly userHandle: string | undefined } | undefined {
  const answer = parse(text, ['authenticatorData', 'clientDataJSON', 'signature']);
  if (answer === undefined) return undefined;
  const { response } = answer;
  const handle = isRecord(response) ? response['userHandle'] : undefined;
  return { id: String(answer['id']), userHandle: typeof handle === 'string' ? handle : undefined };
}

interface Expected {
  readonly rp: RelyingPartyConfig;
  readonly challenge: string;
}

/** The key of an answer to `creationOptions`; undefined when it does not hold. */
export async function verifyCreation(
  text: string,
  { rp, challenge }: Expected,
): Promise<Omit<PublicKey, 'displayName' | 'addedAtMs' | 'isPasswordless'> | undefined> {
  const response = parse(text, ['attestationObject', 'clientDataJSON']);
  if (response === undefined) return undefined;
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      // Its shape was looked at above; the library checks the rest.
      response: response as unknown as RegistrationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: [...rp.origins],
      expectedRPID: rp.id,
      requireUserVerification: false,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!verified || registrationInfo === undefined) return undefined;
    const { credential, aaguid } = registrationInfo;
    return {
      id: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      signCount: credential.counter,
      hasCloneWarning: false,
      raw: {},
      aaguid: Buffer.from(aaguid.replaceAll('-', ''), 'hex').toString('base64'),
    };
  } catch {
    // The library throws for whatever does not hold; which it was is for nobody to know.
    return undefined;
  }
}

/**
 * The new counter of a key that proved itself by an answer to `requestOptions`; undefined when it did not, and `copied`
 * when it did by a counter that did not advance, or once had not (WebAuthn §6.1.1).
 */
export async function verifyProof(
  text: string,
  key: PublicKey,
  { rp, challenge }: Expected,
): Promise<{ readonly signCount: number } | 'copied' | undefined> {
  const response = parse(text, ['authenticatorData', 'clientDataJSON', 'signature']);
  if (response === undefined || response['id'] !== key.id) return undefined;
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: response as unknown as AuthenticationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: [...rp.origins],
      expectedRPID: rp.id,
      requireUserVerification: false,
      credential: {
        id: key.id,
        publicKey: new Uint8Array(Buffer.from(key.publicKey, 'base64url')),
        // Judged below: one that went back is more than a wrong answer.
        counter: 0,
      },
    });
    if (!verified) return undefined;
    const { newCounter } = authenticationInfo;
    const hasCounter = newCounter > 0 || key.signCount > 0;
    const isBehind = hasCounter && newCounter <= key.signCount;
    return key.hasCloneWarning || isBehind ? 'copied' : { signCount: newCounter };
  } catch {
    return undefined;
  }
}
