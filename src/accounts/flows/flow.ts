/**
 * Flows: login, registration, settings, recovery and verification, each a small state that lives in the store between
 * requests. Pure types and helpers. INVARIANT: `internal` is never shown; what is shown is what view.ts makes.
 */
import { newUuid } from '../../kernel/index.ts';
import type { Aal, Json, JsonObject, Session } from '../account.ts';
import type { NewMessage } from '../services.ts';
import type { UiContainer, UiNode, UiText } from '../ui/node.ts';

export type FlowKind = 'login' | 'registration' | 'settings' | 'recovery' | 'verification';
export const FLOW_KINDS: readonly FlowKind[] = [
  'login',
  'registration',
  'settings',
  'recovery',
  'verification',
];

export type FlowState =
  | 'choose_method'
  | 'sent_email'
  | 'passed_challenge'
  | 'show_form'
  | 'success';

export interface Flow {
  readonly id: string;
  readonly kind: FlowKind;
  readonly type: 'browser' | 'api';
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly requestUrl: string;
  readonly returnTo: string | undefined;
  /** The method that was used last. */
  readonly active: string | undefined;
  readonly state: FlowState;
  readonly ui: UiContainer;
  /** The secret of the browser's CSRF cookie, base64; undefined for API flows. */
  readonly csrf: string | undefined;
  readonly transientPayload: JsonObject | undefined;
  readonly organizationId: string | undefined;
  readonly schemaId: string;
  /** Whether the schema was asked for by whoever began the flow. */
  readonly isSchemaChosen: boolean;
  readonly accountId: string | undefined;
  /** Of login flows. */
  readonly isRefresh: boolean;
  readonly requestedAal: Aal;
  readonly via: string | undefined;
  readonly loginChallenge: string | undefined;
  /** For native apps: see sessions/token-exchange. */
  readonly exchangeCode: string | undefined;
  readonly returnToCode: string | undefined;
  readonly afterVerificationReturnTo: string | undefined;
  readonly continueWith: readonly ContinueWith[];
  /** The methods' own notes: codes, challenges, attempts. */
  readonly internal: JsonObject;
  /** Counts writes. */
  readonly version: number;
}

export type ContinueWith =
  | {
      readonly action: 'show_verification_ui';
      readonly flow: {
        readonly id: string;
        readonly verifiable_address: string;
        readonly url?: string;
      };
    }
  | { readonly action: 'set_ory_session_token'; readonly ory_session_token: string }
  | {
      readonly action: 'show_settings_ui';
      readonly flow: { readonly id: string; readonly url?: string };
    }
  | {
      readonly action: 'show_recovery_ui';
      readonly flow: { readonly id: string; readonly url?: string };
    }
  | { readonly action: 'redirect_browser_to'; readonly redirect_browser_to: string };

export interface NewFlow {
  readonly kind: FlowKind;
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly lifespanMs: number;
  readonly publicUrl: string;
  readonly schemaId: string;
  readonly isSchemaChosen?: boolean;
  readonly returnTo?: string | undefined;
  readonly csrf?: string | undefined;
  readonly accountId?: string | undefined;
  readonly isRefresh?: boolean;
  readonly requestedAal?: Aal;
  readonly via?: string | undefined;
  readonly loginChallenge?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly afterVerificationReturnTo?: string | undefined;
  readonly exchangeCode?: string | undefined;
  readonly returnToCode?: string | undefined;
}

export function newFlow(o: NewFlow, nowMs: number): Flow {
  const id = newUuid();
  return {
    id,
    kind: o.kind,
    type: o.type,
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + o.lifespanMs,
    requestUrl: o.requestUrl,
    returnTo: o.returnTo,
    active: undefined,
    state: o.kind === 'settings' ? 'show_form' : 'choose_method',
    ui: { action: `${o.publicUrl}/self-service/${o.kind}?flow=${id}`, method: 'POST', nodes: [] },
    csrf: o.csrf,
    transientPayload: undefined,
    organizationId: o.organizationId,
    schemaId: o.schemaId,
    isSchemaChosen: o.isSchemaChosen ?? false,
    accountId: o.accountId,
    isRefresh: o.isRefresh ?? false,
    requestedAal: o.requestedAal ?? 'aal1',
    via: o.via,
    loginChallenge: o.loginChallenge,
    exchangeCode: o.exchangeCode,
    returnToCode: o.returnToCode,
    afterVerificationReturnTo: o.afterVerificationReturnTo,
    continueWith: [],
    internal: {},
    version: 0,
  };
}

/** The flow with other nodes, and messages when any are given. A script that two methods bring is loaded once. */
export function show(flow: Flow, given: readonly UiNode[], messages: readonly UiText[] = []): Flow {
  const { messages: _before, ...ui } = flow.ui;
  const idOf = ({ attributes }: UiNode): string | undefined =>
    attributes.node_type === 'script' ? attributes.id : undefined;
  const nodes = given.filter((node, at) => {
    const id = idOf(node);
    return id === undefined || given.findIndex((n) => idOf(n) === id) === at;
  });
  return { ...flow, ui: { ...ui, nodes, ...(messages.length === 0 ? {} : { messages }) } };
}

/** One method's note in a flow. */
export function noteOf(flow: Flow, name: string): Json | undefined {
  return Object.hasOwn(flow.internal, name) ? flow.internal[name] : undefined;
}
/** A note of several things, typed as the one module that writes it under that name has it; undefined when there is none. */
export function recordOf<T extends object>(flow: Flow, name: string): T | undefined {
  const note = noteOf(flow, name);
  const isRecord = typeof note === 'object' && note !== null && !Array.isArray(note);
  return isRecord ? (note as unknown as T) : undefined;
}
export function withNote(flow: Flow, name: string, note: Json | undefined): Flow {
  const { [name]: _before, ...rest } = flow.internal;
  return { ...flow, internal: note === undefined ? rest : { ...rest, [name]: note } };
}

/** What a person or program sent to a flow: JSON, or a form whose fields were put together by the edge. */
export interface Submission {
  readonly method: string | undefined;
  /** The fields, whatever their type. */
  readonly fields: JsonObject;
  readonly traits: JsonObject | undefined;
  readonly transientPayload: JsonObject | undefined;
}

/** A text field of a submission; undefined when it is absent, empty or no text. */
export function textOf(submission: Submission, name: string): string | undefined {
  const value = Object.hasOwn(submission.fields, name) ? submission.fields[name] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
export function isTrue(submission: Submission, name: string): boolean {
  const value = Object.hasOwn(submission.fields, name) ? submission.fields[name] : undefined;
  return value === true || value === 'true' || value === 'on' || value === '1';
}

/** A request as web hooks are told of it. */
export interface RequestFacts {
  readonly method: string;
  readonly url: string;
  /** By canonical name, such as `User-Agent`. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly cookies: Readonly<Record<string, string>>;
}

/** Who submits, from where, with which session. */
export interface Visitor {
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly session: Session | undefined;
  readonly request?: RequestFacts;
  /** The secret of the browser's CSRF cookie, for a flow that began without a browser. */
  readonly csrf?: string;
}

/** What a method found wrong: told beside the named node, or above all. The flow comes back with it. */
export class FlowProblem extends Error {
  override readonly name = 'FlowProblem';
  readonly problems: readonly { readonly node?: string; readonly message: UiText }[];
  /** The flow to keep, where the method has noted something (an attempt counted). */
  readonly flow: Flow | undefined;
  constructor(
    problems: readonly { readonly node?: string; readonly message: UiText }[],
    flow?: Flow,
  ) {
    super(problems.map((p) => p.message.text).join(' '));
    this.problems = problems;
    this.flow = flow;
  }
}

/** Does the work; a problem of it is told in the flow as it is kept now, where that is another than before. */
export async function keeping<T>(flow: Flow | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (reason) {
    if (!(reason instanceof FlowProblem) || reason.flow !== undefined) throw reason;
    throw new FlowProblem(reason.problems, flow);
  }
}

/** One problem of the whole. */
export function problem(message: UiText, node?: string, flow?: Flow): FlowProblem {
  return new FlowProblem([node === undefined ? { message } : { node, message }], flow);
}

/** A message with what its templates may show of the flow. */
export function aboutFlow(flow: Flow, message: NewMessage): NewMessage {
  const { requestUrl, transientPayload } = flow;
  const about = {
    RequestURL: requestUrl,
    ...(transientPayload === undefined ? {} : { TransientPayload: transientPayload }),
  };
  return { ...message, data: { ...about, ...message.data } };
}
