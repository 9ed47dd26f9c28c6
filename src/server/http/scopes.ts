/** What scopes there are, and which of them somebody may give on. */
import { scopeCovers } from '../../fabric/index.ts';
import { PosternError } from '../../kernel/index.ts';
import type { Caller } from '../caller.ts';

/** What a token's scopes may be about. */
const SCOPE_AREAS = [
  'spaces',
  'projects',
  'tickets',
  'members',
  'relays',
  'tokens',
  'audit',
  'decisions',
  'accounts',
  'clients',
  'services',
  'permissions',
  'metrics',
] as const;
const SCOPE = new RegExp(`^(\\*|admin|(${SCOPE_AREAS.join('|')}):(\\*|[a-z]+))$`);

/** Throws `invalid` for a scope that there is not. */
export function checkScopes(scopes: readonly string[]): void {
  const unknown = scopes.find((s) => !SCOPE.test(s));
  if (unknown === undefined) return;
  throw new PosternError('invalid', `There is no scope "${unknown.slice(0, 100)}"`, {
    hint: `A scope is *, or AREA:* or AREA:ACTION, where AREA is one of ${SCOPE_AREAS.join(', ')}`,
  });
}

/** The scopes of a caller, who got past `authorise`: those of a token, and everything for administrators. */
export function scopesOf(caller: Caller): readonly string[] {
  return caller.kind === 'token' ? caller.grant.scopes : ['*'];
}

/** Throws `denied` for a scope that the caller lacks. */
export function refuseBeyond(caller: Caller, scopes: readonly string[]): void {
  const own = scopesOf(caller);
  const beyond = scopes.find((wanted) => !own.some((has) => scopeCovers(has, wanted)));
  if (beyond !== undefined)
    throw new PosternError('denied', `A token can't give the scope ${beyond}, which it lacks`);
}
