export { type Clock, systemClock } from './clock.ts';
export { checkDisplayName, isShown } from './display-name.ts';
export { parseDurationMs } from './duration.ts';
export {
  ERROR_CODES,
  type ErrorBody,
  type ErrorCode,
  fromErrorBody,
  HTTP_STATUS,
  PosternError,
  type PosternErrorOptions,
  toErrorBody,
  toPosternError,
} from './errors.ts';
export { isUuid, newId, newName, newUuid } from './ids.ts';
export { createLogger } from './log-file.ts';
export { type Logger, silentLogger } from './logger.ts';
export { Secret } from './secret.ts';
