/** The light door of accounts: what the command line needs to judge files without a server. */
export { readSpec } from './http/admin/identity-spec.ts';
export { compileJsonnet } from './jsonnet/index.ts';
export { compileIdentitySchema } from './schema/identity-schema.ts';
