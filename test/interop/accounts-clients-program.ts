/** Ory's own client as a program uses it: registration, sign-in, codes by mail, settings and second factors. */
import type { FrontendApi, Session } from '@ory/client';
import { TOTP } from 'otpauth';
import { describe, expect, it } from 'vitest';
import { nameOf, PASSWORD, refused, type Stage } from './accounts-clients-stage.ts';

export function programTests(at: Stage): void {
  describe('FrontendApi, as a program', () => {
    it('registers, signs in, asks who it is and leaves', async () => {
      const { identity, token } = await at.register('native@example.com');
      const { data: session } = await at.frontend.toSession({ xSessionToken: token });
      expect(session.identity?.id).toBe(identity.id);
      const second = await at.login('native@example.com');
      const mine = await at.frontend.listMySessions({ xSessionToken: second });
      expect(mine.data.map((s: Session) => s.id)).toEqual([session.id]);
      await at.frontend.disableMySession({ id: session.id, xSessionToken: second });
      expect((await refused(at.frontend.toSession({ xSessionToken: token }))).status).toBe(401);
      const third = await at.login('native@example.com');
      expect((await at.frontend.disableMyOtherSessions({ xSessionToken: third })).data.count).toBe(
        1,
      );
      await at.frontend.performNativeLogout({ performNativeLogoutBody: { session_token: third } });
      expect((await refused(at.frontend.toSession({ xSessionToken: third }))).status).toBe(401);
    });

    it('reads its flows again, and gets them back with what was wrong', async () => {
      const { data: flow } = await at.frontend.createNativeLoginFlow();
      expect((await at.frontend.getLoginFlow({ id: flow.id })).data).toEqual(flow);
      const wrong = await refused(
        at.frontend.updateLoginFlow({
          flow: flow.id,
          updateLoginFlowBody: { method: 'password', identifier: 'x@example.com', password: 'no' },
        }),
      );
      expect(wrong.status).toBe(400);
      expect(wrong.data).toMatchObject({ id: flow.id, ui: { messages: [{ id: 4000006 }] } });
      const { data: registration } = await at.frontend.createNativeRegistrationFlow();
      const again = await at.frontend.getRegistrationFlow({ id: registration.id });
      expect(again.data).toEqual(registration);
      const bad = await refused(
        at.frontend.updateRegistrationFlow({
          flow: registration.id,
          updateRegistrationFlowBody: { method: 'password', traits: {}, password: PASSWORD },
        }),
      );
      expect(bad.data).toMatchObject({ ui: { nodes: expect.arrayContaining([]) } });
      await at.register('taken@example.com');
      const taken = await refused(at.register('taken@example.com'));
      expect(taken.data).toMatchObject({ ui: { messages: [{ id: 4000007 }] } });
    });

    it('verifies and recovers by codes from the courier', async () => {
      await at.register('codes@example.com');
      const { data: verification } = await at.frontend.createNativeVerificationFlow();
      const flow = verification.id;
      expect((await at.frontend.getVerificationFlow({ id: flow })).data.id).toBe(flow);
      const sent = await at.frontend.updateVerificationFlow({
        flow,
        updateVerificationFlowBody: { method: 'code', email: 'codes@example.com' },
      });
      expect(sent.data.state).toBe('sent_email');
      const code = await at.mailedCode('codes@example.com');
      const passed = await at.frontend.updateVerificationFlow({
        flow,
        updateVerificationFlowBody: { method: 'code', code },
      });
      expect(passed.data.state).toBe('passed_challenge');
      expect(passed.data.ui.messages?.[0]?.id).toBe(1080002);

      const { data: recovery } = await at.frontend.createNativeRecoveryFlow();
      expect((await at.frontend.getRecoveryFlow({ id: recovery.id })).data.id).toBe(recovery.id);
      await at.frontend.updateRecoveryFlow({
        flow: recovery.id,
        updateRecoveryFlowBody: { method: 'code', email: 'codes@example.com' },
      });
      const recovered = await at.frontend.updateRecoveryFlow({
        flow: recovery.id,
        updateRecoveryFlowBody: { method: 'code', code: await at.mailedCode('codes@example.com') },
      });
      const actions = recovered.data.continue_with?.map((c) => c.action);
      expect(actions).toEqual(['set_ory_session_token', 'show_settings_ui']);
    });

    it('changes its settings, sets up a second factor and backup codes, and signs in with both', async () => {
      const { token: first } = await at.register('second@example.com');
      const { data: flow } = await at.frontend.createNativeSettingsFlow({ xSessionToken: first });
      const again = await at.frontend.getSettingsFlow({ id: flow.id, xSessionToken: first });
      expect(again.data.id).toBe(flow.id);
      const profile = await at.frontend.updateSettingsFlow({
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
      await at.frontend.updateSettingsFlow({
        flow: flow.id,
        xSessionToken: first,
        updateSettingsFlowBody: { method: 'totp', totp_code: totp.generate() },
      });
      // Who has just shown it is asked for it at the next sign-in only.
      const { data: raised } = await at.frontend.toSession({ xSessionToken: first });
      expect(raised.authenticator_assurance_level).toBe('aal2');
      const token = await at.login('second@example.com');
      // Settings ask for the highest level from now on.
      const asked = await refused(at.frontend.createNativeSettingsFlow({ xSessionToken: token }));
      expect([asked.status, asked.data]).toMatchObject([
        403,
        { error: { id: 'session_aal2_required' } },
      ]);
      expect((await refused(at.frontend.toSession({ xSessionToken: token }))).status).toBe(403);
      const raise = async (body: object): Promise<Session> => {
        const { data: step } = await at.frontend.createNativeLoginFlow({
          aal: 'aal2',
          xSessionToken: token,
        });
        expect(step.requested_aal).toBe('aal2');
        const { data } = await at.frontend.updateLoginFlow({
          flow: step.id,
          xSessionToken: token,
          updateLoginFlowBody: body as never,
        });
        return data.session;
      };
      // The code that set it up is spent.
      expect((await refused(raise({ method: 'totp', totp_code: totp.generate() }))).status).toBe(
        400,
      );
      const next = totp.generate({ timestamp: Date.now() + 30_000 });
      expect((await raise({ method: 'totp', totp_code: next })).authenticator_assurance_level).toBe(
        'aal2',
      );
      const { data: session } = await at.frontend.toSession({ xSessionToken: token });
      expect(session.authentication_methods?.map((m) => m.method)).toEqual(['password', 'totp']);

      const { data: codes } = await at.frontend.createNativeSettingsFlow({ xSessionToken: token });
      const step = (body: object): ReturnType<FrontendApi['updateSettingsFlow']> =>
        at.frontend.updateSettingsFlow({
          flow: codes.id,
          xSessionToken: token,
          updateSettingsFlowBody: body as never,
        });
      const made = await step({ method: 'lookup_secret', lookup_secret_regenerate: true });
      const list = made.data.ui.nodes.find((n) => nameOf(n) === 'lookup_secret_codes');
      const text: string = Reflect.get(Reflect.get(list?.attributes ?? {}, 'text'), 'text');
      expect(text.split(', ')).toHaveLength(12);
      expect(
        (await step({ method: 'lookup_secret', lookup_secret_confirm: true })).data.state,
      ).toBe('success');
      const fresh = await at.login('second@example.com');
      const { data: aal2 } = await at.frontend.createNativeLoginFlow({
        aal: 'aal2',
        xSessionToken: fresh,
      });
      const [code = ''] = text.split(', ');
      const used = {
        flow: aal2.id,
        xSessionToken: fresh,
        updateLoginFlowBody: { method: 'lookup_secret', lookup_secret: code } as const,
      };
      await at.frontend.updateLoginFlow(used);
      expect(
        (await at.frontend.toSession({ xSessionToken: fresh })).data.authenticator_assurance_level,
      ).toBe('aal2');
    });
  });
}
