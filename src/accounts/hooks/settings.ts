/**
 * What a `web_hook` of a kratos.yml says, checked and compiled: whom to ask, how, and what its answer may do. Types and
 * pure helpers. INVARIANT: the address comes from the configuration alone, nothing that a visitor sends becomes a part of
 * it; secrets of `auth` are never logged.
 */
import type { Program } from '../jsonnet/index.ts';

export type WebHookAuth =
  | {
      readonly type: 'api_key';
      readonly name: string;
      readonly value: string;
      readonly in: 'header' | 'cookie';
    }
  | { readonly type: 'basic_auth'; readonly user: string; readonly password: string };

export interface WebHook {
  /** What logs and the audit call it: its `id`, or the place where it stands in the file. */
  readonly name: string;
  readonly url: URL;
  readonly method: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** A Jsonnet function of `ctx`; undefined: the request has no body. */
  readonly body: Program | undefined;
  readonly auth: WebHookAuth | undefined;
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
