/**
 * The administrators' surface (reference: Kratos's admin API, port 4434). Every route asks who may; a request that names
 * a field that is not known is refused, so that nothing is set by accident.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PosternError, parseDurationMs } from '../../kernel/index.ts';
import type { Account, CredentialType, Json, JsonObject, Session } from '../account.ts';
import type { AccountSpec, Administration } from '../administration.ts';
import type { Courier, CourierMessage } from '../courier/courier.ts';
import { beginRehearsal } from '../flows/rehearsal.ts';
import type { AccountsManager } from '../manager.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import { accountView, flowView, sessionView, type View } from '../view.ts';
import { ringOfJson } from '../webauthn/credential.ts';
import { errorBody, uiUrl } from './answer.ts';
import { queryText } from './web.ts';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const PAGE_SIZE = 250;
const PAGE_SIZE_MAX = 500;
const OFFSET_MAX = 1_000;
const BATCH_MAX = 1_000;
const PLAIN_BATCH_MAX = 200;
const RECOVERY_LIFESPAN_MS = 3_600_000;
const TYPES: readonly CredentialType[] = [
  'password',
  'code',
  'oidc',
  'totp',
  'lookup_secret',
  'webauthn',
  'passkey',
];

export interface AdminParts {
  readonly manager: AccountsManager;
  readonly administration: Administration;
  readonly courier: Courier;
  readonly version: string;
  readonly isReady: () => Promise<void>;
  /** Who asks; throws `unauthenticated` or `denied`. */
  readonly authorise: (
    request: FastifyRequest,
    action: 'accounts:read' | 'accounts:write',
  ) => Promise<string>;
}

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuse(message: string): never {
  throw new PosternError('invalid', message);
}

function fields(value: unknown, known: readonly string[], where: string): JsonObject {
  if (!isRecord(value)) refuse(`${where} is no JSON object`);
  const strange = Object.keys(value).find((name) => !known.includes(name));
  if (strange !== undefined) refuse(`${where} has the unknown field "${strange}"`);
  return value;
}

function textField(from: JsonObject, name: string): string | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') refuse(`${name} is no text`);
  return value;
}
function listField(from: JsonObject, name: string): readonly Json[] | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) refuse(`${name} is no list`);
  return value;
}

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
    const provider = isRecord(p) ? textField(p, 'provider') : undefined;
    const subject = isRecord(p) ? textField(p, 'subject') : undefined;
    if (provider === undefined || subject === undefined)
      refuse('credentials.oidc.config.providers: provider and subject have to be there');
    return { provider, subject };
  });
}

const KEYS_MAX = 100;
const BASE64 = /^[A-Za-z0-9+/_-]{1,8192}={0,2}$/;

function keysOf(credentials: JsonObject, type: 'webauthn' | 'passkey'): AccountSpec['webauthn'] {
  const part = credentials[type];
  if (part === undefined) return undefined;
  const path = `credentials.${type}`;
  const { config } = fields(part, ['config', 'type', 'identifiers', 'version'], path);
  const given = fields(config ?? {}, ['credentials', 'user_handle'], `${path}.config`);
  const list = listField(given, 'credentials') ?? [];
  if (list.length > KEYS_MAX) refuse(`${path}.config.credentials: at most ${KEYS_MAX}`);
  const isKey = (item: Json): boolean =>
    isRecord(item) &&
    ['id', 'public_key'].every((name) => BASE64.test(textField(item, name) ?? ''));
  if (!list.every(isKey)) refuse(`${path}.config.credentials: id and public_key are base64`);
  const handle = textField(given, 'user_handle') ?? '';
  if (handle !== '' && !BASE64.test(handle)) refuse(`${path}.config.user_handle is no base64`);
  return ringOfJson(list, handle);
}

const SPEC_FIELDS = [
  ...['schema_id', 'traits', 'external_id', 'credentials', 'metadata_public', 'metadata_admin'],
  ...['state', 'verifiable_addresses', 'recovery_addresses', 'organization_id', 'region'],
];

/** An account as a request describes it. Throws `invalid`, naming the field. */
export function readSpec(body: unknown, defaultSchemaId: string): AccountSpec {
  const given = fields(body, SPEC_FIELDS, 'The body');
  const { traits } = given;
  if (!isRecord(traits)) refuse('traits is no JSON object');
  const state = textField(given, 'state');
  if (state !== undefined && state !== 'active' && state !== 'inactive')
    refuse('state is active or inactive');
  const credentials = fields(
    given['credentials'] ?? {},
    [...TYPES, 'saml', 'link_recovery', 'code_recovery'],
    'credentials',
  );
  for (const type of ['totp', 'lookup_secret', 'saml'])
    if (credentials[type] !== undefined)
      throw new PosternError('unsupported', `credentials.${type} can not be imported`);
  const address = (item: Json): { value: string; via: 'email' | 'sms'; verified: boolean } => {
    if (!isRecord(item)) refuse('an address is no JSON object');
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

class AdminSurface {
  readonly #parts: AdminParts;
  constructor(parts: AdminParts) {
    this.#parts = parts;
  }
  get #services(): AccountsManager['services'] {
    return this.#parts.manager.services;
  }
  get #publicUrl(): string {
    return this.#services.config.publicUrl;
  }

  view(account: Account, withConfig: readonly CredentialType[] = []): View {
    return accountView(account, { publicUrl: this.#publicUrl, isAdmin: true, withConfig });
  }

  // Identities

  async list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const filters = [
      'ids',
      'credentials_identifier',
      'preview_credentials_identifier_similar',
      'organization_id',
    ];
    const given = filters.filter((name) => queryText(request, name) !== undefined);
    if (given.length > 1) refuse(`Only one of ${given.join(', ')} at a time`);
    const ids = queryList(request, 'ids');
    const identifier = queryText(request, 'credentials_identifier');
    const similar = queryText(request, 'preview_credentials_identifier_similar');
    const organizationId = queryText(request, 'organization_id');
    const filter = {
      ...(ids.length === 0 ? {} : { ids }),
      ...(identifier === undefined ? {} : { identifier: normaliseIdentifier(identifier) }),
      ...(similar === undefined ? {} : { identifierPrefix: normaliseIdentifier(similar) }),
      ...(organizationId === undefined ? {} : { organizationId }),
    };
    const page = pageOf(request);
    const found = await this.#services.accounts.list(filter, { ...page, limit: page.limit + 1 });
    const shown = found.slice(0, page.limit);
    const last = shown.at(-1);
    if (page.offset !== undefined)
      reply.header('x-total-count', String(await this.#services.accounts.count()));
    else if (found.length > page.limit && last !== undefined)
      reply.header('link', linkTo('/admin/identities', page.limit, last.id));
    const withConfig = queryList(request, 'include_credential').flatMap(
      (t) => TYPES.find((k) => k === t) ?? [],
    );
    return reply.send(shown.map((a) => this.view(a, withConfig)));
  }

  async create(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const spec = readSpec(request.body, this.#services.config.defaultSchemaId);
    const account = await this.#parts.administration.create(spec, by);
    reply.header('location', `${this.#services.config.adminUrl}/admin/identities/${account.id}`);
    return reply.code(201).send(this.view(account));
  }

  async batch(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const items = listField(fields(request.body, ['identities'], 'The body'), 'identities') ?? [];
    if (items.length > BATCH_MAX) refuse(`At most ${BATCH_MAX} identities at a time`);
    const specs = items.map((item) => {
      const { create, patch_id } = fields(item, ['create', 'patch_id'], 'identities[]');
      return { create, mark: typeof patch_id === 'string' ? { patch_id } : {} };
    });
    const isPlain = (c: unknown): boolean => JSON.stringify(c ?? null).includes('"password":"');
    if (specs.filter((s) => isPlain(s.create)).length > PLAIN_BATCH_MAX)
      refuse(`At most ${PLAIN_BATCH_MAX} identities with passwords in plain at a time`);
    const identities: unknown[] = [];
    for (const { create, mark } of specs) {
      try {
        const spec = readSpec(create, this.#services.config.defaultSchemaId);
        const account = await this.#parts.administration.create(spec, by);
        identities.push({ action: 'create', identity: account.id, ...mark });
      } catch (reason) {
        const { body } = errorBody(reason);
        const error = isRecord(body) ? body['error'] : undefined;
        identities.push({ action: 'error', ...mark, error });
      }
    }
    return reply.send({ identities });
  }

  async get(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const account = await this.#parts.administration.get(idOf(request));
    const withConfig = queryList(request, 'include_credential').flatMap(
      (t) => TYPES.find((k) => k === t) ?? [],
    );
    return reply.send(this.view(account, withConfig));
  }
  async getByExternal(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { externalId } = request.params as { externalId: string };
    const account = await this.#services.accounts.getByExternalId(externalId);
    if (account === undefined) throw new PosternError('not_found', 'There is no such account');
    return reply.send(this.view(account));
  }

  async update(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = fields(request.body, SPEC_FIELDS, 'The body');
    for (const name of ['schema_id', 'traits', 'state'])
      if (given[name] === undefined) refuse(`${name} has to be there`);
    const spec = readSpec(given, this.#services.config.defaultSchemaId);
    return reply.send(this.view(await this.#parts.administration.update(idOf(request), spec, by)));
  }

  async patch(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const before = await this.#parts.administration.get(idOf(request));
    const document = patched(request.body, {
      schema_id: before.schemaId,
      traits: before.traits,
      external_id: before.externalId ?? null,
      state: before.state,
      metadata_public: before.metadataPublic,
      metadata_admin: before.metadataAdmin,
      organization_id: before.organizationId ?? null,
    });
    const spec = readSpec(document, this.#services.config.defaultSchemaId);
    return reply.send(this.view(await this.#parts.administration.update(before.id, spec, by)));
  }

  // Sessions

  async sessionView(session: Session, expand: readonly string[]): Promise<View> {
    const account = expand.includes('identity')
      ? await this.#services.accounts.get(session.accountId)
      : undefined;
    const view = sessionView(session, account && this.view(account));
    if (expand.includes('devices')) return view;
    const { devices: _devices, ...rest } = view;
    return rest;
  }

  async sessionsOf(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    await this.#parts.administration.get(idOf(request));
    const active = queryText(request, 'active');
    const list = (await this.#services.sessions.list(idOf(request))).filter(
      (s) => active === undefined || s.isActive === (active === 'true'),
    );
    const views = await Promise.all(list.map((s) => this.sessionView(s, ['devices'])));
    return reply.header('x-total-count', String(views.length)).send(views);
  }

  async deleteSessionsOf(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { id } = await this.#parts.administration.get(idOf(request));
    const { store, sessions } = this.#services;
    const list = await sessions.list(id);
    if (list.length === 0) throw new PosternError('not_found', 'The account has no sessions');
    await store.write((trx) =>
      sessions.delete(
        trx,
        list.map((s) => s.id),
      ),
    );
    return reply.code(204).send();
  }

  async sessions(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const active = queryText(request, 'active');
    const { limit, afterId } = pageOf(request);
    const list = await this.#services.sessions.listAll({
      limit: limit + 1,
      ...(afterId === undefined ? {} : { afterId }),
      ...(active === undefined ? {} : { isActive: active === 'true' }),
    });
    const shown = list.slice(0, limit);
    const last = shown.at(-1);
    if (list.length > limit && last !== undefined)
      reply.header('link', linkTo('/admin/sessions', limit, last.id));
    const expand = queryList(request, 'expand').map((e) => e.toLowerCase());
    return reply.send(await Promise.all(shown.map((s) => this.sessionView(s, expand))));
  }

  async session(request: FastifyRequest): Promise<Session> {
    const session = await this.#services.sessions.get(idOf(request));
    if (session === undefined) throw new PosternError('not_found', 'There is no such session');
    return session;
  }
  async getSession(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const expand = queryList(request, 'expand').map((e) => e.toLowerCase());
    return reply.send(await this.sessionView(await this.session(request), expand));
  }
  async disableSession(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { id } = await this.session(request);
    const { store, sessions } = this.#services;
    await store.write((trx) => sessions.revoke(trx, id));
    return reply.code(204).send();
  }
  async extendSession(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const session = await this.session(request);
    const { store, sessions, config, clock } = this.#services;
    const { earliestExtendMs } = config.session;
    const isEarly =
      earliestExtendMs !== undefined && session.expiresAtMs - clock.now() > earliestExtendMs;
    const extended = isEarly ? session : await store.write((trx) => sessions.extend(trx, session));
    if (config.features.fasterSessionExtend) return reply.code(204).send();
    return reply.send(await this.sessionView(extended, ['identity', 'devices']));
  }

  /** Ends or forgets many sessions: those that are named, and all of the named accounts. */
  async manageSessions(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const given = fields(request.body, ['action', 'identities', 'sessions'], 'The body');
    const action = textField(given, 'action');
    if (action !== 'disable' && action !== 'delete') refuse('action is disable or delete');
    const ids = (name: string): string[] =>
      (listField(given, name) ?? []).filter(
        (v): v is string => typeof v === 'string' && UUID.test(v),
      );
    const [named, people] = [ids('sessions'), ids('identities')];
    if (named.length + people.length > PAGE_SIZE_MAX) refuse(`At most ${PAGE_SIZE_MAX} at a time`);
    const { store, sessions } = this.#services;
    const all = new Set(named);
    for (const id of people) for (const s of await sessions.list(id)) all.add(s.id);
    const list = [...all];
    const taken = list.slice(0, PAGE_SIZE_MAX);
    const processed = await store.write(async (trx) => {
      if (action === 'delete') return sessions.delete(trx, taken);
      let count = 0;
      for (const id of taken) if (await sessions.revoke(trx, id).catch(() => false)) count += 1;
      return count;
    });
    return reply.send({ processed, more: list.length > taken.length });
  }

  // Courier

  async messages(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const status = queryText(request, 'status');
    if (status !== undefined && !['queued', 'processing', 'sent', 'abandoned'].includes(status))
      refuse(`"${status}" is no status of a message`);
    const recipient = queryText(request, 'recipient');
    const { limit } = pageOf(request);
    const before = Number(queryText(request, 'page_token') ?? Number.NaN);
    const { messages, next } = await this.#parts.courier.list({
      limit,
      ...(status === undefined ? {} : { status }),
      ...(recipient === undefined ? {} : { recipient }),
      ...(Number.isSafeInteger(before) ? { before } : {}),
    });
    if (next !== undefined)
      reply.header('link', linkTo('/admin/courier/messages', limit, String(next)));
    return reply.send(messages.map(messageView));
  }
  async message(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const found = await this.#parts.courier.get(idOf(request));
    if (found === undefined) throw new PosternError('not_found', 'There is no such message');
    return reply.send(messageView(found));
  }

  // Recovery

  async recoveryCode(
    request: FastifyRequest,
    reply: FastifyReply,
    by: string,
  ): Promise<FastifyReply> {
    const given = fields(
      request.body,
      ['identity_id', 'expires_in', 'flow_type', 'return_to'],
      'The body',
    );
    const { flow, secret } = await this.#recovery(given, 'code', by);
    return reply.code(201).send({
      recovery_link: uiUrl(this.#services.config, 'recovery', flow),
      recovery_code: secret,
      expires_at: new Date(flow.expiresAtMs).toISOString(),
    });
  }
  async recoveryLink(
    request: FastifyRequest,
    reply: FastifyReply,
    by: string,
  ): Promise<FastifyReply> {
    const given = fields(request.body, ['identity_id', 'expires_in'], 'The body');
    const { flow, secret } = await this.#recovery(given, 'link', by);
    const url = `${this.#publicUrl}/self-service/recovery?flow=${flow.id}&token=${secret}`;
    return reply.send({ recovery_link: url, expires_at: new Date(flow.expiresAtMs).toISOString() });
  }
  async #recovery(
    given: JsonObject,
    use: 'code' | 'link',
    by: string,
  ): ReturnType<AccountsManager['recovery']['forAdministrator']> {
    const id = textField(given, 'identity_id') ?? '';
    const account = UUID.test(id) ? await this.#services.accounts.get(id) : undefined;
    if (account === undefined) throw new PosternError('not_found', 'There is no such account');
    const expiresIn = textField(given, 'expires_in');
    const lifespanMs = expiresIn === undefined ? RECOVERY_LIFESPAN_MS : parseDurationMs(expiresIn);
    const type = textField(given, 'flow_type') === 'api' ? 'api' : 'browser';
    const { store, audit } = this.#services;
    // Whoever has the code gets in: who had it made is kept before it is told.
    await store.write((trx) =>
      audit.append(trx, {
        ...{ actor: by, action: 'accounts:recovery-code', resource: `account/${account.id}` },
        data: { use },
      }),
    );
    return this.#parts.manager.recovery.forAdministrator(account, { lifespanMs, type, use });
  }
}

function messageView(m: CourierMessage): View {
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    id: m.id,
    status: m.status,
    type: m.type,
    recipient: m.recipient,
    body: m.body,
    subject: m.subject,
    template_type: m.templateType,
    channel: m.channel,
    send_count: m.sendCount,
    dispatches: m.dispatches.map((d) => ({
      id: d.id,
      message_id: m.id,
      status: d.status,
      ...(d.error === undefined ? {} : { error: d.error }),
      created_at: iso(d.atMs),
      updated_at: iso(d.atMs),
    })),
    created_at: iso(m.createdAtMs),
    updated_at: iso(m.updatedAtMs),
  };
}

function idOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  if (!UUID.test(id)) throw new PosternError('not_found', 'There is nothing of that id');
  return id;
}

function queryList(request: FastifyRequest, name: string): readonly string[] {
  const { query } = request;
  const value: unknown =
    typeof query === 'object' && query !== null ? Reflect.get(query, name) : undefined;
  const list: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.filter((v): v is string => typeof v === 'string').flatMap((v) => v.split(','));
}

function pageOf(request: FastifyRequest): { limit: number; afterId?: string; offset?: number } {
  const size = Number(
    queryText(request, 'page_size') ?? queryText(request, 'per_page') ?? PAGE_SIZE,
  );
  const limit = Number.isInteger(size) && size > 0 ? Math.min(size, PAGE_SIZE_MAX) : PAGE_SIZE;
  const token = queryText(request, 'page_token');
  if (token !== undefined) return UUID.test(token) ? { limit, afterId: token } : { limit };
  const page = Number(queryText(request, 'page') ?? Number.NaN);
  if (!Number.isInteger(page) || page < 0) return { limit };
  const offset = page * limit;
  if (offset > OFFSET_MAX) refuse('Pages by number end at 1000 items: use page_token');
  return { limit, offset };
}

function linkTo(path: string, size: number, after: string): string {
  const first = `<${path}?page_size=${size}>; rel="first"`;
  return `${first}, <${path}?page_size=${size}&page_token=${after}>; rel="next"`;
}

/** A document after JSON Patch (RFC 6902) operations add, replace, remove and test. Throws `invalid`. */
function patched(operations: unknown, document: JsonObject): JsonObject {
  if (!Array.isArray(operations)) refuse('The body is a list of JSON Patch operations');
  const copy: unknown = structuredClone(document);
  for (const operation of operations) {
    const { op, path, value } = fields(operation, ['op', 'path', 'value', 'from'], 'an operation');
    if (typeof path !== 'string' || !path.startsWith('/')) refuse('an operation has no path');
    const parts = path
      .slice(1)
      .split('/')
      .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
    const [root = ''] = parts;
    if (['id', 'stateChangedAt', 'credentials', 'state_changed_at'].includes(root))
      refuse(`patch includes denied path: ${path}`);
    apply(copy, parts, String(op), value);
  }
  return copy as JsonObject;
}

function apply(
  target: unknown,
  parts: readonly string[],
  op: string,
  value: Json | undefined,
): void {
  const [name = '', ...rest] = parts;
  if (name === '__proto__') refuse('an operation has no such path');
  if (Array.isArray(target)) {
    const at = name === '-' ? target.length : Number(name);
    if (!Number.isInteger(at) || at < 0 || at > target.length)
      refuse('an operation has no such path');
    if (rest.length > 0) apply(target[at], rest, op, value);
    else if (op === 'remove') target.splice(at, 1);
    else if (op === 'add') target.splice(at, 0, value);
    else if (op === 'replace') target[at] = value;
    else refuse(`the operation ${op} is not supported`);
    return;
  }
  if (typeof target !== 'object' || target === null) refuse('an operation has no such path');
  const isThere = Object.hasOwn(target, name);
  if (rest.length > 0) {
    if (!isThere) refuse('an operation has no such path');
    apply(Reflect.get(target, name), rest, op, value);
  } else if (op === 'remove' || op === 'replace') {
    if (!isThere) refuse('an operation has no such path');
    if (op === 'remove') Reflect.deleteProperty(target, name);
    else Reflect.set(target, name, value);
  } else if (op === 'add') Reflect.set(target, name, value);
  else if (op === 'test') {
    if (JSON.stringify(Reflect.get(target, name)) !== JSON.stringify(value))
      refuse('a test failed');
  } else refuse(`the operation ${op} is not supported`);
}

/** Adds the routes, under `/admin` and, for older clients, without. */
export function addAdminAccounts(app: FastifyInstance, parts: AdminParts): void {
  const surface = new AdminSurface(parts);
  type Handler = (
    request: FastifyRequest,
    reply: FastifyReply,
    by: string,
  ) => Promise<FastifyReply>;
  const add = (
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    run: Handler,
  ): void => {
    const action = method === 'GET' ? 'accounts:read' : 'accounts:write';
    for (const url of [`/admin${path}`, path])
      app.route({
        method,
        url,
        handler: async (q, r) => run(q, r, await parts.authorise(q, action)),
      });
  };
  app.setErrorHandler((reason, _request, reply) => {
    const { status, body } = errorBody(reason);
    if (status >= 500)
      parts.manager.services.logger.error(
        { err: reason },
        'an administrator’s request met a fault',
      );
    return reply.code(status).send(body);
  });
  // Clients name a type for bodies that they do not send; any other body but JSON is refused.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, next) => {
    if (body === '') next(null, undefined);
    else next(Object.assign(new Error('The body has to be JSON'), { statusCode: 415 }));
  });
  add('GET', '/identities', (q, r) => surface.list(q, r));
  add('POST', '/identities', (q, r, by) => surface.create(q, r, by));
  add('PATCH', '/identities', (q, r, by) => surface.batch(q, r, by));
  add('GET', '/identities/:id', (q, r) => surface.get(q, r));
  add('GET', '/identities/by/external/:externalId', (q, r) => surface.getByExternal(q, r));
  add('PUT', '/identities/:id', (q, r, by) => surface.update(q, r, by));
  add('PATCH', '/identities/:id', (q, r, by) => surface.patch(q, r, by));
  add('DELETE', '/identities/:id', async (q, r, by) => {
    await parts.administration.delete(idOf(q), by);
    return r.code(204).send();
  });
  add('DELETE', '/identities/:id/credentials/:type', async (q, r, by) => {
    const { type: given } = q.params as { type: string };
    const type = TYPES.find((t) => t === given);
    if (type === undefined) refuse(`"${given}" is no type of credential`);
    await parts.administration.deleteCredential(idOf(q), type, queryText(q, 'identifier'), by);
    return r.code(204).send();
  });
  add('GET', '/identities/:id/sessions', (q, r) => surface.sessionsOf(q, r));
  add('DELETE', '/identities/:id/sessions', (q, r) => surface.deleteSessionsOf(q, r));
  add('GET', '/sessions', (q, r) => surface.sessions(q, r));
  add('GET', '/sessions/:id', (q, r) => surface.getSession(q, r));
  add('POST', '/sessions', (q, r) => surface.manageSessions(q, r));
  add('DELETE', '/sessions/:id', (q, r) => surface.disableSession(q, r));
  add('PATCH', '/sessions/:id/extend', (q, r) => surface.extendSession(q, r));
  add('POST', '/test-login-flows', async (q, r) => {
    const { provider_id: id } = fields(q.body, ['provider_id'], 'The body');
    if (typeof id !== 'string' || id === '' || id.length > 255)
      refuse('provider_id has to be a text of 1 to 255 characters');
    const { services, providers } = parts.manager;
    const url = `${services.config.publicUrl}/admin/test-login-flows`;
    return r.code(201).send(flowView(await beginRehearsal(services, providers, id, url)));
  });
  add('GET', '/courier/messages', (q, r) => surface.messages(q, r));
  add('GET', '/courier/messages/:id', (q, r) => surface.message(q, r));
  add('POST', '/recovery/code', (q, r, by) => surface.recoveryCode(q, r, by));
  add('POST', '/recovery/link', (q, r, by) => surface.recoveryLink(q, r, by));
  app.get('/health/alive', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    try {
      await parts.isReady();
      return { status: 'ok' };
    } catch {
      return reply.code(503).send({ errors: { database: 'The database is out of reach' } });
    }
  });
  app.get('/version', async () => ({ version: parts.version }));
  // What belongs to the public surface is found there.
  const { publicUrl } = parts.manager.services.config;
  for (const path of ['/self-service/*', '/schemas', '/schemas/*', '/sessions/whoami'])
    app.get(path, (request, reply) => reply.redirect(`${publicUrl}${request.url}`, 307));
}
