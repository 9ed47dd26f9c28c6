export { checkAccounts } from './accounts.ts';
export {
  adminSocketPath,
  loadServerConfig,
  type ServerConfig,
  ServerConfigSchema,
  serverHome,
} from './config.ts';
export { takeDialect } from './dialect.ts';
export { type RunningServer, runServer } from './server.ts';
export { readServerState, type ServerState } from './state.ts';
