/**
 * Which hosts hand out the names below them to strangers, by the Public Suffix List (https://publicsuffix.org): under
 * `co.uk` by registration, under `github.io` for the asking. A wildcard there stands for pages of people whom nobody knows.
 * The list is loaded at its first use, and is as old as the package that carries it.
 */

/** `registry`: of the list's ICANN part; `provider`: of its private part; undefined: names below it have one owner. */
export type SuffixKind = 'registry' | 'provider' | undefined;

/** What a host name in lower case is, in ASCII form where it has other letters. */
export async function suffixKindOf(host: string): Promise<SuffixKind> {
  const { parse } = await import('tldts');
  const { publicSuffix, isIcann } = parse(host, { allowPrivateDomains: true });
  if (publicSuffix !== host) return undefined;
  return isIcann === true ? 'registry' : 'provider';
}
