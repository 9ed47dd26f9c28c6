/** Joins service accounts to the authority's spaces, which are the organisations that they belong to. */
import { type AccountsManager, createServiceSignIn, ServiceAccounts } from '../accounts/index.ts';
import type { AuthorityManager } from '../authority/index.ts';
import type { ServiceApi } from './http/services.ts';

export async function openServices(
  manager: AccountsManager,
  authority: AuthorityManager,
): Promise<ServiceApi> {
  const { store, fabric, audit, clock, budgets, hasher } = manager.services;
  const spaces = (): Promise<{ id: string; name: string }[]> => authority.spaces();
  const parts = {
    ...{ store, fabric, audit, clock, budgets, hasher },
    spaceOf: async (word: string | undefined) => {
      const all = await spaces();
      return word === undefined ? all[0] : all.find((s) => s.id === word || s.name === word);
    },
  };
  const services = await ServiceAccounts.open(parts);
  authority.guardSpaces((trx, spaceId) => services.insistOnNone(trx, spaceId));
  return { services, signIn: createServiceSignIn(parts), spaces };
}
