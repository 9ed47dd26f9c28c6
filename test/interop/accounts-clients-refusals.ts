/** Ory's own client, told no: each operation's refusals by status, so that their bodies are looked at too. */
import { describe, expect, it } from 'vitest';
import { JSON_PLEASE, PASSWORD, refused, type Stage } from './accounts-clients-stage.ts';

const NOBODY = '00000000-0000-4000-8000-000000000000';
type Refusals = Readonly<Record<string, () => [Promise<unknown>, number]>>;

function frontendRefusals({ frontend }: Stage): Refusals {
  const id = NOBODY;
  const of = { flow: NOBODY };
  return {
    'a browser without a session, at logout': () => [frontend.createBrowserLogoutFlow(), 401],
    'a browser without a session, at settings': () => [
      frontend.createBrowserSettingsFlow({}, JSON_PLEASE),
      401,
    ],
    'a second factor before the first': () => [
      frontend.createBrowserLoginFlow({ aal: 'aal2' }, JSON_PLEASE),
      401,
    ],
    'a foreign return_to': () => [
      frontend.createBrowserRegistrationFlow({ returnTo: 'https://evil.example/' }, JSON_PLEASE),
      400,
    ],
    'settings of nobody': () => [frontend.createNativeSettingsFlow(), 401],
    'other sessions of nobody': () => [frontend.disableMyOtherSessions(), 401],
    'a session of nobody': () => [frontend.disableMySession({ id }), 401],
    'sessions of nobody': () => [frontend.listMySessions(), 401],
    'who nobody is': () => [frontend.toSession(), 401],
    'codes that were never given': () => [
      frontend.exchangeSessionToken({ initCode: 'x', returnToCode: 'y' }),
      404,
    ],
    'an error that never was': () => [frontend.getFlowError({ id }), 404],
    'a login that never was': () => [frontend.getLoginFlow({ id }), 404],
    'a registration that never was': () => [frontend.getRegistrationFlow({ id }), 404],
    'a recovery that never was': () => [frontend.getRecoveryFlow({ id }), 404],
    'a verification that never was': () => [frontend.getVerificationFlow({ id }), 404],
    'settings that never were': () => [frontend.getSettingsFlow({ id }), 404],
    'a dry run that never was': () => [frontend.deleteTestLoginFlow({ id }), 404],
    'a token that never was': () => [
      frontend.performNativeLogout({ performNativeLogoutBody: { session_token: 'x' } }),
      403,
    ],
    'a submission to no login': () => [
      frontend.updateLoginFlow({
        ...of,
        updateLoginFlowBody: { method: 'password', identifier: 'x', password: 'x' },
      }),
      404,
    ],
    'a submission to no registration': () => [
      frontend.updateRegistrationFlow({
        ...of,
        updateRegistrationFlowBody: { method: 'password', traits: {}, password: 'x' },
      }),
      404,
    ],
    'a submission to no settings': () => [
      frontend.updateSettingsFlow({
        ...of,
        updateSettingsFlowBody: { method: 'password', password: 'x' },
      }),
      404,
    ],
    'a submission to no recovery': () => [
      frontend.updateRecoveryFlow({ ...of, updateRecoveryFlowBody: { method: 'code', code: '1' } }),
      404,
    ],
    'a submission to no verification': () => [
      frontend.updateVerificationFlow({
        ...of,
        updateVerificationFlowBody: { method: 'code', code: '1' },
      }),
      404,
    ],
  };
}

function adminRefusals({ identities, courier }: Stage): Refusals {
  const id = NOBODY;
  const person = { schema_id: 'default', traits: { email: 'refused@example.com' } };
  const helped = { identity_id: NOBODY };
  return {
    'traits that are wrong': () => [
      identities.createIdentity({ createIdentityBody: { schema_id: 'default', traits: {} } }),
      400,
    ],
    'somebody twice': () => [
      identities
        .createIdentity({ createIdentityBody: person })
        .then(() => identities.createIdentity({ createIdentityBody: person })),
      409,
    ],
    'an identity that is not': () => [identities.getIdentity({ id }), 404],
    'an external id that is not': () => [
      identities.getIdentityByExternalID({ externalID: 'none' }),
      404,
    ],
    'a schema that is not': () => [identities.getIdentitySchema({ id: 'none' }), 404],
    'a change of nobody': () => [
      identities.updateIdentity({ id, updateIdentityBody: { ...person, state: 'active' } }),
      404,
    ],
    'a patch of nobody': () => [
      identities.patchIdentity({ id, jsonPatch: [{ op: 'remove', path: '/metadata_public' }] }),
      404,
    ],
    'the end of nobody': () => [identities.deleteIdentity({ id }), 404],
    'credentials of nobody': () => [
      identities.deleteIdentityCredentials({ id, type: 'password' }),
      404,
    ],
    'sessions of nobody': () => [identities.deleteIdentitySessions({ id }), 404],
    'a list of too many ways': () => [
      identities.listIdentities({ ids: [id], credentialsIdentifier: 'x' }),
      400,
    ],
    'a session that is not': () => [identities.getSession({ id }), 404],
    'an extension of no session': () => [identities.extendSession({ id }), 404],
    'a session named wrongly': () => [identities.getSession({ id: 'x' }), 400],
    'an end named wrongly': () => [identities.disableSession({ id: 'x' }), 400],
    'a page token of nobody': () => [identities.listSessions({ pageToken: '%' }), 400],
    'nothing to manage': () => [
      identities.manageSessions({ manageSessionsBody: { action: 'disable' } }),
      400,
    ],
    'all sessions by the wrong list': () => [
      identities.manageSessions({ manageSessionsBody: { action: 'disable', sessions: ['*'] } }),
      400,
    ],
    'a recovery of no UUID': () => [
      identities.createRecoveryCodeForIdentity({
        createRecoveryCodeForIdentityBody: { identity_id: 'x' },
      }),
      400,
    ],
    'a code for nobody': () => [
      identities.createRecoveryCodeForIdentity({ createRecoveryCodeForIdentityBody: helped }),
      404,
    ],
    'a code for a strange while': () => [
      identities.createRecoveryCodeForIdentity({
        createRecoveryCodeForIdentityBody: { ...helped, expires_in: 'soon' },
      }),
      400,
    ],
    'a link for nobody': () => [
      identities.createRecoveryLinkForIdentity({ createRecoveryLinkForIdentityBody: helped }),
      404,
    ],
    'a dry run of no provider': () => [
      identities.createTestLoginFlow({ createTestLoginFlowBody: { provider_id: 'none' } }),
      404,
    ],
    'many that are wrong': () => [
      identities.batchPatchIdentities({
        patchIdentitiesBody: { identities: [{ patch_id: 'no UUID', create: person }] },
      }),
      400,
    ],
    'a message that is not': () => [courier.getCourierMessage({ id }), 404],
    'a message named wrongly': () => [courier.getCourierMessage({ id: 'x' }), 400],
    'a page of no messages': () => [courier.listCourierMessages({ pageToken: '%' }), 400],
  };
}

export function refusalTests(at: Stage): void {
  describe('what is refused', () => {
    it('by the FrontendApi', () => expectAll(frontendRefusals(at)));
    it('by the IdentityApi and the CourierApi', () => expectAll(adminRefusals(at)));

    it('in a form, which comes back', async () => {
      const { frontend } = at;
      const { data: verification } = await frontend.createNativeVerificationFlow();
      const { data: recovery } = await frontend.createNativeRecoveryFlow();
      const { token } = await at.register('form@example.com');
      const { data: settings } = await frontend.createNativeSettingsFlow({ xSessionToken: token });
      const forms: Refusals = {
        verification: () => [
          frontend.updateVerificationFlow({
            flow: verification.id,
            updateVerificationFlowBody: { method: 'code', email: '' },
          }),
          400,
        ],
        recovery: () => [
          frontend.updateRecoveryFlow({
            flow: recovery.id,
            updateRecoveryFlowBody: { method: 'code', email: '' },
          }),
          400,
        ],
        settings: () => [
          frontend.updateSettingsFlow({
            ...{ flow: settings.id, xSessionToken: token },
            updateSettingsFlowBody: { method: 'password', password: 'short' },
          }),
          400,
        ],
        'settings of another': () => [
          at.register('other@example.com').then((other) =>
            frontend.updateSettingsFlow({
              ...{ flow: settings.id, xSessionToken: other.token },
              updateSettingsFlowBody: { method: 'password', password: `${PASSWORD} 2` },
            }),
          ),
          403,
        ],
      };
      await expectAll(forms);
    });
  });
}

async function expectAll(refusals: Refusals): Promise<void> {
  const told: Record<string, number | string> = {};
  const wanted: Record<string, number> = {};
  for (const [name, call] of Object.entries(refusals)) {
    const [work, status] = call();
    wanted[name] = status;
    told[name] = await refused(work).then(
      (answer) => answer.status,
      (reason: Error) => reason.message,
    );
  }
  expect(told).toEqual(wanted);
}
