/** The light door of accounts: what files and configurations are judged by without a server. */
export { readSpec } from './http/admin/identity-spec.ts';
export { compileJsonnet } from './jsonnet/index.ts';
export { type BrandConfig, CORNERS, FONTS, readAccent } from './pages/brand.ts';
export { dataUrlBytes, LOGO_BYTES_MAX, readLogo } from './pages/logo.ts';
export { compileIdentitySchema } from './schema/identity-schema.ts';
