/**
 * What the package and the document leave open or tell wrongly, each with what Kratos's own program does. Everything
 * else is held as it is declared.
 */
import type { Schema, TypeFile } from './type-schema.ts';
import type { Finding } from './watch.ts';

/** Members that the published document calls UUIDs; the package's types say `string`. */
const UUIDS: Readonly<Record<string, readonly string[]>> = {
  ContinueWithRecoveryUiFlow: ['id'],
  ContinueWithSettingsUiFlow: ['id'],
  ContinueWithVerificationUiFlow: ['id'],
  ErrorFlowReplaced: ['use_flow_id'],
  FlowError: ['id'],
  Identity: ['id'],
  IdentityPatchResponse: ['identity', 'patch_id'],
  LoginFlow: ['id'],
  Message: ['id'],
  MessageDispatch: ['id', 'message_id'],
  RecoveryFlow: ['id'],
  RecoveryIdentityAddress: ['id'],
  RegistrationFlow: ['id'],
  SelfServiceFlowExpiredError: ['use_flow_id'],
  Session: ['id'],
  SessionDevice: ['id'],
  SettingsFlow: ['id'],
  VerifiableIdentityAddress: ['id'],
  VerificationFlow: ['id'],
};

/** Members whose declared type is not what Kratos's program writes, with the type that is. */
const CORRECTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // The package describes several of Ory's servers at once, and its general error is the OAuth server's; Kratos writes, and
  // its own document says, GenericError.
  ErrorGeneric: { error: 'GenericError' },
  // Declared as an error within an error; the program embeds one error, as in the refusals beside it.
  ErrorBrowserLocationChangeRequired: { error: 'GenericError' },
};

/** The definitions that were asked for, with the above. */
export function amended(types: TypeFile): Record<string, Schema> {
  const corrections = Object.entries(CORRECTED).flatMap(([type, members]) =>
    Object.entries(members).map(([member, to]) => ({ type, member, to: types.type(to) })),
  );
  const out: Record<string, Schema> = { ...types.definitions };
  const change = (type: string, member: string, to: (before: Schema) => Schema): void => {
    const schema = out[type];
    if (schema === undefined) return;
    // An interface's definition has its members here.
    const properties = schema['properties'] as Readonly<Record<string, Schema>>;
    const before = properties[member];
    if (before === undefined) throw new Error(`${type} has no ${member} any more`);
    out[type] = { ...schema, properties: { ...properties, [member]: to(before) } };
  };
  for (const [type, members] of Object.entries(UUIDS))
    for (const member of members) change(type, member, (s) => ({ ...s, format: 'uuid' }));
  for (const { type, member, to } of corrections) change(type, member, () => to);
  return out;
}

/** The type of a refusal, by its `error.id`: Kratos extends the general shape for some of them. */
const REFUSALS: Readonly<Record<string, string>> = {
  browser_location_change_required: 'ErrorBrowserLocationChangeRequired',
  self_service_flow_expired: 'SelfServiceFlowExpiredError',
  self_service_flow_replaced: 'ErrorFlowReplaced',
  session_aal2_required: 'ErrorAuthenticatorAssuranceLevelNotSatisfied',
  session_refresh_required: 'NeedsPrivilegedSessionError',
};
export function typeOfRefusal(data: unknown, declared: string): string {
  const error: unknown = Reflect.get(Object(data), 'error');
  const id: unknown = Reflect.get(Object(error), 'id');
  return (typeof id === 'string' ? REFUSALS[id] : undefined) ?? declared;
}

/** An answer of Kratos's own program that its types or its document do not allow, and ours that is the same. */
export interface Deviation {
  readonly why: string;
  /** Of the document alone; the types allow it. */
  readonly isOfDocument: boolean;
  matches(finding: Finding): boolean;
}
export const DEVIATIONS: readonly Deviation[] = [
  {
    why: 'A program that still owes a second factor is not told whose session it has; the member is written as null.',
    isOfDocument: false,
    matches: ({ operation, status, pointer }) =>
      operation === 'FrontendApi.updateLoginFlow' &&
      status === 200 &&
      pointer === '/session/identity',
  },
  {
    why: 'An error has free details (types: any); the document, made from a Go map, forbids every member of them.',
    isOfDocument: true,
    matches: ({ status, pointer }) =>
      status >= 400 && /^(\/error)?\/error\/details\/\w+$/.test(pointer),
  },
  {
    why: 'The 422 of a detour: the document nests an error in an error, the program does not.',
    isOfDocument: true,
    matches: ({ status, pointer }) => status === 422 && pointer === '/error/error',
  },
];
