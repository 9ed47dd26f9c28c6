export { Collection, Home, homeExists, homePath, openHome } from './home.ts';
export type * from './records.ts';
export { createVaultFile, deleteVaultFile, moveVaultFile } from './vault-file.ts';
