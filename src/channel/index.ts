export { bridge, splice } from './bridge.ts';
export {
  acceptChannel,
  Channel,
  type ChannelHandlers,
  type ChannelOptions,
  type ChannelSide,
  type ChannelTrust,
  connectChannel,
  KEY_EXCHANGE_GROUP,
  type LocalCredential,
  refusalFromHeaders,
  refuseStream,
} from './channel.ts';
export { ChannelPool, type ChannelPoolOptions } from './pool.ts';
