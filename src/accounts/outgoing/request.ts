/**
 * A request to another server as the configuration describes it (`web_hook`, the courier's `request_config`): checked and
 * compiled. INVARIANT: the address comes from the configuration alone, nothing that a visitor sends becomes a part of it;
 * secrets of `auth` are never logged.
 */
import type { Program } from '../jsonnet/index.ts';

export const FORM_TYPE = 'application/x-www-form-urlencoded';

export type RequestAuth =
  | {
      readonly type: 'api_key';
      readonly name: string;
      readonly value: string;
      readonly in: 'header' | 'cookie';
    }
  | { readonly type: 'basic_auth'; readonly user: string; readonly password: string };

export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** A Jsonnet function of `ctx`; undefined: the request has no body. */
  readonly body: Program | undefined;
  readonly auth: RequestAuth | undefined;
}

/** What a request's body is not. Its words may be somebody's data, and are not repeated. */
export class BodyFault extends Error {
  override readonly name = 'BodyFault';
}

/** What a request's program made, as JSON, or as a form where its headers ask for one. Throws BodyFault. */
export function encodedBody(request: OutgoingRequest, made: unknown): string {
  if (request.headers.get('content-type') !== FORM_TYPE) return JSON.stringify(made);
  const form = new URLSearchParams();
  if (typeof made !== 'object' || made === null) throw new BodyFault('the body is no form');
  for (const [name, value] of Object.entries(made)) form.append(name, String(value));
  return form.toString();
}
