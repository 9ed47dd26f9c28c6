/**
 * An identity as administrators write it (Kratos's `createIdentityBody` and `updateIdentityBody`), read into what an account
 * shall be. Pure. What could not be kept, such as a TOTP secret without its owner's proof, is refused and not passed over.
 */
import { PosternError } from '../../../kernel/index.ts';
import { CREDENTIAL_TYPES, isJsonObject, type Json, type JsonObject } from '../../account.ts';
import type { AccountSpec } from '../../administration.ts';
import { isFlatEnough } from '../../outgoing/nesting.ts';
import { ringOfJson } from '../../webauthn/credential.ts';
import { fields, listField, refuse, textField } from './body.ts';

/** Keys of one kind that an account may be imported with. */
const KEYS_MAX = 100;
const BASE64 = /^[A-Za-z0-9+/_-]{1,8192}={0,2}$/;

/** Types of credentials that Kratos knows besides ours. */
export const FOREIGN_TYPES: readonly string[] = ['saml', 'link_recovery', 'code_recovery'];

/** What an identity may say of itself. */
export const SPEC_FIELDS: readonly string[] = [
  ...['schema_id', 'traits', 'external_id', 'credentials', 'metadata_public', 'metadata_admin'],
  ...['state', 'verifiable_addresses', 'recovery_addresses', 'organization_id', 'region'],
];

function passwordOf(credentials: JsonObject): AccountSpec['password'] {
  const part = credentials['password'];
  if (part === undefined) return undefined;
  const { config } = fields(
    part,
    ['config', 'type', 'identifiers', 'version'],
    'credentials.password',
  );
  const given = fields(
    config ?? {},
    ['password', 'hashed_password', 'use_password_migration_hook'],
    'credentials.password.config',
  );
  const plain = textField(given, 'password');
  const hash = textField(given, 'hashed_password');
  if (given['use_password_migration_hook'] === true)
    throw new PosternError('unsupported', 'The password migration hook is not supported');
  if (plain === undefined && hash === undefined) return undefined;
  return { ...(plain === undefined ? {} : { plain }), ...(hash === undefined ? {} : { hash }) };
}

function oidcOf(credentials: JsonObject): AccountSpec['oidc'] {
  const part = credentials['oidc'];
  if (part === undefined) return undefined;
  const { config } = fields(part, ['config', 'type', 'identifiers', 'version'], 'credentials.oidc');
  const given = fields(config ?? {}, ['providers', 'config'], 'credentials.oidc.config');
  return listField(given, 'providers')?.map((p) => {
    const provider = isJsonObject(p) ? textField(p, 'provider') : undefined;
    const subject = isJsonObject(p) ? textField(p, 'subject') : undefined;
    if (provider === undefined || subject === undefined)
      refuse('credentials.oidc.config.providers: provider and subject have to be there');
    return { provider, subject };
  });
}

function keysOf(credentials: JsonObject, type: 'webauthn' | 'passkey'): AccountSpec['webauthn'] {
  const part = credentials[type];
  if (part === undefined) return undefined;
  const path = `credentials.${type}`;
  const { config } = fields(part, ['config', 'type', 'identifiers', 'version'], path);
  const given = fields(config ?? {}, ['credentials', 'user_handle'], `${path}.config`);
  const list = listField(given, 'credentials') ?? [];
  if (list.length > KEYS_MAX) refuse(`${path}.config.credentials: at most ${KEYS_MAX}`);
  const isKey = (item: Json): boolean =>
    isJsonObject(item) &&
    ['id', 'public_key'].every((name) => BASE64.test(textField(item, name) ?? ''));
  if (!list.every(isKey)) refuse(`${path}.config.credentials: id and public_key are base64`);
  const handle = textField(given, 'user_handle') ?? '';
  if (handle !== '' && !BASE64.test(handle)) refuse(`${path}.config.user_handle is no base64`);
  return ringOfJson(list, handle);
}

/** An account as a request describes it. Throws `invalid`, naming the field. */
export function readSpec(body: unknown, defaultSchemaId: string): AccountSpec {
  const given = fields(body, SPEC_FIELDS, 'The body');
  if (!isFlatEnough(body)) refuse('The body is nested too deeply');
  const { traits } = given;
  if (!isJsonObject(traits)) refuse('traits is no JSON object');
  const state = textField(given, 'state');
  if (state !== undefined && state !== 'active' && state !== 'inactive')
    refuse('state is active or inactive');
  const credentials = fields(
    given['credentials'] ?? {},
    [...CREDENTIAL_TYPES, ...FOREIGN_TYPES],
    'credentials',
  );
  for (const type of ['totp', 'lookup_secret', 'saml'])
    if (credentials[type] !== undefined)
      throw new PosternError('unsupported', `credentials.${type} can not be imported`);
  const address = (item: Json): { value: string; via: 'email' | 'sms'; verified: boolean } => {
    if (!isJsonObject(item)) refuse('an address is no JSON object');
    const via = textField(item, 'via');
    const value = textField(item, 'value');
    if ((via !== 'email' && via !== 'sms') || value === undefined)
      refuse('an address has a value, and via is email or sms');
    return { value, via, verified: item['verified'] === true };
  };
  return {
    schemaId: textField(given, 'schema_id') ?? defaultSchemaId,
    traits,
    externalId: textField(given, 'external_id'),
    state,
    metadataPublic: given['metadata_public'],
    metadataAdmin: given['metadata_admin'],
    organizationId: textField(given, 'organization_id'),
    password: passwordOf(credentials),
    oidc: oidcOf(credentials),
    webauthn: keysOf(credentials, 'webauthn'),
    passkey: keysOf(credentials, 'passkey'),
    verifiableAddresses: listField(given, 'verifiable_addresses')?.map(address),
    recoveryAddresses: listField(given, 'recovery_addresses')?.map(address),
  };
}
