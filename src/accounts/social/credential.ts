/** The credential of social sign-in: which people of which providers an account is. Pure. */
import type { Account, Credential, JsonObject } from '../account.ts';

export interface SocialLink {
  readonly provider: string;
  readonly subject: string;
}

/** What an account is found by: Kratos's form, so that imported people are found too. */
export function socialIdentifier({ provider, subject }: SocialLink): string {
  return `${provider}:${subject}`;
}

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The links of an account. */
export function linksOf(account: Account | undefined): readonly SocialLink[] {
  const providers = account?.credentials.get('oidc')?.config['providers'];
  if (!Array.isArray(providers)) return [];
  return providers.flatMap((p): SocialLink[] => {
    if (!isRecord(p)) return [];
    const { provider, subject } = p;
    return typeof provider === 'string' && typeof subject === 'string'
      ? [{ provider, subject }]
      : [];
  });
}

/** The credential of these links. */
export function socialCredential(
  links: readonly SocialLink[],
  nowMs: number,
  before?: Credential,
): Credential {
  return {
    type: 'oidc',
    version: 0,
    identifiers: links.map(socialIdentifier),
    config: { providers: links.map(({ provider, subject }) => ({ provider, subject })) },
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

/** The account with these links; without the credential when there are none. */
export function withLinks(account: Account, links: readonly SocialLink[], nowMs: number): Account {
  const credentials = new Map(account.credentials);
  if (links.length === 0) credentials.delete('oidc');
  else credentials.set('oidc', socialCredential(links, nowMs, credentials.get('oidc')));
  return { ...account, credentials };
}
