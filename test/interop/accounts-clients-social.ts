/**
 * Ory's own client at a server with every method on: social sign-in for a native app, a provider's dry run, what the
 * flows of each flavour show, and flows that came too late.
 */
import type { UiNode } from '@ory/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formAction, hiddenFields, Browser as PlainBrowser } from '../harness/browser.ts';
import type { AnswerWatch } from '../harness/ory/watch.ts';
import { until } from '../harness/postern.ts';
import { throughProvider } from '../harness/social-provider.ts';
import { type SocialWorld, startSocialWorld } from '../harness/social-world.ts';
import { Jar, JSON_PLEASE, PASSWORD, refused, Stage, valueIn } from './accounts-clients-stage.ts';

const groupsOf = (nodes: readonly UiNode[]): string[] => [...new Set(nodes.map((n) => n.group))];

export function socialTests(watch: AnswerWatch): void {
  describe('FrontendApi, with every method on', () => {
    const at = new Stage(watch);
    let social: SocialWorld;
    beforeAll(async () => {
      social = await startSocialWorld({ wide: true });
      await at.open(social.world);
    }, 90_000);
    afterAll(() => social?.close(), 60_000);

    it('rehearses a provider by createTestLoginFlow, signs nobody in, and forgets by deleteTestLoginFlow', async () => {
      social.provider.person = { sub: 'dry', email: 'dry@example.com' };
      const { frontend, identities } = at;
      const begin = () =>
        identities.createTestLoginFlow({ createTestLoginFlowBody: { provider_id: 'company' } });
      const { data: flow, status } = await begin();
      expect(status).toBe(201);
      expect(flow.test_context).toEqual({ provider_id: 'company' });
      const me = new PlainBrowser(social.base);
      const page = await me.open(`/ui/login?flow=${flow.id}`);
      const gone = await me.ask('POST', formAction(page), {
        form: { ...hiddenFields(page), provider: 'company' },
      });
      await me.open(await throughProvider(social.provider.url, gone.location ?? ''));
      const nobody = await me.ask('GET', '/sessions/whoami', {
        headers: { accept: 'application/json' },
      });
      expect(nobody.status).toBe(401);
      const cookie = [...me.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const { data: done } = await frontend.getLoginFlow({ id: flow.id, cookie });
      expect(done.state).toBe('passed_challenge');
      expect(done.test_context?.debug_payload).toMatchObject({
        id_token_claims: { sub: 'dry' },
        jsonnet_output: { identity: { traits: { email: 'dry@example.com' } } },
      });
      const { data: list } = await identities.listIdentities();
      expect(JSON.stringify(list)).not.toContain('dry@example.com');
      // What was captured is that browser's alone.
      const refusal = (work: Promise<unknown>): Promise<number | undefined> =>
        work.then(
          () => undefined,
          (reason: { response: { status: number } }) => reason.response.status,
        );
      expect(await refusal(frontend.getLoginFlow({ id: flow.id }))).toBe(403);
      expect(await refusal(frontend.deleteTestLoginFlow({ id: flow.id }))).toBe(403);
      expect((await frontend.deleteTestLoginFlow({ id: flow.id, cookie })).status).toBe(204);
      expect(await refusal(frontend.getLoginFlow({ id: flow.id, cookie }))).toBe(404);
      // It leads nowhere else: no password, no other provider, no ID token.
      const { data: other } = await begin();
      const [csrf] = other.ui.nodes;
      const token = String(Reflect.get(csrf?.attributes ?? {}, 'value'));
      for (const body of [
        { method: 'password', identifier: 'a@b.example', password: 'x', csrf_token: token },
        { method: 'oidc', provider: 'other', csrf_token: token },
        { method: 'oidc', provider: 'company', id_token: 'x', csrf_token: token },
      ]) {
        const told = await me.ask('POST', `/self-service/login?flow=${other.id}`, { json: body });
        expect(told.status, told.text).toBe(400);
        expect(told.text).toContain('dry run');
      }
      expect((await frontend.deleteTestLoginFlow({ id: other.id })).status).toBe(204);
      const wrong = { createTestLoginFlowBody: { provider_id: 'none' } };
      expect(await refusal(identities.createTestLoginFlow(wrong))).toBe(404);
      expect(await refusal(frontend.deleteTestLoginFlow({ id: 'x' }))).toBe(400);
    });

    it('has the script of keys by getWebAuthnJavaScript', async () => {
      const { frontend } = at;
      const { data } = await frontend.getWebAuthnJavaScript();
      expect(data).toContain('navigator.credentials');
    });

    it('hands a native app its session by exchangeSessionToken', async () => {
      social.provider.person = { sub: 'nat', email: 'nat@example.com' };
      const { frontend } = at;
      const { data: flow } = await frontend.createNativeLoginFlow({
        returnSessionTokenExchangeCode: true,
        returnTo: 'myapp://signed-in',
      });
      const initCode = flow.session_token_exchange_code ?? '';
      const told = await frontend
        .updateLoginFlow({
          flow: flow.id,
          updateLoginFlowBody: { method: 'oidc', provider: 'company' },
        })
        .then(
          () => undefined,
          (reason: { response: { status: number; data: { redirect_browser_to: string } } }) =>
            reason.response,
        );
      expect(told?.status).toBe(422);
      const back = await throughProvider(social.provider.url, told?.data.redirect_browser_to ?? '');
      const end = await new PlainBrowser(social.base).ask('GET', back);
      const returnToCode = new URL(end.location ?? '').searchParams.get('code') ?? '';
      const { data } = await frontend.exchangeSessionToken({ initCode, returnToCode });
      expect(data.session.identity?.traits).toEqual({ email: 'nat@example.com' });
      const { data: session } = await frontend.toSession({
        xSessionToken: data.session_token ?? '',
      });
      expect(session.id).toBe(data.session.id);
      expect(session.authentication_methods).toEqual([
        expect.objectContaining({ method: 'oidc', provider: 'company' }),
      ]);
    });

    it('shows each flow, to programs and to pages', async () => {
      const { frontend } = at;
      const login = await frontend.createNativeLoginFlow();
      expect(groupsOf(login.data.ui.nodes)).toContain('password');
      const registration = await frontend.createNativeRegistrationFlow();
      const choice = await frontend.updateRegistrationFlow({
        flow: registration.data.id,
        updateRegistrationFlowBody: {
          method: 'password',
          traits: { email: 'wide@example.com' },
          password: PASSWORD,
        },
      });
      const settings = await frontend.createNativeSettingsFlow({
        xSessionToken: choice.data.session_token ?? '',
      });
      expect(groupsOf(settings.data.ui.nodes)).toContain('totp');
      const page = await frontend.createBrowserLoginFlow({}, JSON_PLEASE);
      const groups = groupsOf(page.data.ui.nodes);
      for (const group of ['default', 'password', 'code', 'oidc', 'passkey', 'webauthn'])
        expect(groups).toContain(group);
      await frontend.createBrowserRegistrationFlow({}, JSON_PLEASE);
      await frontend.createBrowserRecoveryFlow({}, JSON_PLEASE);
      await frontend.createBrowserVerificationFlow({}, JSON_PLEASE);
    });

    it('sends a page to the provider, and a changed mind back to its form', async () => {
      const { frontend } = at;
      const jar = new Jar();
      const { data: flow, headers } = await frontend.createBrowserLoginFlow({}, JSON_PLEASE);
      jar.keep(headers);
      const csrf_token = valueIn(flow.ui.nodes, 'csrf_token');
      const gone = await refused(
        frontend.updateLoginFlow({
          ...{ flow: flow.id, cookie: jar.cookie },
          updateLoginFlowBody: { method: 'oidc', provider: 'company', csrf_token },
        }),
      );
      expect(gone.status).toBe(422);
      // A mail with a code is on its way: the flow, as it then is, comes as a refusal.
      const sent = await refused(
        frontend.updateLoginFlow({
          ...{ flow: flow.id, cookie: jar.cookie },
          updateLoginFlowBody: { method: 'code', identifier: 'wide@example.com', csrf_token },
        }),
      );
      expect([sent.status, sent.data]).toMatchObject([400, { state: 'sent_email' }]);
      // Another browser may not read it.
      expect((await refused(frontend.getLoginFlow({ id: flow.id }))).status).toBe(403);
    });

    it('asks for a fresh sign-in before a password is changed', async () => {
      const { frontend } = at;
      const jar = new Jar();
      const { data: flow, headers } = await frontend.createBrowserRegistrationFlow({}, JSON_PLEASE);
      jar.keep(headers);
      const made = await frontend.updateRegistrationFlow({
        ...{ flow: flow.id, cookie: jar.cookie },
        updateRegistrationFlowBody: {
          ...{ method: 'password', traits: { email: 'old@example.com' }, password: PASSWORD },
          csrf_token: valueIn(flow.ui.nodes, 'csrf_token'),
        },
      });
      jar.keep(made.headers);
      const { data: settings } = await frontend.createBrowserSettingsFlow(
        { cookie: jar.cookie },
        JSON_PLEASE,
      );
      for (const group of ['profile', 'password', 'totp', 'lookup_secret', 'webauthn', 'passkey'])
        expect(groupsOf(settings.ui.nodes)).toContain(group);
      const change = (): Promise<unknown> =>
        frontend.updateSettingsFlow({
          ...{ flow: settings.id, cookie: jar.cookie },
          updateSettingsFlowBody: {
            ...{ method: 'password', password: 'another good phrase' },
            csrf_token: valueIn(settings.ui.nodes, 'csrf_token'),
          },
        });
      const stale = await until(async () => {
        const told = await refused(change());
        expect(told.status).toBe(403);
        return told;
      }, 'the sign-in grew old');
      expect(stale.data).toMatchObject({ error: { id: 'session_refresh_required' } });
    });

    it('tells of a flow that came too late, and of the new one', async () => {
      const { frontend } = at;
      const { data: flow } = await frontend.createNativeRecoveryFlow();
      await until(async () => {
        const told = await refused(frontend.getRecoveryFlow({ id: flow.id }));
        expect(told.status).toBe(410);
      }, 'the flow expired');
      const late = await refused(
        frontend.updateRecoveryFlow({
          flow: flow.id,
          updateRecoveryFlowBody: { method: 'code', email: 'wide@example.com' },
        }),
      );
      expect([late.status, late.data]).toMatchObject([410, { use_flow_id: expect.any(String) }]);
    });
  });
}
