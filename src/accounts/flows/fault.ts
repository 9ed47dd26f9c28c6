/**
 * The errors of the self-service surface: an error id of Kratos's with its status and siblings. The edge turns them into
 * JSON, or into a redirect to the error page.
 */

export interface FaultDetails {
  readonly redirectTo?: string;
  readonly useFlowId?: string;
  readonly expiredAtMs?: number;
  readonly since?: number;
  readonly details?: Readonly<Record<string, unknown>>;
}

const REASONS = {
  session_inactive: {
    status: 401,
    title: 'Unauthorized',
    message: 'The request could not be authorized',
    reason: 'No active session was found in this request.',
  },
  session_aal2_required: {
    status: 403,
    title: 'Forbidden',
    message: 'Session does not fulfill the requested Authenticator Assurance Level',
    reason: 'An active session was found but it does not fulfil the required second factor.',
  },
  session_aal1_required: {
    status: 401,
    title: 'Unauthorized',
    message: 'The request could not be authorized',
    reason: 'A session is needed before a second factor can be asked for.',
  },
  session_already_available: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason:
      'A valid session was detected and thus login is not possible. Did you forget to set `?refresh=true`?',
  },
  session_refresh_required: {
    status: 403,
    title: 'Forbidden',
    message: 'The requested action was forbidden',
    reason:
      'The login session is too old and thus not allowed to update these fields. Please re-authenticate.',
  },
  session_verified_address_required: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason: 'The address must be verified before signing in.',
  },
  security_csrf_violation: {
    status: 403,
    title: 'Forbidden',
    message: 'The requested action was forbidden',
    reason:
      'The CSRF token is missing or does not belong to this browser. Enable cookies and reload the page.',
  },
  security_identity_mismatch: {
    status: 403,
    title: 'Forbidden',
    message: 'The requested action was forbidden',
    reason: 'The flow belongs to another account. Sign in as that account, or begin again.',
  },
  self_service_flow_expired: {
    status: 410,
    title: 'Gone',
    message: 'The self-service flow expired, begin a new one',
    reason: 'self-service flow expired',
  },
  self_service_flow_replaced: {
    status: 410,
    title: 'Gone',
    message: 'The flow has been replaced',
    reason: 'self-service flow replaced',
  },
  self_service_flow_disabled: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason: 'This flow is switched off on this server.',
  },
  self_service_flow_return_to_forbidden: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason: 'Requested return_to URL is not allowed.',
  },
  browser_location_change_required: {
    status: 422,
    title: 'Unprocessable Entity',
    message: 'The browser has to go to another page',
    reason: 'In order to complete this flow please redirect the browser to redirect_browser_to',
  },
  identity_disabled: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason: 'This account is disabled.',
  },
  flow_not_found: {
    status: 404,
    title: 'Not Found',
    message: 'The requested resource could not be found',
    reason: 'There is no such flow, or it was finished.',
  },
  bad_request: {
    status: 400,
    title: 'Bad Request',
    message: 'The request was malformed or contained invalid parameters',
    reason: 'The request is not valid.',
  },
  bad_gateway: {
    status: 502,
    title: 'Bad Gateway',
    message: 'A service that has to agree did not answer properly',
    reason: 'A third-party upstream service responded improperly. Please try again later.',
  },
  gateway_timeout: {
    status: 504,
    title: 'Gateway Timeout',
    message: 'A service that has to agree did not answer in time',
    reason: 'A third-party upstream service could not be reached. Please try again later.',
  },
} as const;

/** Errors that Kratos gives no id. */
const WITHOUT_ID: readonly FaultId[] = [
  'flow_not_found',
  'bad_request',
  'bad_gateway',
  'gateway_timeout',
];

export type FaultId = keyof typeof REASONS;

/** An error with an id that clients know. */
export class FlowFault extends Error {
  override readonly name = 'FlowFault';
  readonly id: FaultId;
  readonly status: number;
  readonly title: string;
  readonly reason: string;
  readonly details: FaultDetails;

  constructor(id: FaultId, details: FaultDetails = {}, reason?: string) {
    const known = REASONS[id];
    super(known.message);
    this.id = id;
    this.status = known.status;
    this.title = known.title;
    this.reason = reason ?? known.reason;
    this.details = details;
  }
}

/** The body in which an error crosses the wire. */
export function faultBody(fault: FlowFault): Readonly<Record<string, unknown>> {
  const { details } = fault;
  const hasId = !WITHOUT_ID.includes(fault.id);
  const nested = {
    ...details.details,
    ...(details.redirectTo === undefined ? {} : { redirect_browser_to: details.redirectTo }),
  };
  return {
    error: {
      ...(hasId ? { id: fault.id } : {}),
      code: fault.status,
      status: fault.title,
      reason: fault.reason,
      ...(Object.keys(nested).length === 0 ? {} : { details: nested }),
      message: fault.message,
    },
    ...(details.redirectTo === undefined ? {} : { redirect_browser_to: details.redirectTo }),
    ...(details.useFlowId === undefined ? {} : { use_flow_id: details.useFlowId }),
    ...(details.expiredAtMs === undefined
      ? {}
      : { expired_at: new Date(details.expiredAtMs).toISOString() }),
    ...(details.since === undefined ? {} : { since: details.since }),
  };
}
