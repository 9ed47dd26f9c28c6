/** The REST surface of the permissions domain: Keto's routes, those of its older versions, and our own. */
export { frameworkErrors } from './fault.ts';
export { addLanguageRoutes } from './language.ts';
export { BATCH_SIZE_DEFAULT, type RestParts } from './parts.ts';
export { addReadRoutes } from './read.ts';
export { addWriteRoutes } from './write.ts';
