/** Ory's own client in an administrator's hands: identities, sessions, recovery, mail and the version. */
import type { ManageSessionsBody } from '@ory/client';
import { describe, expect, it } from 'vitest';
import { PASSWORD, refused, type Stage } from './accounts-clients-stage.ts';

export function peopleTests(at: Stage): void {
  describe('IdentityApi, CourierApi and MetadataApi', () => {
    it('create, read, change and delete people', async () => {
      const { data: made } = await at.identities.createIdentity({
        createIdentityBody: {
          schema_id: 'default',
          traits: { email: 'made@example.com' },
          external_id: 'ext-1',
          credentials: { password: { config: { password: PASSWORD } } },
          metadata_admin: { note: 'x' },
        },
      });
      expect(made.metadata_admin).toEqual({ note: 'x' });
      expect((await at.identities.getIdentity({ id: made.id })).data).toEqual(made);
      expect((await at.identities.getIdentityByExternalID({ externalID: 'ext-1' })).data.id).toBe(
        made.id,
      );
      const updated = await at.identities.updateIdentity({
        id: made.id,
        updateIdentityBody: {
          schema_id: 'default',
          state: 'active',
          traits: { email: 'made2@example.com' },
        },
      });
      expect(updated.data.traits).toEqual({ email: 'made2@example.com' });
      const patched = await at.identities.patchIdentity({
        id: made.id,
        jsonPatch: [{ op: 'replace', path: '/metadata_public', value: { b: 1 } }],
      });
      expect(patched.data.metadata_public).toEqual({ b: 1 });
      const token = await at.login('made2@example.com');
      const sessions = await at.identities.listIdentitySessions({ id: made.id });
      expect(sessions.data).toHaveLength(1);
      const [session] = sessions.data;
      const id = session?.id ?? '';
      expect(
        (await at.identities.getSession({ id, expand: ['identity', 'devices'] })).data.identity?.id,
      ).toBe(made.id);
      expect(
        (await at.identities.listSessions({ active: true, expand: ['identity'] })).data.some(
          (s) => s.id === id,
        ),
      ).toBe(true);
      expect((await at.identities.extendSession({ id })).status).toBe(200);
      await at.identities.disableSession({ id });
      expect((await refused(at.frontend.toSession({ xSessionToken: token }))).status).toBe(401);
      await at.login('made2@example.com');
      const managed = await at.identities.manageSessions({
        manageSessionsBody: { action: 'disable', identities: [made.id] },
      });
      expect(managed.data).toEqual({ processed: 1, more: false });
      await at.identities.deleteIdentitySessions({ id: made.id });
      expect(
        (await refused(at.identities.deleteIdentityCredentials({ id: made.id, type: 'password' })))
          .status,
      ).toBe(400);
      expect(
        (await refused(at.identities.deleteIdentityCredentials({ id: made.id, type: 'totp' })))
          .status,
      ).toBe(404);
      await at.identities.deleteIdentity({ id: made.id });
      expect((await refused(at.identities.getIdentity({ id: made.id }))).status).toBe(404);
    });

    it('end sessions that are named, or everybody’s', async () => {
      const { token } = await at.register('ended@example.com');
      const { data: session } = await at.frontend.toSession({ xSessionToken: token });
      const end = async (manageSessionsBody: ManageSessionsBody): Promise<unknown> =>
        (await at.identities.manageSessions({ manageSessionsBody })).data;
      const unknown = '00000000-0000-4000-8000-000000000000';
      expect(await end({ action: 'delete', sessions: [unknown] })).toEqual({
        processed: 0,
        more: false,
      });
      const named: ManageSessionsBody = { action: 'disable', sessions: [session.id] };
      expect(await end(named)).toEqual({ processed: 1, more: false });
      expect(await end(named)).toEqual({ processed: 0, more: false });
      expect((await refused(at.frontend.toSession({ xSessionToken: token }))).status).toBe(401);
      const again = await at.login('ended@example.com');
      expect(await end({ action: 'disable', identities: ['*'] })).toMatchObject({ more: false });
      expect((await refused(at.frontend.toSession({ xSessionToken: again }))).status).toBe(401);
    });

    it('list in pages, by id and by identifier, and make many at once', async () => {
      const { data } = await at.identities.batchPatchIdentities({
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
      expect(data.identities?.map((i) => i.action)).toEqual([
        'create',
        'create',
        'create',
        'error',
      ]);
      const all = new Set<string>();
      let pageToken: string | undefined;
      do {
        const page = await at.identities.listIdentities({
          pageSize: 2,
          ...(pageToken === undefined ? {} : { pageToken }),
        });
        for (const i of page.data) all.add(i.id);
        pageToken = /page_token=([^>&]+)>; rel="next"/.exec(
          String(page.headers['link'] ?? ''),
        )?.[1];
      } while (pageToken !== undefined);
      const ids = (data.identities ?? []).flatMap((i) => (i.identity == null ? [] : [i.identity]));
      for (const id of ids) expect(all.has(id)).toBe(true);
      expect((await at.identities.listIdentities({ ids })).data).toHaveLength(3);
    });

    it('hand over recovery, schemas, messages and the version', async () => {
      const { identity } = await at.register('helped@example.com');
      const code = await at.identities.createRecoveryCodeForIdentity({
        createRecoveryCodeForIdentityBody: {
          identity_id: identity.id,
          expires_in: '10m',
          flow_type: 'api',
        } as never,
      });
      expect(code.data.recovery_code).toMatch(/^\d{6}$/);
      const flow = new URL(code.data.recovery_link).searchParams.get('flow') ?? '';
      const recovered = await at.frontend.updateRecoveryFlow({
        flow,
        updateRecoveryFlowBody: { method: 'code', code: code.data.recovery_code },
      });
      expect(recovered.data.continue_with?.[0]?.action).toBe('set_ory_session_token');
      const link = await at.identities.createRecoveryLinkForIdentity({
        createRecoveryLinkForIdentityBody: { identity_id: identity.id },
      });
      expect(link.data.recovery_link).toContain('token=');
      expect((await at.identities.listIdentitySchemas()).data[0]?.id).toBe('default');
      expect((await at.identities.getIdentitySchema({ id: 'default' })).data).toMatchObject({
        title: 'Person',
      });
      const messages = await at.courier.listCourierMessages({ recipient: 'helped@example.com' });
      const [message] = messages.data;
      expect(message?.template_type).toBe('verification_code_valid');
      expect((await at.courier.getCourierMessage({ id: message?.id ?? '' })).data).toEqual(message);
      expect((await at.metadata.getVersion()).data.version).toMatch(/^\d/);
      expect(
        (await at.frontend.getWellKnownChangePassword({ maxRedirects: 0 }).catch((r) => r.response))
          .status,
      ).toBe(303);
    });
  });
}
