/**
 * The kinds of messages and what templates of each can show, by Kratos's names, so that files kept for it go on working.
 * Pure.
 */
import type { Json, JsonObject } from '../account.ts';
import type { NewMessage, TemplateType } from '../services.ts';

const COMMON = ['To', 'RequestURL', 'RequestURLDomain', 'TransientPayload'];
const VALID = ['Identity', 'ExpiresInMinutes'];

const OWN: Readonly<Record<TemplateType, readonly string[]>> = {
  recovery_code_valid: ['RecoveryCode', ...VALID],
  recovery_code_invalid: [],
  recovery_valid: ['RecoveryURL', ...VALID],
  recovery_invalid: [],
  verification_code_valid: ['VerificationCode', 'VerificationURL', ...VALID],
  verification_code_invalid: [],
  verification_valid: ['VerificationURL', ...VALID],
  verification_invalid: [],
  login_code_valid: ['LoginCode', ...VALID],
  registration_code_valid: ['RegistrationCode', 'Traits', ...VALID],
  verifiable_address_changed: ['ChangedAt', 'Identity'],
};

export const TEMPLATE_TYPES = Object.keys(OWN) as readonly TemplateType[];

export function isTemplateType(name: string): name is TemplateType {
  return Object.hasOwn(OWN, name);
}
/** All fields that a template of the kind can ask for. */
export function fieldsOf(type: TemplateType): readonly string[] {
  return [...COMMON, ...OWN[type]];
}
/** The folder of a kind under `template_override_path`, such as `recovery_code/valid`. */
export function folderOf(type: TemplateType): string {
  return type.replace(/_(?=(?:in)?valid$)/, '/');
}

/** The host name of a URL; empty for an IP address. */
function domainOf(url: unknown): string {
  const host = typeof url === 'string' && URL.canParse(url) ? new URL(url).hostname : '';
  return /[a-z]/i.test(host) && !host.startsWith('[') ? host : '';
}

/** What a template of a message sees: its own data, and nothing where there is none. */
export function templateFields({ templateType, recipient, data }: NewMessage): JsonObject {
  const empty: Readonly<Record<string, Json>> = {
    To: recipient,
    RequestURLDomain: domainOf(data['RequestURL']),
    ...{ TransientPayload: {}, Identity: {}, Traits: {} },
  };
  return Object.fromEntries(
    fieldsOf(templateType).map((name) => [
      name,
      // Made by flows: JSON.
      (Object.hasOwn(data, name) ? (data[name] as Json) : empty[name]) ?? '',
    ]),
  );
}

/** The same under the names that a body over HTTP gets: `recovery_code`, `request_url` … */
export function templateDataJson(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name
        .replace(/URL/g, 'Url')
        .replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`)
        .toLowerCase(),
      value,
    ]),
  );
}
