/** The management API, `/api/v1`: the same routes on the admin socket, the public listener and the node port. */

import type { FastifyInstance } from 'fastify';
import { PosternError } from '../../kernel/index.ts';
import { addClientManagement } from './clients.ts';
import { createDoor, type Door } from './door.ts';
import type { ServerParts } from './parts.ts';
import { addPeopleManagement } from './people.ts';
import { addPermissionManagement } from './permissions.ts';
import { addMemberManagement, addProjectManagement } from './projects.ts';
import { addRecordRoutes } from './records.ts';
import { addServiceManagement } from './services.ts';
import { addTokenManagement } from './tokens.ts';
import { ticketFor } from './wire.ts';

/** Adds the routes. `callerOf` is the door's; it throws `unauthenticated`. */
export function addManagementRoutes(
  app: FastifyInstance,
  parts: ServerParts,
  callerOf: Door['callerOf'],
): void {
  const { authority, fabric, audit, permissions, oidc, people, services } = parts;
  const door = createDoor(parts, callerOf);
  addProjectManagement(app, parts, door);
  addMemberManagement(app, parts, door);
  addTokenManagement(app, parts, door);
  addRecordRoutes(app, parts, door);
  if (permissions !== undefined) addPermissionManagement(app, permissions, door.mayServer);
  if (oidc !== undefined)
    addClientManagement(app, { fabric, audit, api: oidc }, callerOf, door.mayServer);
  if (people !== undefined)
    addPeopleManagement(app, { ...parts, people }, callerOf, door.may, (project, code) =>
      ticketFor(parts, authority, project, code),
    );
  if (services !== undefined) addServiceManagement(app, services, callerOf, door.mayServer);
  if (parts.accounts === undefined) refuseAccounts(app);
}

/** Whoever asks for what belongs to accounts is told that they are off, and not that there is no such path. */
function refuseAccounts(app: FastifyInstance): void {
  for (const path of ['clients', 'services', 'oidc-keys', 'authtokens'])
    for (const url of [`/api/v1/${path}`, `/api/v1/${path}/*`])
      app.all(url, { schema: { hide: true } }, () => {
        throw new PosternError('not_found', 'The accounts of this server are turned off', {
          hint: 'Start it without POSTERN_ACCOUNTS=off, or accounts.enabled: false',
        });
      });
}
