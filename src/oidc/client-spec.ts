/**
 * What a client may be, and what only an administrator may ask of one. Pure. The threat: an application that sends people, or
 * this server, where its maker wants them.
 */
import { checkDisplayName, PosternError } from '../kernel/index.ts';
import type { Actor, ClientSpec } from './client.ts';
import { checkClientUrl, checkWildcards, type UrlUse } from './client-urls.ts';

const URLS_MAX = 50;
const NAME_MAX = 200;

type UrlLists = Pick<ClientSpec, 'callbackUrls' | 'logoutUrls' | 'webOrigins'>;

function listsOf(spec: UrlLists): readonly (readonly [readonly string[] | undefined, UrlUse])[] {
  return [
    [spec.callbackUrls, 'callback'],
    [spec.logoutUrls, 'logout'],
    [spec.webOrigins, 'origin'],
  ];
}

/** Holds the wildcards that a client did not have `before` against public suffixes. Throws `invalid` or `denied`. */
export async function checkNewWildcards(
  spec: UrlLists,
  actor: Actor,
  before: UrlLists,
): Promise<void> {
  const known = new Map(listsOf(before).map(([urls = [], use]) => [use, urls]));
  for (const [urls = [], use] of listsOf(spec))
    await checkWildcards(
      urls.filter((url) => known.get(use)?.includes(url) !== true),
      use,
      actor,
    );
}

/** Throws `invalid` for what a client may not be, `denied` for what only an administrator may ask. */
export function checkSpec(spec: ClientSpec, actor: Actor): void {
  checkDisplayName(spec.name, "A client's name", NAME_MAX, 'name');
  const isNative = spec.type === 'native';
  for (const [urls = [], use] of listsOf(spec)) {
    if (urls.length > URLS_MAX)
      throw new PosternError('invalid', `A client has at most ${URLS_MAX} ${use} URLs`, {
        facts: { field: use },
      });
    for (const url of urls) checkClientUrl(url, use, { isNative });
  }
  if (spec.uri !== undefined && !/^https?:\/\/[^\s\\]{1,500}$/.test(spec.uri))
    throw new PosternError('invalid', "A client's own address is an http or https URL");
  if (spec.backchannelLogoutUrl !== undefined) {
    const isWeb = /^https?:\/\//.test(spec.backchannelLogoutUrl);
    checkClientUrl(spec.backchannelLogoutUrl, 'logout', { isNative: false });
    if (!isWeb || spec.backchannelLogoutUrl.includes('*'))
      throw new PosternError('invalid', 'A back-channel logout URL is one http or https URL');
  }
  if ((spec.type === 'web' || spec.type === 'spa') && (spec.callbackUrls ?? []).length === 0)
    throw new PosternError('invalid', `A ${spec.type} client needs a callback URL`, {
      facts: { field: 'callback' },
      hint: 'Name it with --callback https://app.example.org/callback',
    });
  if (actor.isAdministrator) return;
  // The server itself posts there: only who may configure the server says where.
  if (spec.backchannelLogoutUrl !== undefined)
    throw new PosternError('denied', 'Only an administrator sets a back-channel logout URL');
  if (spec.isFirstParty === true)
    throw new PosternError('denied', 'Only an administrator makes a client that needs no consent');
  if (spec.type === 'service')
    throw new PosternError('denied', 'Only an administrator makes a service client');
}
