/**
 * Ory's own client for TypeScript, unmodified, against Postern's accounts: flows as a program and as a browser's page,
 * sessions, identities, courier and metadata, each answer held against what the client's types say.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Configuration,
  CourierApi,
  FrontendApi,
  type Identity,
  IdentityApi,
  MetadataApi,
  type Session,
  type UiNode,
} from '@ory/client';
import { TOTP } from 'otpauth';
import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
let frontend: FrontendApi;
let identities: IdentityApi;
let courier: CourierApi;
let metadata: MetadataApi;

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  const accessToken = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
  const open = new Configuration({ basePath: `http://${state.public}` });
  const admin = new Configuration({ basePath: `http://${state.accounts_admin}`, accessToken });
  frontend = new FrontendApi(open);
  identities = new IdentityApi(admin);
  courier = new CourierApi(admin);
  metadata = new MetadataApi(open);
}, 60_000);
afterAll(() => world.close(), 60_000);

const When = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$' });
const Uuid = Type.String({ pattern: '^[0-9a-f-]{36}$' });
const Open = { additionalProperties: true } as const;
const Address = Type.Object(
  { id: Uuid, value: Type.String(), via: Type.String(), created_at: When, updated_at: When },
  Open,
);
const IdentityShape = Type.Object(
  {
    id: Uuid,
    schema_id: Type.String(),
    schema_url: Type.String(),
    state: Type.Union([Type.Literal('active'), Type.Literal('inactive')]),
    traits: Type.Object({ email: Type.String() }, Open),
    verifiable_addresses: Type.Array(Address),
    recovery_addresses: Type.Array(Address),
    created_at: When,
    updated_at: When,
  },
  Open,
);
const SessionShape = Type.Object(
  {
    id: Uuid,
    active: Type.Boolean(),
    expires_at: When,
    authenticated_at: When,
    issued_at: When,
    authenticator_assurance_level: Type.Union([Type.Literal('aal1'), Type.Literal('aal2')]),
    authentication_methods: Type.Array(
      Type.Object({ method: Type.String(), aal: Type.String(), completed_at: When }, Open),
    ),
  },
  Open,
);
const Label = Type.Object({ id: Type.Integer(), text: Type.String(), type: Type.String() }, Open);
const FlowShape = Type.Object(
  {
    id: Uuid,
    type: Type.Union([Type.Literal('api'), Type.Literal('browser')]),
    expires_at: When,
    issued_at: When,
    request_url: Type.String(),
    state: Type.String(),
    ui: Type.Object({
      action: Type.String(),
      method: Type.String(),
      messages: Type.Optional(Type.Array(Label)),
      nodes: Type.Array(
        Type.Object({
          type: Type.String(),
          group: Type.String(),
          attributes: Type.Object({ node_type: Type.String() }, Open),
          messages: Type.Array(Label),
          meta: Type.Object({ label: Type.Optional(Label) }),
        }),
      ),
    }),
  },
  Open,
);

function is<T>(shape: TSchema, value: T): T {
  const [first] = Value.Errors(shape, value);
  if (first !== undefined) throw new Error(`${first.instancePath}: ${first.message}`);
  return value;
}
const nameOf = (n: UiNode): string =>
  String(Reflect.get(n.attributes, 'name') ?? Reflect.get(n.attributes, 'id'));
const valueIn = (nodes: readonly UiNode[], name: string): string =>
  String(Reflect.get(nodes.find((n) => nameOf(n) === name)?.attributes ?? {}, 'value') ?? '');
async function refused(work: Promise<unknown>): Promise<{ status: number; data: unknown }> {
  try {
    await work;
  } catch (reason) {
    const { response } = reason as { response?: { status: number; data: unknown } };
    if (response !== undefined) return response;
    throw reason;
  }
  throw new Error('it was not refused');
}

async function register(email: string): Promise<{ identity: Identity; token: string }> {
  const { data: flow } = await frontend.createNativeRegistrationFlow();
  is(FlowShape, flow);
  const { data } = await frontend.updateRegistrationFlow({
    flow: flow.id,
    updateRegistrationFlowBody: { method: 'password', traits: { email }, password: PASSWORD },
  });
  is(IdentityShape, data.identity);
  return { identity: data.identity, token: data.session_token ?? '' };
}
async function login(identifier: string, password: string = PASSWORD): Promise<string> {
  const { data: flow } = await frontend.createNativeLoginFlow();
  const { data } = await frontend.updateLoginFlow({
    flow: is(FlowShape, flow).id,
    updateLoginFlowBody: { method: 'password', identifier, password },
  });
  is(SessionShape, data.session);
  return data.session_token ?? '';
}

describe('FrontendApi, as a program', () => {
  it('registers, signs in, asks who it is and leaves', async () => {
    const { identity, token } = await register('native@example.com');
    const { data: session } = await frontend.toSession({ xSessionToken: token });
    expect(is(SessionShape, session).identity?.id).toBe(identity.id);
    const second = await login('native@example.com');
    const mine = await frontend.listMySessions({ xSessionToken: second });
    expect(mine.data.map((s: Session) => is(SessionShape, s).id)).toEqual([session.id]);
    await frontend.disableMySession({ id: session.id, xSessionToken: second });
    expect((await refused(frontend.toSession({ xSessionToken: token }))).status).toBe(401);
    const third = await login('native@example.com');
    expect((await frontend.disableMyOtherSessions({ xSessionToken: third })).data.count).toBe(1);
    await frontend.performNativeLogout({ performNativeLogoutBody: { session_token: third } });
    expect((await refused(frontend.toSession({ xSessionToken: third }))).status).toBe(401);
  });

  it('reads its flows again, and gets them back with what was wrong', async () => {
    const { data: flow } = await frontend.createNativeLoginFlow();
    expect((await frontend.getLoginFlow({ id: flow.id })).data).toEqual(flow);
    const wrong = await refused(
      frontend.updateLoginFlow({
        flow: flow.id,
        updateLoginFlowBody: { method: 'password', identifier: 'x@example.com', password: 'no' },
      }),
    );
    expect(wrong.status).toBe(400);
    expect(wrong.data).toMatchObject({ id: flow.id, ui: { messages: [{ id: 4000006 }] } });
    const { data: registration } = await frontend.createNativeRegistrationFlow();
    const again = await frontend.getRegistrationFlow({ id: registration.id });
    expect(again.data).toEqual(registration);
    const bad = await refused(
      frontend.updateRegistrationFlow({
        flow: registration.id,
        updateRegistrationFlowBody: { method: 'password', traits: {}, password: PASSWORD },
      }),
    );
    expect(bad.data).toMatchObject({ ui: { nodes: expect.arrayContaining([]) } });
    await register('taken@example.com');
    const taken = await refused(register('taken@example.com'));
    expect(taken.data).toMatchObject({ ui: { messages: [{ id: 4000007 }] } });
  });

  it('verifies and recovers by codes from the courier', async () => {
    await register('codes@example.com');
    const codeOf = async (): Promise<string> => {
      const { data } = await courier.listCourierMessages({ recipient: 'codes@example.com' });
      return /^\d{6}$/m.exec(data[0]?.body ?? '')?.[0] ?? '';
    };
    const { data: verification } = await frontend.createNativeVerificationFlow();
    const flow = is(FlowShape, verification).id;
    expect((await frontend.getVerificationFlow({ id: flow })).data.id).toBe(flow);
    const sent = await frontend.updateVerificationFlow({
      flow,
      updateVerificationFlowBody: { method: 'code', email: 'codes@example.com' },
    });
    expect(is(FlowShape, sent.data).state).toBe('sent_email');
    const code = await codeOf();
    const passed = await frontend.updateVerificationFlow({
      flow,
      updateVerificationFlowBody: { method: 'code', code },
    });
    expect(passed.data.state).toBe('passed_challenge');
    expect(passed.data.ui.messages?.[0]?.id).toBe(1080002);

    const { data: recovery } = await frontend.createNativeRecoveryFlow();
    expect((await frontend.getRecoveryFlow({ id: is(FlowShape, recovery).id })).data.id).toBe(
      recovery.id,
    );
    await frontend.updateRecoveryFlow({
      flow: recovery.id,
      updateRecoveryFlowBody: { method: 'code', email: 'codes@example.com' },
    });
    const recovered = await frontend.updateRecoveryFlow({
      flow: recovery.id,
      updateRecoveryFlowBody: { method: 'code', code: await codeOf() },
    });
    const actions = recovered.data.continue_with?.map((c) => c.action);
    expect(actions).toEqual(['set_ory_session_token', 'show_settings_ui']);
  });

  it('changes its settings, sets up a second factor and backup codes, and signs in with both', async () => {
    const { token: first } = await register('second@example.com');
    const { data: flow } = await frontend.createNativeSettingsFlow({ xSessionToken: first });
    is(FlowShape, flow);
    const again = await frontend.getSettingsFlow({ id: flow.id, xSessionToken: first });
    expect(again.data.id).toBe(flow.id);
    const profile = await frontend.updateSettingsFlow({
      flow: flow.id,
      xSessionToken: first,
      updateSettingsFlowBody: {
        method: 'profile',
        traits: { email: 'second@example.com', name: { first: 'Eve' } },
      },
    });
    expect(profile.data.state).toBe('success');
    expect(profile.data.ui.messages?.[0]?.id).toBe(1050001);
    const key = profile.data.ui.nodes.find((n) => nameOf(n) === 'totp_secret_key');
    const secret: string = Reflect.get(Reflect.get(key?.attributes ?? {}, 'text'), 'text');
    const totp = new TOTP({ secret });
    await frontend.updateSettingsFlow({
      flow: flow.id,
      xSessionToken: first,
      updateSettingsFlowBody: { method: 'totp', totp_code: totp.generate() },
    });
    // Who has just shown it is asked for it at the next sign-in only.
    const { data: raised } = await frontend.toSession({ xSessionToken: first });
    expect(raised.authenticator_assurance_level).toBe('aal2');
    const token = await login('second@example.com');
    // Settings ask for the highest level from now on.
    const asked = await refused(frontend.createNativeSettingsFlow({ xSessionToken: token }));
    expect([asked.status, asked.data]).toMatchObject([
      403,
      { error: { id: 'session_aal2_required' } },
    ]);
    expect((await refused(frontend.toSession({ xSessionToken: token }))).status).toBe(403);
    const raise = async (body: object): Promise<Session> => {
      const { data: step } = await frontend.createNativeLoginFlow({
        aal: 'aal2',
        xSessionToken: token,
      });
      expect(step.requested_aal).toBe('aal2');
      const { data } = await frontend.updateLoginFlow({
        flow: step.id,
        xSessionToken: token,
        updateLoginFlowBody: body as never,
      });
      return is(SessionShape, data.session);
    };
    // The code that set it up is spent.
    expect((await refused(raise({ method: 'totp', totp_code: totp.generate() }))).status).toBe(400);
    const next = totp.generate({ timestamp: Date.now() + 30_000 });
    expect((await raise({ method: 'totp', totp_code: next })).authenticator_assurance_level).toBe(
      'aal2',
    );
    const { data: session } = await frontend.toSession({ xSessionToken: token });
    expect(session.authentication_methods?.map((m) => m.method)).toEqual(['password', 'totp']);

    const { data: codes } = await frontend.createNativeSettingsFlow({ xSessionToken: token });
    const step = (body: object): ReturnType<FrontendApi['updateSettingsFlow']> =>
      frontend.updateSettingsFlow({
        flow: codes.id,
        xSessionToken: token,
        updateSettingsFlowBody: body as never,
      });
    const made = await step({ method: 'lookup_secret', lookup_secret_regenerate: true });
    const list = made.data.ui.nodes.find((n) => nameOf(n) === 'lookup_secret_codes');
    const text: string = Reflect.get(Reflect.get(list?.attributes ?? {}, 'text'), 'text');
    expect(text.split(', ')).toHaveLength(12);
    expect((await step({ method: 'lookup_secret', lookup_secret_confirm: true })).data.state).toBe(
      'success',
    );
    const fresh = await login('second@example.com');
    const { data: aal2 } = await frontend.createNativeLoginFlow({
      aal: 'aal2',
      xSessionToken: fresh,
    });
    const [code = ''] = text.split(', ');
    const used = {
      flow: aal2.id,
      xSessionToken: fresh,
      updateLoginFlowBody: { method: 'lookup_secret', lookup_secret: code } as const,
    };
    await frontend.updateLoginFlow(used);
    expect(
      (await frontend.toSession({ xSessionToken: fresh })).data.authenticator_assurance_level,
    ).toBe('aal2');
  });
});

describe('FrontendApi, as a page', () => {
  it('runs the browser flows by fetch, with cookies and the CSRF token', async () => {
    const jar = new Map<string, string>();
    const keep = (headers: unknown): void => {
      const list: unknown = Reflect.get(headers as object, 'set-cookie');
      for (const line of Array.isArray(list) ? list : []) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(String(line)) ?? [];
        jar.set(name, value);
      }
    };
    const cookie = (): string => [...jar].map(([k, v]) => `${k}=${v}`).join('; ');
    const options = { headers: { accept: 'application/json' } };
    const begun = await frontend.createBrowserRegistrationFlow({}, options);
    keep(begun.headers);
    is(FlowShape, begun.data);
    const done = await frontend.updateRegistrationFlow({
      flow: begun.data.id,
      cookie: cookie(),
      updateRegistrationFlowBody: {
        method: 'password',
        traits: { email: 'page@example.com' },
        password: PASSWORD,
        csrf_token: valueIn(begun.data.ui.nodes, 'csrf_token'),
      },
    });
    keep(done.headers);
    expect(done.data.session_token).toBeUndefined();
    expect(done.data.continue_with?.map((c) => c.action)).toEqual([
      'show_verification_ui',
      'redirect_browser_to',
    ]);
    expect((await frontend.toSession({ cookie: cookie() })).data.identity?.id).toBe(
      done.data.identity.id,
    );
    const settings = await frontend.createBrowserSettingsFlow({ cookie: cookie() }, options);
    const saved = await frontend.updateSettingsFlow({
      flow: settings.data.id,
      cookie: cookie(),
      updateSettingsFlowBody: {
        method: 'password',
        password: 'another good phrase',
        csrf_token: valueIn(settings.data.ui.nodes, 'csrf_token'),
      },
    });
    expect(saved.data.state).toBe('success');
    expect(
      (await refused(frontend.createBrowserLoginFlow({ cookie: cookie() }, options))).status,
    ).toBe(400);
    expect(
      (
        await refused(
          frontend.createBrowserRecoveryFlow(
            {},
            { headers: { ...options.headers, cookie: cookie() } },
          ),
        )
      ).status,
    ).toBe(400);
    const verification = await frontend.createBrowserVerificationFlow({}, options);
    is(FlowShape, verification.data);
    const logout = await frontend.createBrowserLogoutFlow({ cookie: cookie() });
    await frontend.updateLogoutFlow({ token: logout.data.logout_token, cookie: cookie() }, options);
    expect((await refused(frontend.toSession({ cookie: cookie() }))).status).toBe(401);
    expect((await frontend.getFlowError({ id: 'stub:500' })).data.id).toBe('stub:500');
  });
});

describe('IdentityApi, CourierApi and MetadataApi', () => {
  it('create, read, change and delete people', async () => {
    const { data: made } = await identities.createIdentity({
      createIdentityBody: {
        schema_id: 'default',
        traits: { email: 'made@example.com' },
        external_id: 'ext-1',
        credentials: { password: { config: { password: PASSWORD } } },
        metadata_admin: { note: 'x' },
      },
    });
    is(IdentityShape, made);
    expect(made.metadata_admin).toEqual({ note: 'x' });
    expect((await identities.getIdentity({ id: made.id })).data).toEqual(made);
    expect((await identities.getIdentityByExternalID({ externalID: 'ext-1' })).data.id).toBe(
      made.id,
    );
    const updated = await identities.updateIdentity({
      id: made.id,
      updateIdentityBody: {
        schema_id: 'default',
        state: 'active',
        traits: { email: 'made2@example.com' },
      },
    });
    expect(updated.data.traits).toEqual({ email: 'made2@example.com' });
    const patched = await identities.patchIdentity({
      id: made.id,
      jsonPatch: [{ op: 'replace', path: '/metadata_public', value: { b: 1 } }],
    });
    expect(patched.data.metadata_public).toEqual({ b: 1 });
    const token = await login('made2@example.com');
    const sessions = await identities.listIdentitySessions({ id: made.id });
    expect(sessions.data).toHaveLength(1);
    const [session] = sessions.data;
    const id = is(SessionShape, session)?.id ?? '';
    expect(
      (await identities.getSession({ id, expand: ['identity', 'devices'] })).data.identity?.id,
    ).toBe(made.id);
    expect(
      (await identities.listSessions({ active: true, expand: ['identity'] })).data.some(
        (s) => s.id === id,
      ),
    ).toBe(true);
    expect((await identities.extendSession({ id })).status).toBe(200);
    await identities.disableSession({ id });
    expect((await refused(frontend.toSession({ xSessionToken: token }))).status).toBe(401);
    await login('made2@example.com');
    const managed = await identities.manageSessions({
      manageSessionsBody: { action: 'disable', identities: [made.id], sessions: [] } as never,
    });
    expect(managed.status).toBe(200);
    await identities.deleteIdentitySessions({ id: made.id });
    expect(
      (await refused(identities.deleteIdentityCredentials({ id: made.id, type: 'password' })))
        .status,
    ).toBe(400);
    expect(
      (await refused(identities.deleteIdentityCredentials({ id: made.id, type: 'totp' }))).status,
    ).toBe(404);
    await identities.deleteIdentity({ id: made.id });
    expect((await refused(identities.getIdentity({ id: made.id }))).status).toBe(404);
  });

  it('list in pages, by id and by identifier, and make many at once', async () => {
    const { data } = await identities.batchPatchIdentities({
      patchIdentitiesBody: {
        identities: [
          ...[1, 2, 3].map((i) => ({
            patch_id: `00000000-0000-0000-0000-00000000000${i}`,
            create: { schema_id: 'default', traits: { email: `many${i}@example.com` } },
          })),
          { create: { schema_id: 'default', traits: { email: 'no' } } },
        ],
      },
    });
    expect(data.identities?.map((i) => i.action)).toEqual(['create', 'create', 'create', 'error']);
    const all = new Set<string>();
    let pageToken: string | undefined;
    do {
      const page = await identities.listIdentities({
        pageSize: 2,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      for (const i of page.data) all.add(is(IdentityShape, i).id);
      pageToken = /page_token=([^>&]+)>; rel="next"/.exec(String(page.headers['link'] ?? ''))?.[1];
    } while (pageToken !== undefined);
    const ids = (data.identities ?? []).flatMap((i) => (i.identity == null ? [] : [i.identity]));
    for (const id of ids) expect(all.has(id)).toBe(true);
    expect((await identities.listIdentities({ ids })).data).toHaveLength(3);
  });

  it('hand over recovery, schemas, messages and the version', async () => {
    const { identity } = await register('helped@example.com');
    const code = await identities.createRecoveryCodeForIdentity({
      createRecoveryCodeForIdentityBody: {
        identity_id: identity.id,
        expires_in: '10m',
        flow_type: 'api',
      } as never,
    });
    expect(code.data.recovery_code).toMatch(/^\d{6}$/);
    const flow = new URL(code.data.recovery_link).searchParams.get('flow') ?? '';
    const recovered = await frontend.updateRecoveryFlow({
      flow,
      updateRecoveryFlowBody: { method: 'code', code: code.data.recovery_code },
    });
    expect(recovered.data.continue_with?.[0]?.action).toBe('set_ory_session_token');
    const link = await identities.createRecoveryLinkForIdentity({
      createRecoveryLinkForIdentityBody: { identity_id: identity.id },
    });
    expect(link.data.recovery_link).toContain('token=');
    expect((await identities.listIdentitySchemas()).data[0]?.id).toBe('default');
    expect((await identities.getIdentitySchema({ id: 'default' })).data).toMatchObject({
      title: 'Person',
    });
    const messages = await courier.listCourierMessages({ recipient: 'helped@example.com' });
    const [message] = messages.data;
    expect(message?.template_type).toBe('verification_code_valid');
    expect((await courier.getCourierMessage({ id: message?.id ?? '' })).data).toEqual(message);
    expect((await metadata.getVersion()).data.version).toMatch(/^\d/);
    expect(
      (await frontend.getWellKnownChangePassword({ maxRedirects: 0 }).catch((r) => r.response))
        .status,
    ).toBe(303);
  });
});
