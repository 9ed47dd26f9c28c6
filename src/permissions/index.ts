/** The door of the permissions domain: relation tuples, the permission language and the questions about them. */
export {
  createLanguageServices,
  createReadServices,
  createWriteServices,
  type Listener,
  type ListenOptions,
  listenBoth,
  type ServiceRegistration,
} from './grpc/index.ts';
export {
  addLanguageRoutes,
  addReadRoutes,
  addWriteRoutes,
  frameworkErrors,
  type RestParts,
} from './http/index.ts';
export { type PermissionLimits, PermissionManager } from './manager.ts';
export type { ModelVersion, Permissions, PermissionsStatus, Writer } from './permissions.ts';
