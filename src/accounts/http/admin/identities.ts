/** Identities one by one and in lists (`/admin/identities`): whoever may administer reads, makes, changes and deletes them. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUuid, PosternError } from '../../../kernel/index.ts';
import {
  type Account,
  CREDENTIAL_TYPES,
  type CredentialType,
  type JsonObject,
} from '../../account.ts';
import type { AccountSpec } from '../../administration.ts';
import { patched, speaksOf } from '../../json-patch.ts';
import type { AccountsManager } from '../../manager.ts';
import { IDS_MAX } from '../../repository/search.ts';
import { normaliseIdentifier } from '../../schema/identity-schema.ts';
import { accountView, type View } from '../../view.ts';
import { queryText } from '../web.ts';
import { fields, refuse } from './body.ts';
import { readSpec, SPEC_FIELDS } from './identity-spec.ts';
import { linkTo, offsetOf, pageSizeOf, placeOf, tokenOf } from './paging.ts';
import type { AddRoute, AdminParts } from './parts.ts';
import { idOf, includedTypes, queryList } from './query.ts';
import { insistOnSecrets, noteShown } from './secrets.ts';

/** At most one of them narrows a list. */
const FILTERS = [
  'ids',
  'credentials_identifier',
  'preview_credentials_identifier_similar',
  'organization_id',
];

const ADDRESSES = ['verifiable_addresses', 'recovery_addresses'];
/** What a patch may read and change. */
const PATCHED = [
  ...['schema_id', 'traits', 'external_id', 'state', 'metadata_public', 'metadata_admin'],
  ...['organization_id', ...ADDRESSES],
];

/** What no JSON Patch reads or writes, as at Kratos. */
const PATCH_FORBIDDEN = ['id', 'stateChangedAt', 'state_changed_at', 'credentials'];

/** The part of an identity that can be patched. */
function documentOf(view: View): JsonObject {
  const known = PATCHED.map((name) => [name, view[name] ?? null]);
  // A view is JSON.
  return Object.fromEntries(known) as JsonObject;
}

class IdentitySurface {
  readonly #parts: AdminParts;
  constructor(parts: AdminParts) {
    this.#parts = parts;
  }
  get #services(): AccountsManager['services'] {
    return this.#parts.manager.services;
  }

  #view(account: Account, withConfig: readonly CredentialType[] = []): View {
    const { publicUrl } = this.#services.config;
    return accountView(account, { publicUrl, isAdmin: true, withConfig });
  }

  /** The types whose secrets are asked for, by somebody who may see them. Throws `denied`. */
  async #asked(request: FastifyRequest): Promise<readonly CredentialType[]> {
    const withConfig = includedTypes(request);
    if (withConfig.length > 0) await insistOnSecrets(this.#parts, request);
    return withConfig;
  }

  async #shown(
    accounts: readonly Account[],
    withConfig: readonly CredentialType[],
    by: string,
  ): Promise<readonly View[]> {
    if (withConfig.length > 0 && accounts.length > 0)
      await noteShown(this.#parts, by, 'accounts', {
        ...{ credentials: withConfig, accounts: accounts.map(({ id }) => id) },
      });
    return accounts.map((a) => this.#view(a, withConfig));
  }

  async list(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = FILTERS.filter((name) => queryText(request, name) !== undefined);
    if (given.length > 1) refuse(`Only one of ${given.join(', ')} at a time`);
    const ids = queryList(request, 'ids').filter((id) => id !== '');
    if (ids.length > IDS_MAX) refuse(`At most ${IDS_MAX} ids at a time`);
    const strange = ids.find((id) => !isUuid(id));
    if (strange !== undefined) refuse(`ids: "${strange.slice(0, 100)}" is no id`);
    const identifier = queryText(request, 'credentials_identifier');
    const similar = queryText(request, 'preview_credentials_identifier_similar');
    const organizationId = queryText(request, 'organization_id');
    const filter = {
      ...(ids.length === 0 ? {} : { ids }),
      ...(identifier === undefined ? {} : { identifier: normaliseIdentifier(identifier) }),
      ...(similar === undefined ? {} : { identifierPrefix: normaliseIdentifier(similar) }),
      ...(organizationId === undefined ? {} : { organizationId }),
    };
    const withConfig = await this.#asked(request);
    const { accounts } = this.#services;
    // As with Kratos a list by ids has no pages: they would not fit into a header that goes on with them.
    if (ids.length > 0) {
      const named = await accounts.list(filter, { limit: IDS_MAX });
      return reply.send(await this.#shown(named, withConfig, by));
    }
    const [limit, after, offset] = [pageSizeOf(request), placeOf(request), offsetOf(request)];
    const found = await accounts.list(filter, { limit: limit + 1, after, offset });
    const shown = found.slice(0, limit);
    const last = found.length > limit ? shown.at(-1) : undefined;
    if (offset !== undefined) reply.header('x-total-count', String(await accounts.count(filter)));
    else reply.header('link', linkTo(request, '/admin/identities', last && tokenOf(last)));
    return reply.send(await this.#shown(shown, withConfig, by));
  }

  async create(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const spec = readSpec(request.body, this.#services.config.defaultSchemaId);
    const account = await this.#parts.administration.create(spec, by);
    reply.header('location', `${this.#services.config.adminUrl}/admin/identities/${account.id}`);
    return reply.code(201).send(this.#view(account));
  }

  async get(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const withConfig = await this.#asked(request);
    const account = await this.#parts.administration.get(idOf(request));
    const [view] = await this.#shown([account], withConfig, by);
    return reply.send(view);
  }
  async getByExternal(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { externalId } = request.params as { externalId: string };
    const account = await this.#services.accounts.getByExternalId(externalId);
    if (account === undefined) throw new PosternError('not_found', 'There is no such account');
    return reply.send(this.#view(account));
  }

  async update(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = fields(request.body, SPEC_FIELDS, 'The body');
    for (const name of ['schema_id', 'traits', 'state'])
      if (given[name] === undefined) refuse(`${name} has to be there`);
    const spec = readSpec(given, this.#services.config.defaultSchemaId);
    return reply.send(
      this.#view(await this.#parts.administration.update(idOf(request), () => spec, by)),
    );
  }

  async patch(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const { administration } = this.#parts;
    const specOf = (before: Account): AccountSpec => {
      const document = patched(request.body, documentOf(this.#view(before)), PATCH_FORBIDDEN);
      // What nobody speaks of stays as it is; addresses come from the traits.
      const said = Object.entries(document).filter(
        ([name]) => !ADDRESSES.includes(name) || speaksOf(request.body, name),
      );
      return readSpec(Object.fromEntries(said), this.#services.config.defaultSchemaId);
    };
    return reply.send(this.#view(await administration.update(idOf(request), specOf, by)));
  }

  async delete(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    await this.#parts.administration.delete(idOf(request), by);
    return reply.code(204).send();
  }

  async deleteCredential(
    request: FastifyRequest,
    reply: FastifyReply,
    by: string,
  ): Promise<FastifyReply> {
    const { type: given } = request.params as { type: string };
    const type = CREDENTIAL_TYPES.find((t) => t === given);
    if (type === undefined) refuse(`"${given}" is no type of credential`);
    const identifier = queryText(request, 'identifier');
    await this.#parts.administration.deleteCredential(idOf(request), type, identifier, by);
    return reply.code(204).send();
  }
}

/** Adds the routes. */
export function addIdentities(add: AddRoute, parts: AdminParts): void {
  const surface = new IdentitySurface(parts);
  add('GET', '/identities', (q, r, by) => surface.list(q, r, by));
  add('POST', '/identities', (q, r, by) => surface.create(q, r, by));
  add('GET', '/identities/:id', (q, r, by) => surface.get(q, r, by));
  add('GET', '/identities/by/external/:externalId', (q, r) => surface.getByExternal(q, r));
  add('PUT', '/identities/:id', (q, r, by) => surface.update(q, r, by));
  add('PATCH', '/identities/:id', (q, r, by) => surface.patch(q, r, by));
  add('DELETE', '/identities/:id', (q, r, by) => surface.delete(q, r, by));
  add('DELETE', '/identities/:id/credentials/:type', (q, r, by) =>
    surface.deleteCredential(q, r, by),
  );
}
