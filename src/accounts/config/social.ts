/**
 * Reads `selfservice.methods.oidc`: the providers of social sign-in. Their mappers are compiled here, so that a fault
 * shows when the server starts. What a provider needs and is not there, or is not supported, is refused by name.
 */
import { PosternError } from '../../kernel/index.ts';
import { PRESETS, REFUSED } from '../social/catalogue.ts';
import { compileMapper } from '../social/mapper.ts';
import type { Preset } from '../social/preset.ts';
import type { MethodsConfig, OidcProviderConfig } from './config.ts';
import { type Part, refuse } from './part.ts';

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const NOT_SUPPORTED: ReadonlyMap<string, string> = new Map([
  ['organization_id', 'is not supported: there are no organisations'],
  ['fedcm_config_url', 'is not supported: there is no FedCM'],
  ['net_id_token_origin_header', "is not supported: it belongs to netID's FedCM"],
]);

const KNOWN = new Set([
  ...['id', 'provider', 'label', 'client_id', 'client_secret', 'issuer_url', 'scope'],
  ...['mapper_url', 'pkce', 'claims_source', 'subject_source', 'requested_claims'],
  ...['update_identity_on_login', 'additional_id_token_audiences', 'account_linking_mode'],
  ...['microsoft_tenant', 'apple_team_id', 'apple_private_key_id', 'apple_private_key'],
  ...['aal2_acr_values', 'aal2_amr_values', 'auth_url', 'token_url'],
  ...NOT_SUPPORTED.keys(),
]);

function unsupported(part: Part, why: string): never {
  throw new PosternError('unsupported', `kratos.yml: ${part.path} ${why}`);
}

function needed(part: Part): string {
  return part.text() ?? refuse(part.path, 'is missing');
}

/** The providers. `load` gets the text of a `file://`, `base64://` or `https://` address. */
export async function socialOf(
  part: Part,
  load: (url: string) => Promise<string>,
): Promise<MethodsConfig['oidc']> {
  const isEnabled = part.at('enabled').flag() ?? false;
  const config = part.at('config');
  const items = isEnabled ? config.at('providers').items() : [];
  const providers = await Promise.all(items.map((item) => providerOf(item, load)));
  const ids = providers.map(({ id }) => id);
  const twice = ids.find((id, place) => ids.indexOf(id) !== place);
  if (twice !== undefined) refuse(config.at('providers').path, `has "${twice}" twice`);
  return {
    isEnabled: isEnabled && providers.length > 0,
    providers,
    redirectBaseUrl: config.at('base_redirect_uri').text()?.replace(/\/+$/, ''),
  };
}

async function providerOf(
  part: Part,
  load: (url: string) => Promise<string>,
): Promise<OidcProviderConfig> {
  const strange = part.keys().find((name) => !KNOWN.has(name));
  if (strange !== undefined) refuse(part.at(strange).path, 'is not known');
  for (const [name, why] of NOT_SUPPORTED)
    if (part.at(name).isThere && part.at(name).value !== '') unsupported(part.at(name), why);
  const id = needed(part.at('id'));
  if (!ID.test(id))
    refuse(part.at('id').path, 'has other characters than letters, digits, _ and -');
  const provider = needed(part.at('provider'));
  const preset = PRESETS.get(provider);
  const refused = REFUSED.get(provider);
  if (refused !== undefined) unsupported(part.at('provider'), refused);
  if (preset === undefined)
    unsupported(
      part.at('provider'),
      `is "${provider}"; known are ${[...PRESETS.keys()].join(', ')}. A provider with OpenID Connect discovery is "generic"`,
    );
  const linking = part.at('account_linking_mode').text() ?? 'confirm_with_existing_credential';
  if (linking !== 'confirm_with_existing_credential')
    unsupported(
      part.at('account_linking_mode'),
      'is supported as confirm_with_existing_credential alone: an address is no proof',
    );
  ignoredUrls(part);
  const pkce = part.at('pkce').oneOf(['auto', 'never', 'force']) ?? 'auto';
  const hasIssuer = preset.kind === 'openid' || preset.isMovable === true;
  const apple = provider === 'apple' ? appleOf(part) : undefined;
  return {
    id,
    provider,
    label: part.at('label').text() ?? id,
    clientId: needed(part.at('client_id')),
    clientSecret: apple === undefined ? needed(part.at('client_secret')) : '',
    issuerUrl: hasIssuer ? issuerOf(part, preset.issuer) : undefined,
    scope: part.at('scope').texts() ?? [],
    mapper: await mapperOf(part.at('mapper_url'), load),
    pkce: pkce === 'auto' && preset.kind === 'oauth' ? (preset.pkce ?? pkce) : pkce,
    claimsSource: part.at('claims_source').oneOf(['id_token', 'userinfo']),
    subjectSource: part.at('subject_source').oneOf(['userinfo', 'me', 'oid']) ?? 'userinfo',
    requestedClaims: part.at('requested_claims').value,
    updateOnLogin: part.at('update_identity_on_login').oneOf(['never', 'automatic']) ?? 'never',
    ...aal2Of(part, preset),
    additionalAudiences: part.at('additional_id_token_audiences').texts() ?? [],
    apple,
  };
}

/**
 * `auth_url` and `token_url` are read and not used, as by Kratos: the issuer's discovery says where its endpoints are, and
 * without an issuer there are no keys that an ID token could be checked by.
 */
function ignoredUrls(part: Part): void {
  for (const name of ['auth_url', 'token_url']) {
    const text = part.at(name).text();
    if (text !== undefined && !URL.canParse(text)) refuse(part.at(name).path, 'is no URL');
  }
}

/** By which values a provider's sign-in is two factors. They are believed where they are signed, and asked for there alone. */
function aal2Of(part: Part, preset: Preset): Pick<OidcProviderConfig, 'aal2Acr' | 'aal2Amr'> {
  const valuesOf = (name: string): readonly string[] => {
    const values = part.at(name).texts() ?? [];
    if (values.length > 0 && preset.kind === 'oauth')
      unsupported(part.at(name), 'can never match: this provider gives no ID token');
    return values;
  };
  return { aal2Acr: valuesOf('aal2_acr_values'), aal2Amr: valuesOf('aal2_amr_values') };
}

function appleOf(part: Part): NonNullable<OidcProviderConfig['apple']> {
  return {
    teamId: needed(part.at('apple_team_id')),
    keyId: needed(part.at('apple_private_key_id')),
    privateKey: needed(part.at('apple_private_key')),
  };
}

/** The issuer; plain http is for providers on this machine alone. */
function issuerOf(part: Part, known: string | undefined): string {
  const place = part.at('issuer_url');
  const isTenant = known?.includes('{tenant}') === true;
  const text = isTenant
    ? known?.replace('{tenant}', encodeURIComponent(needed(part.at('microsoft_tenant'))))
    : (place.text() ?? known);
  if (text === undefined)
    refuse(place.path, 'is missing: the provider is found by its discovery, and by nothing else');
  const url = URL.canParse(text) ? new URL(text) : refuse(place.path, 'is no URL');
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal))
    refuse(place.path, 'has to be https');
  return text;
}

/** A mapper from an address, or written down in the file itself. */
async function mapperOf(part: Part, load: (url: string) => Promise<string>): Promise<string> {
  const text = needed(part);
  const isUrl = /^(file|base64|https?):\/\//.test(text);
  try {
    const source = isUrl ? await load(text) : text;
    compileMapper(source);
    return source;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unreadable';
    throw new PosternError('invalid', `kratos.yml: ${part.path}: ${why}`, { cause });
  }
}
