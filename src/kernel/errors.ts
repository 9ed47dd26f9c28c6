/**
 * The one error family of Postern. Domains throw PosternError with a closed code and never know an HTTP status,
 * an exit code or a dialect: each edge ring has one table that turns codes into its wire form.
 * `message` is safe to show to the caller; `facts` are structured and safe; `cause` is for the log alone.
 */

export const ERROR_CODES = [
  'invalid', // malformed input
  'unauthenticated', // no or wrong proof of who is asking
  'denied', // known, and not allowed
  'not_found',
  'conflict', // exists already, in use, or changed meanwhile
  'expired',
  'exhausted', // a bound was reached: rate limit, queue, quota
  'unavailable', // a dependency is out of reach; trying again may help
  'unsupported',
  'internal', // an invariant broke
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface PosternErrorOptions {
  /** Structured, safe facts that a caller can act on. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  /** What to do next, one sentence or one command. */
  readonly hint?: string;
  /** Decision id when an `authorise` denied. */
  readonly decisionId?: string;
  readonly cause?: unknown;
}

export class PosternError extends Error {
  override readonly name = 'PosternError';
  readonly code: ErrorCode;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly hint: string | undefined;
  readonly decisionId: string | undefined;

  constructor(code: ErrorCode, message: string, options: PosternErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.facts = options.facts ?? {};
    this.hint = options.hint;
    this.decisionId = options.decisionId;
  }
}

/** What SQLite's result codes (sqlite.org/rescode.html) and the system's error names mean to whoever runs the machine. */
const MACHINE_TROUBLE: Readonly<Record<string, { message: string; hint: string }>> = {
  full: {
    message: 'The disk is full: nothing was stored',
    hint: 'Free some space and try again',
  },
  readonly: {
    message: 'The files can not be written',
    hint: 'Check their owner, their mode and the file system',
  },
  busy: {
    message: 'The database is in use by something that does not let go',
    hint: 'Look for a process that hangs, then try again',
  },
  corrupt: {
    message: 'The database is damaged',
    hint: 'Restore it from a copy',
  },
  input: {
    message: 'The disk could not be read or written',
    hint: "Look at the system's log",
  },
  descriptors: {
    message: 'This process may not open more files or connections',
    hint: 'Raise its limit (ulimit -n, LimitNOFILE)',
  },
};
const TROUBLE_OF: Readonly<Record<string, keyof typeof MACHINE_TROUBLE>> = {
  13: 'full',
  ENOSPC: 'full',
  EDQUOT: 'full',
  8: 'readonly',
  14: 'readonly',
  EACCES: 'readonly',
  EROFS: 'readonly',
  5: 'busy',
  6: 'busy',
  11: 'corrupt',
  26: 'corrupt',
  10: 'input',
  EIO: 'input',
  EMFILE: 'descriptors',
  ENFILE: 'descriptors',
};

function machineTrouble(reason: unknown): { message: string; hint: string } | undefined {
  if (!(reason instanceof Error) || !('code' in reason)) return undefined;
  // The low byte is SQLite's primary code.
  const code =
    reason.code === 'ERR_SQLITE_ERROR' && 'errcode' in reason && typeof reason.errcode === 'number'
      ? reason.errcode & 0xff
      : reason.code;
  const kind = TROUBLE_OF[String(code)];
  return kind === undefined ? undefined : MACHINE_TROUBLE[kind];
}

/** Turns anything thrown into a PosternError; what is not one already becomes `internal`, its text kept as cause only. */
export function toPosternError(reason: unknown): PosternError {
  if (reason instanceof PosternError) return reason;
  const trouble = machineTrouble(reason);
  if (trouble !== undefined)
    return new PosternError('unavailable', trouble.message, { hint: trouble.hint, cause: reason });
  return new PosternError('internal', 'Postern met an unexpected fault', { cause: reason });
}

/** The JSON shape in which an error crosses our own APIs. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly decision_id?: string;
    readonly facts?: Readonly<Record<string, string | number | boolean>>;
  };
}

/** Encodes an error for our own APIs. */
export function toErrorBody(error: PosternError): ErrorBody {
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.decisionId === undefined ? {} : { decision_id: error.decisionId }),
      ...(Object.keys(error.facts).length === 0 ? {} : { facts: error.facts }),
    },
  };
}

/** Reads an error body from our own APIs; undefined when the value is not one. */
export function fromErrorBody(value: unknown): PosternError | undefined {
  if (typeof value !== 'object' || value === null || !('error' in value)) return undefined;
  const body = value.error;
  if (typeof body !== 'object' || body === null) return undefined;
  const field = (name: string): string | undefined => {
    const v: unknown = Reflect.get(body, name);
    return typeof v === 'string' ? v : undefined;
  };
  const code = ERROR_CODES.find((c) => c === field('code'));
  const message = field('message');
  if (code === undefined || message === undefined) return undefined;
  const hint = field('hint');
  const decisionId = field('decision_id');
  const facts: Record<string, string | number | boolean> = {};
  const rawFacts: unknown = Reflect.get(body, 'facts');
  if (typeof rawFacts === 'object' && rawFacts !== null) {
    for (const [k, v] of Object.entries(rawFacts)) {
      if (typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean') facts[k] = v;
    }
  }
  return new PosternError(code, message, {
    facts,
    ...(hint === undefined ? {} : { hint }),
    ...(decisionId === undefined ? {} : { decisionId }),
  });
}

/** The HTTP status of our own APIs for each code. */
export const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  denied: 403,
  not_found: 404,
  conflict: 409,
  expired: 410,
  exhausted: 429,
  unavailable: 503,
  unsupported: 501,
  internal: 500,
};
