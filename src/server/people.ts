/**
 * Joins the accounts to the authority: machines that people let in carry what is verified of the person, and go when the
 * person is shut out. It acts on the event log, so also on what another server on the same database changed.
 */
import { type AccountsManager, normaliseIdentifier } from '../accounts/index.ts';
import type { Audit } from '../audit/index.ts';
import { AccountMachines, type AuthorityManager } from '../authority/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { isUuid, type Logger, PosternError, systemClock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import type { PeopleApi } from './http/people.ts';
import { profileOf, verifiedOf } from './oidc.ts';

export interface PeopleRoom {
  readonly api: PeopleApi;
  close(): void;
}

/** Opens it; machines of people who were shut out while no server ran are removed first. */
export async function openPeople(
  manager: AccountsManager,
  parts: {
    readonly store: Store;
    readonly fabric: Fabric;
    readonly audit: Audit;
    readonly authority: AuthorityManager;
    readonly logger: Logger;
  },
): Promise<PeopleRoom> {
  const machines = new AccountMachines({ ...parts, clock: systemClock });
  const { accounts, sessions } = manager.services;
  const verified = (id: string): Promise<Record<string, string> | undefined> =>
    verifiedOf(manager, id);
  const seen = await parts.fabric.events.latest();
  for (const id of await machines.owners()) await machines.refresh(id, await verified(id));
  const reader = parts.fabric.events.subscribe(seen, async ({ kind, subject }) => {
    if (subject === undefined || !/^account\.(changed|disabled)$/.test(kind)) return;
    await machines.refresh(subject, await verified(subject));
  });
  const nameOf = async (id: string): Promise<string> => {
    const account = await accounts.get(id);
    return account === undefined ? id : (profileOf(account).email ?? profileOf(account).name);
  };
  return {
    api: {
      machines,
      verified,
      nameOf,
      find: async (word) => {
        const account = isUuid(word)
          ? await accounts.get(word)
          : await accounts.findByIdentifier(normaliseIdentifier(word), [
              'password',
              'code',
              'webauthn',
            ]);
        if (account === undefined)
          throw new PosternError('not_found', `There is no account "${word.slice(0, 80)}"`, {
            hint: 'postern account list',
          });
        return { id: account.id, name: await nameOf(account.id) };
      },
      assuranceOf: async (sessionId) => (await sessions.get(sessionId))?.aal ?? 'aal1',
    },
    close: () => reader.close(),
  };
}
