/**
 * The errors of the permissions domain in gRPC's form: codes and texts as Ory Keto's clients know them
 * (reference: Keto's herodot errors), the reason as a google.rpc.ErrorInfo detail. It must never send the text of a fault
 * that is not a PosternError or a ConnectError, and never more text than fits into the trailers of a reply.
 */
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { type ErrorCode, type PosternError, toPosternError } from '../../kernel/index.ts';
import { ErrorInfoSchema } from './gen/google/rpc/error_details_pb.ts';

const MALFORMED = 'The request was malformed or contained invalid parameters';

/** A code of gRPC, and Keto's text for it; without one the error's own message is sent. */
const STATUS: Readonly<Record<ErrorCode, { readonly code: Code; readonly text?: string }>> = {
  invalid: { code: Code.InvalidArgument, text: MALFORMED },
  expired: { code: Code.InvalidArgument, text: MALFORMED },
  not_found: { code: Code.NotFound, text: 'The requested resource could not be found' },
  conflict: {
    code: Code.FailedPrecondition,
    text: 'The resource could not be created due to a conflict',
  },
  internal: {
    code: Code.Internal,
    text: 'An internal server error occurred, please contact the system administrator',
  },
  exhausted: { code: Code.ResourceExhausted },
  unauthenticated: { code: Code.Unauthenticated },
  denied: { code: Code.PermissionDenied },
  unavailable: { code: Code.Unavailable },
  unsupported: { code: Code.Unimplemented },
};

/**
 * UTF-16 units of a text in a reply. Names of 128 KiB occur in messages; a trailer has room for some KiB, in which one
 * unit can take nine bytes, and the text is there two or three times.
 */
const TEXT_MAX = 256;

function fitted(text: string): string {
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  // Trailers are percent-encoded, which throws on half a surrogate pair.
  return cut.toWellFormed();
}

function withReason(code: Code, text: string, reason: string, error: PosternError): ConnectError {
  const metadata: Record<string, string> = {};
  if (error.hint !== undefined) metadata['hint'] = fitted(error.hint);
  if (error.decisionId !== undefined) metadata['decision_id'] = fitted(error.decisionId);
  const info = { reason: fitted(reason), domain: '', metadata };
  const isBare = reason === '' && Object.keys(metadata).length === 0;
  return new ConnectError(
    fitted(text),
    code,
    undefined,
    isBare ? [] : [{ desc: ErrorInfoSchema, value: info }],
    error,
  );
}

/** Encodes anything thrown. What is not a PosternError is INTERNAL, its text kept as cause only. */
export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = toPosternError(thrown);
  const { code, text } = STATUS[error.code];
  const reason = error.facts['reason'];
  // A check that could not be completed is Keto's 422.
  if (error.code === 'exhausted' && typeof reason === 'string')
    return withReason(Code.FailedPrecondition, 'The check could not be completed', reason, error);
  if (text === undefined) return withReason(code, error.message, '', error);
  return withReason(code, text, error.code === 'internal' ? '' : error.message, error);
}

/** The text that stands in a batch for one question that could not be answered. */
export function batchErrorText(thrown: unknown): string {
  const error = toConnectError(thrown);
  const detail = error.details[0];
  const isIncomplete = error.code === Code.FailedPrecondition && detail !== undefined;
  const reason =
    isIncomplete && 'value' in detail ? Reflect.get(detail.value, 'reason') : undefined;
  return typeof reason === 'string' ? reason : error.rawMessage;
}

/** INVALID_ARGUMENT with a text of its own, where Keto replaces the general one. */
export function invalidArgument(text: string): ConnectError {
  return new ConnectError(fitted(text), Code.InvalidArgument);
}

/** Encodes what a service throws; tells `reportFault` of what is the server's own fault. */
export async function encodingErrors<T>(
  work: () => Promise<T>,
  reportFault: (reason: unknown) => void,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = toConnectError(thrown);
    if (error.code === Code.Internal) reportFault(error.cause ?? error);
    throw error;
  }
}

/** Whether the library could not read what a client sent, and calls it a fault of the server. */
function isUnreadable({ code, rawMessage, cause }: ConnectError): boolean {
  if (code !== Code.Internal) return false;
  if (rawMessage.startsWith('parse binary: ')) return true;
  // A compressed message that ends too early.
  const isCut = cause instanceof Error && Reflect.get(cause, 'code') === 'Z_BUF_ERROR';
  return rawMessage === 'decompression failed' && isCut;
}

/**
 * Makes a request of this context that can't be read INVALID_ARGUMENT, in every protocol. The library reads it outside of
 * interceptors and answers INTERNAL; but it tells the context's signal of the error before it encodes it.
 */
export function blameUnreadable({ signal }: Pick<HandlerContext, 'signal'>): void {
  const onAbort = (): void => {
    const reason: unknown = signal.reason;
    if (reason instanceof ConnectError && isUnreadable(reason))
      Reflect.set(reason, 'code', Code.InvalidArgument);
  };
  signal.addEventListener('abort', onAbort, { once: true });
}
