export {
  adminSocketPath,
  loadServerConfig,
  type ServerConfig,
  ServerConfigSchema,
  serverHome,
} from './config.ts';
export { type RunningServer, readServerState, runServer, type ServerState } from './server.ts';
