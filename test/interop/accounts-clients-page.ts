/** Ory's own client as a page's script uses it: browser flows by fetch, with cookies and the CSRF token. */
import { describe, expect, it } from 'vitest';
import {
  Jar,
  JSON_PLEASE,
  PASSWORD,
  refused,
  type Stage,
  valueIn,
} from './accounts-clients-stage.ts';

export function pageTests(at: Stage): void {
  describe('FrontendApi, as a page', () => {
    it('runs the browser flows by fetch, with cookies and the CSRF token', async () => {
      const jar = new Jar();
      const begun = await at.frontend.createBrowserRegistrationFlow({}, JSON_PLEASE);
      jar.keep(begun.headers);
      const done = await at.frontend.updateRegistrationFlow({
        flow: begun.data.id,
        cookie: jar.cookie,
        updateRegistrationFlowBody: {
          method: 'password',
          traits: { email: 'page@example.com' },
          password: PASSWORD,
          csrf_token: valueIn(begun.data.ui.nodes, 'csrf_token'),
        },
      });
      jar.keep(done.headers);
      expect(done.data.session_token).toBeUndefined();
      expect(done.data.continue_with?.map((c) => c.action)).toEqual([
        'show_verification_ui',
        'redirect_browser_to',
      ]);
      expect((await at.frontend.toSession({ cookie: jar.cookie })).data.identity?.id).toBe(
        done.data.identity.id,
      );
      const settings = await at.frontend.createBrowserSettingsFlow(
        { cookie: jar.cookie },
        JSON_PLEASE,
      );
      const saved = await at.frontend.updateSettingsFlow({
        flow: settings.data.id,
        cookie: jar.cookie,
        updateSettingsFlowBody: {
          method: 'password',
          password: 'another good phrase',
          csrf_token: valueIn(settings.data.ui.nodes, 'csrf_token'),
        },
      });
      expect(saved.data.state).toBe('success');
      expect(
        (await refused(at.frontend.createBrowserLoginFlow({ cookie: jar.cookie }, JSON_PLEASE)))
          .status,
      ).toBe(400);
      expect(
        (
          await refused(
            at.frontend.createBrowserRecoveryFlow(
              {},
              { headers: { ...JSON_PLEASE.headers, cookie: jar.cookie } },
            ),
          )
        ).status,
      ).toBe(400);
      await at.frontend.createBrowserVerificationFlow({}, JSON_PLEASE);
      const logout = await at.frontend.createBrowserLogoutFlow({ cookie: jar.cookie });
      await at.frontend.updateLogoutFlow(
        { token: logout.data.logout_token, cookie: jar.cookie },
        JSON_PLEASE,
      );
      expect((await refused(at.frontend.toSession({ cookie: jar.cookie }))).status).toBe(401);
      const { data: example } = await at.frontend.getFlowError({ id: 'stub:500' });
      expect(example.error).toMatchObject({ code: 500, reason: 'This is a stub error.' });
    });
  });
}
