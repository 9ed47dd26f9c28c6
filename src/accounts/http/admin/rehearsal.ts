/** Dry runs of social sign-in (`/admin/test-login-flows`), for whoever sets a provider up. */
import { beginRehearsal } from '../../flows/rehearsal.ts';
import { flowView } from '../../view.ts';
import { fields, refuse } from './body.ts';
import type { AddRoute, AdminParts } from './parts.ts';

const PROVIDER_ID_MAX = 255;

/** Adds the route. */
export function addRehearsals(add: AddRoute, { manager }: AdminParts): void {
  add('POST', '/test-login-flows', async (q, r) => {
    const { provider_id: id } = fields(q.body, ['provider_id'], 'The body');
    if (typeof id !== 'string' || id === '' || id.length > PROVIDER_ID_MAX)
      refuse(`provider_id has to be a text of 1 to ${PROVIDER_ID_MAX} characters`);
    const { services, providers } = manager;
    const url = `${services.config.publicUrl}/admin/test-login-flows`;
    return r.code(201).send(flowView(await beginRehearsal(services, providers, id, url)));
  });
}
