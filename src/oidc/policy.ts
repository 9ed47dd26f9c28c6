/**
 * The checks before a code is issued: who has to sign in, once more or with a second factor, and who has to agree.
 * INVARIANT: nothing here lets through what the library's own checks would stop, but for the two that say why.
 */
import { interactionPolicy } from 'oidc-provider';

export const ACRS = ['aal1', 'aal2'] as const;
/** How Auth0's clients ask for a second factor. */
const MULTI_FACTOR = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor';

/** Whether a request asks for a second factor. */
export function wantsSecondFactor(acrValues: unknown): boolean {
  const values = typeof acrValues === 'string' ? acrValues.split(' ') : [];
  return values.includes('aal2') || values.includes(MULTI_FACTOR);
}

const ASKED_AT = 'asked_at_ms';
/** When a sign-in was asked for: milliseconds, from the details of its prompt. */
export function askedAtMs(details: Readonly<Record<string, unknown>>): number | undefined {
  const atMs = details[ASKED_AT];
  return typeof atMs === 'number' ? atMs : undefined;
}

/** The checks before a code is issued: ours instead of the library's where Auth0's users expect others. */
export function policy(): interactionPolicy.DefaultPolicy {
  const prompts = interactionPolicy.base();
  prompts.get('login')?.checks.add(
    new interactionPolicy.Check('step_up', 'a second factor is asked for', (ctx) => {
      const { oidc } = ctx;
      return (
        wantsSecondFactor(oidc.params?.['acr_values']) &&
        oidc.session?.acr !== 'aal2' &&
        oidc.result?.login === undefined
      );
    }),
  );
  const login = prompts.get('login');
  if (login !== undefined) {
    const { details } = login;
    // Requests are dated in seconds; whether somebody signed in since then has to be known more precisely.
    login.details = async (ctx) => ({ ...(await details(ctx)), [ASKED_AT]: Date.now() });
  }
  const consent = prompts.get('consent');
  // RFC 8252 section 8.6 asks for it because another app may hold the callback: not one under https, nor a device flow.
  consent?.checks.remove('native_client_prompt');
  consent?.checks.add(
    new interactionPolicy.Check(
      'native_client_prompt',
      'native clients need a person to agree',
      'interaction_required',
      ({ oidc }) => {
        const target = oidc.params?.['redirect_uri'];
        return (
          oidc.client?.applicationType === 'native' &&
          oidc.deviceCode === undefined &&
          typeof target === 'string' &&
          !target.startsWith('https://') &&
          oidc.result?.consent === undefined
        );
      },
    ),
  );
  return prompts;
}
