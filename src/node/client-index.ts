export { nodeRequest } from './client.ts';
