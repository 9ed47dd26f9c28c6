/**
 * What a person does between an application's request and its answer: signing in, proving it again, a second factor,
 * agreeing. INVARIANT: who somebody is comes from the accounts' session of the request alone; the form of a decision
 * counts only together with the cookie that is bound to that one interaction.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import { SCOPES } from './claims.ts';
import { askedAtMs, wantsSecondFactor } from './policy.ts';
import type { Page, Pages, People, Scope, SignedIn } from './types.ts';

export interface InteractionParts {
  readonly provider: Provider;
  readonly issuer: string;
  readonly people: People;
  readonly pages: Pages;
}

type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

const NO_OTHER_PERSON = new Set(['id_token_hint', 'claims_id_token_sub_value']);
const FRESH = new Set(['login_prompt', 'max_age']);

function send(res: ServerResponse, page: Page, status = 200): void {
  res.writeHead(status, { ...page.headers });
  res.end(page.html);
}
function go(res: ServerResponse, url: string): void {
  res.writeHead(303, { location: url, 'content-length': '0', 'cache-control': 'no-store' });
  res.end();
}

async function detailsOf(
  { provider, pages }: InteractionParts,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Details | undefined> {
  try {
    return await provider.interactionDetails(req, res);
  } catch {
    const detail = 'It took too long, or was begun in another browser. Go back and start again.';
    send(res, pages.error({ title: 'This sign-in is over', detail, code: 'expired' }), 400);
    return undefined;
  }
}

/** Whether who is signed in is enough for a request, or what they have to do first. */
function lacking(details: Details, signedIn: SignedIn): 'nothing' | 'refresh' | 'aal2' {
  if (!signedIn.isEnough) return 'aal2';
  const { reasons } = details.prompt;
  const sinceMs = askedAtMs(details.prompt.details) ?? (details.iat + 1) * 1_000;
  const isFresh = signedIn.authenticatedAtMs >= sinceMs;
  if (reasons.some((r) => FRESH.has(r)) && !isFresh) return 'refresh';
  const wantsAal2 =
    wantsSecondFactor(details.params['acr_values']) ||
    reasons.some((r) => r.startsWith('essential_acr'));
  if (wantsAal2 && signedIn.acr !== 'aal2' && signedIn.canStepUp) return 'aal2';
  return 'nothing';
}

/**
 * Whether a request insists on an `acr` that the sign-in does not have, when nothing more can be done about it (OpenID
 * Connect Core 5.5.1.1): the library would ask again without end.
 */
function isBeyond({ prompt }: Details, acr: string): boolean {
  if (!prompt.reasons.some((r) => r.startsWith('essential_acr'))) return false;
  const wanted: unknown = prompt.details['acr'];
  if (typeof wanted !== 'object' || wanted === null) return true;
  const values = [Reflect.get(wanted, 'value'), Reflect.get(wanted, 'values')].flat();
  return !values.includes(acr);
}

/**
 * The origin of the application, for the page that signs in: a browser holds the `form-action` of a form's page against
 * every redirect behind it, and the last one leads there.
 */
function towards(details: Details): string {
  const target = details.params['redirect_uri'];
  if (typeof target !== 'string' || !URL.canParse(target)) return '';
  const { origin, protocol } = new URL(target);
  return `?to=${encodeURIComponent(origin === 'null' ? protocol : origin)}`;
}

/** `GET /interaction/:uid`: shows what is next, or goes on when nothing is. */
export async function showInteraction(
  parts: InteractionParts,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const details = await detailsOf(parts, req, res);
  if (details === undefined) return;
  const signedIn = await parts.people.sessionOf(req.headers);
  if (details.prompt.name === 'consent') return askConsent(parts, details, signedIn, req, res);
  const returnTo = `${parts.issuer}interaction/${details.uid}${towards(details)}`;
  const isSignup = details.params['screen_hint'] === 'signup';
  if (signedIn === undefined)
    return go(res, parts.people.signInUrl({ returnTo, isRefresh: false, isSignup }));
  const what = lacking(details, signedIn);
  if (what !== 'nothing')
    return go(
      res,
      parts.people.signInUrl({
        ...{ returnTo, isSignup: false, isRefresh: what === 'refresh' },
        ...(what === 'aal2' ? { acr: 'aal2' as const } : {}),
      }),
    );
  if (isBeyond(details, signedIn.acr))
    return finish(parts, req, res, {
      error: 'unmet_authentication_requirements',
      error_description: 'the person can not sign in as surely as the request asks',
    });
  if (details.prompt.reasons.some((r) => NO_OTHER_PERSON.has(r)))
    return finish(parts, req, res, {
      error: 'login_required',
      error_description: 'somebody else is signed in',
    });
  return finish(parts, req, res, {
    login: {
      accountId: signedIn.accountId,
      acr: signedIn.acr,
      amr: [...signedIn.amr],
      ts: Math.floor(signedIn.authenticatedAtMs / 1_000),
    },
  });
}

async function finish(
  { provider }: InteractionParts,
  req: IncomingMessage,
  res: ServerResponse,
  result: Parameters<Provider['interactionFinished']>[2],
): Promise<void> {
  await provider.interactionFinished(req, res, result);
}

interface Missing {
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly resources: Readonly<Record<string, readonly string[]>>;
}
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];

function missingOf({ prompt: { details } }: Details): Missing {
  const resources: unknown = details['missingResourceScopes'];
  return {
    scopes: texts(details['missingOIDCScope']),
    claims: texts(details['missingOIDCClaims']),
    resources: Object.fromEntries(
      Object.entries(typeof resources === 'object' && resources !== null ? resources : {}).map(
        ([audience, scopes]) => [audience, texts(scopes)],
      ),
    ),
  };
}

function scopesOf(missing: Missing): Scope[] {
  const own = missing.scopes.map((name) => ({ name, words: SCOPES[name] ?? name }));
  const claims = missing.claims.map((name) => ({ name, words: `See your ${name}` }));
  const others = Object.entries(missing.resources).flatMap(([audience, scopes]) =>
    scopes.map((name) => ({ name, words: `${name} at ${audience}` })),
  );
  return [...own, ...claims, ...others];
}

async function askConsent(
  parts: InteractionParts,
  details: Details,
  signedIn: SignedIn | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const client = await parts.provider.Client.find(String(details.params['client_id']));
  const profile =
    signedIn === undefined ? undefined : await parts.people.profileOf(signedIn.accountId);
  if (
    client === undefined ||
    profile === undefined ||
    signedIn?.accountId !== details.session?.accountId
  )
    return finish(parts, req, res, {
      error: 'access_denied',
      error_description: 'who signed in is not signed in any more',
    });
  const target: unknown = details.params['redirect_uri'];
  send(
    res,
    parts.pages.consent({
      client: { name: client.clientName ?? client.clientId, uri: client.clientUri },
      accountName: profile.email ?? profile.name,
      scopes: scopesOf(missingOf(details)),
      action: `/interaction/${details.uid}`,
      target: typeof target === 'string' ? target : undefined,
    }),
  );
}

/** `POST /interaction/:uid`: what a person decided. */
export async function decideInteraction(
  parts: InteractionParts,
  req: IncomingMessage,
  res: ServerResponse,
  isAllowed: boolean,
): Promise<void> {
  const details = await detailsOf(parts, req, res);
  if (details === undefined) return;
  const signedIn = await parts.people.sessionOf(req.headers);
  const accountId = details.session?.accountId;
  if (!isAllowed || details.prompt.name !== 'consent' || accountId === undefined)
    return finish(parts, req, res, {
      error: 'access_denied',
      error_description: 'the person did not agree',
    });
  if (signedIn?.accountId !== accountId)
    return finish(parts, req, res, {
      error: 'access_denied',
      error_description: 'who signed in is not signed in any more',
    });
  const { Grant } = parts.provider;
  const clientId = String(details.params['client_id']);
  const known = details.grantId === undefined ? undefined : await Grant.find(details.grantId);
  const grant = known ?? new Grant({ accountId, clientId });
  const missing = missingOf(details);
  if (missing.scopes.length > 0) grant.addOIDCScope(missing.scopes.join(' '));
  if (missing.claims.length > 0) grant.addOIDCClaims([...missing.claims]);
  for (const [audience, scopes] of Object.entries(missing.resources))
    grant.addResourceScope(audience, scopes.join(' '));
  const grantId = await grant.save();
  return finish(parts, req, res, { consent: { grantId } });
}
