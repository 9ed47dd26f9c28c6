export { enrollWithTicket, type GrantedCredential, renewCredential } from './enrolment.ts';
export { dialTcp, Link, type LinkOptions, openFirst } from './link.ts';
export {
  type ManagementClient,
  managementOverNodePort,
  managementOverSocket,
} from './management-client.ts';
export { ControlSession, type ControlSessionOptions } from './session.ts';
export * from './wire.ts';
