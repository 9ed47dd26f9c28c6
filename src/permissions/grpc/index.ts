/** The gRPC surface of the permissions domain: the services of each port, and a port that serves them beside REST. */

export { createLanguageServices } from './language-services.ts';
export { type Listener, type ListenOptions, listenBoth, type PortCertificate } from './listen.ts';
export { createReadServices } from './read-services.ts';
export type { ServiceParts, ServiceRegistration } from './services.ts';
export { createWriteServices } from './write-services.ts';
