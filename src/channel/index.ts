export { bridge, resetSocket, splice } from './bridge.ts';
export {
  type Admission,
  acceptChannel,
  Channel,
  type ChannelHandlers,
  type ChannelOptions,
  type ChannelSide,
  type ChannelTrust,
  connectChannel,
  type DialOptions,
  KEY_EXCHANGE_GROUP,
  LISTENER_DEFAULT,
  type LocalCredential,
  refusalFromHeaders,
  refuseStream,
} from './channel.ts';
export { releaseStartMemory, tuneMemory } from './memory.ts';
export { ChannelPool, type ChannelPoolOptions } from './pool.ts';
