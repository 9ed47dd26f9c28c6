/** What a `web_hook` of a kratos.yml says, checked and compiled: whom to ask, and what the answer may do. Pure. */
import type { OutgoingRequest } from '../outgoing/request.ts';

export interface WebHook extends OutgoingRequest {
  /** What logs and the audit call it: its `id`, or the place where it stands in the file. */
  readonly name: string;
  /** The flow does not wait for the answer. */
  readonly isIgnored: boolean;
  /** The answer may change the identity, or stop the flow with messages. */
  readonly isParsed: boolean;
  /** The answer may stop the flow with messages. */
  readonly canInterrupt: boolean;
}

/** Whether a hook has to be asked before anything is stored. */
export function isDecisive({ isParsed, canInterrupt }: WebHook): boolean {
  return isParsed || canInterrupt;
}

/** Headers of a visitor's request that hooks are told of, as Kratos lists them (`clients.web_hook.header_allowlist`). */
export const HEADERS_TOLD: readonly string[] = [
  ...['Accept', 'Accept-Encoding', 'Accept-Language', 'Content-Length', 'Content-Type', 'Origin'],
  ...['Priority', 'Referer', 'Sec-Ch-Ua', 'Sec-Ch-Ua-Mobile', 'Sec-Ch-Ua-Platform'],
  ...['Sec-Fetch-Dest', 'Sec-Fetch-Mode', 'Sec-Fetch-Site', 'Sec-Fetch-User', 'True-Client-Ip'],
  'User-Agent',
];
