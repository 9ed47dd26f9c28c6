/**
 * An identity schema (JSON Schema draft-07 with the extension `ory.sh/kratos`): which traits a person has, which of them
 * sign in, are verified, or recover. Pure once compiled. A schema is the administrator's; traits are anybody's.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { PosternError } from '../../kernel/index.ts';
import type { Json, JsonObject, Via } from '../account.ts';
import { INVALID, LABEL } from '../ui/message.ts';
import { type InputType, input, type NodeGroup, type UiNode, type UiText } from '../ui/node.ts';
import { lengthProblems, NAME_LENGTH_MAX } from './bounds.ts';
import { type LinearPattern, linearPattern, patternsOf } from './linear-pattern.ts';

const EXTENSION = 'ory.sh/kratos';
const DEPTH_MAX = 32;

// The package is CommonJS whose types name a default that Node does not unwrap.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => Ajv;

export type Leaf = {
  /** Below `traits`, such as `["name", "first"]`; an array's items carry `*`. */
  readonly path: readonly string[];
  readonly schema: Readonly<Record<string, unknown>>;
  readonly isRequired: boolean;
  /** Whether it signs somebody in, or is an address. */
  readonly isName: boolean;
};

/** A problem of the traits, with the node that it belongs to. */
export interface TraitProblem {
  /** `traits.email`; empty for the whole. */
  readonly node: string;
  readonly message: UiText;
}

export interface CodeAddress {
  readonly value: string;
  readonly via: Via;
}

export interface IdentitySchema {
  readonly id: string;
  readonly document: unknown;
  /** Everything that is wrong with the traits. */
  problems(traits: Json): TraitProblem[];
  /** The nodes by which a person edits the traits, in the schema's order. */
  nodes(group: NodeGroup, traits?: JsonObject): UiNode[];
  /** Normalised identifiers for a type of credential. */
  identifiers(type: 'password' | 'webauthn' | 'passkey', traits: JsonObject): string[];
  codeAddresses(traits: JsonObject): CodeAddress[];
  verifiable(traits: JsonObject): CodeAddress[];
  recovery(traits: JsonObject): CodeAddress[];
  /** The name beside the code in an authenticator app. */
  totpAccountName(traits: JsonObject): string | undefined;
  passkeyDisplayName(traits: JsonObject): string | undefined;
  /** The traits that a passkey can be named by, as paths with dots. */
  passkeyNameFields(): string[];
  /** What the field for a sign-in name is called, when only one trait is such a name and has a title. */
  signInLabel(): { readonly title: string; readonly name: string } | undefined;
  /** A form's flat fields (`traits.name.first`) as traits, with the types of the schema. */
  fromForm(fields: ReadonlyMap<string, string>): JsonObject;
}

const SIGN_IN_NAMES = [
  ...([
    ['password', 'identifier'],
    ['webauthn', 'identifier'],
    ['code', 'identifier'],
  ] as const),
  ...([
    ['passkey', 'display_name'],
    ['totp', 'account_name'],
  ] as const),
] as const;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Control characters, and those that show nothing (zero-width spaces, direction marks). */
const INVISIBLE = /[\p{Cc}\p{Cf}]/gu;

/**
 * An identifier as it is compared: NFKC, without invisible characters, trimmed, lower case. Empty, and so nobody's, for
 * what is too long to be one: to normalise many combining marks takes time in the square of their number.
 */
export function normaliseIdentifier(value: string): string {
  if (value.length > NAME_LENGTH_MAX) return '';
  return value.normalize('NFKC').replace(INVISIBLE, '').trim().toLowerCase();
}

function leavesOf(
  schema: unknown,
  path: readonly string[],
  isRequired: boolean,
  found: Leaf[],
): void {
  if (!isRecord(schema) || path.length > DEPTH_MAX) return;
  const { properties, required, items } = schema;
  if (isRecord(properties)) {
    const must = Array.isArray(required) ? required : [];
    for (const [name, child] of Object.entries(properties))
      leavesOf(child, [...path, name], must.includes(name), found);
    return;
  }
  if (isRecord(items)) {
    leavesOf(items, [...path, '*'], false, found);
    return;
  }
  if (path.length > 0)
    found.push({ path, schema, isRequired, isName: isRecord(schema[EXTENSION]) });
}

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [name, ...rest] = path;
  if (name === undefined) return [value];
  if (name === '*') return Array.isArray(value) ? value.flatMap((v) => valuesAt(v, rest)) : [];
  if (!isRecord(value) || !Object.hasOwn(value, name)) return [];
  return valuesAt(value[name], rest);
}

function extensionAt(leaf: Leaf, ...path: readonly string[]): unknown {
  return valuesAt(leaf.schema[EXTENSION], path)[0];
}

function viaOf(value: unknown): Via | undefined {
  return value === 'email' || value === 'sms' ? value : undefined;
}

const INPUT_OF_FORMAT: Readonly<Record<string, InputType>> = {
  email: 'email',
  'idn-email': 'email',
  'date-time': 'datetime-local',
  date: 'date',
  uri: 'url',
  tel: 'tel',
  phone: 'tel',
};

function inputTypeOf(schema: Readonly<Record<string, unknown>>): InputType {
  const { type, format } = schema;
  const kinds = Array.isArray(type) ? type : [type];
  if (kinds.includes('boolean')) return 'checkbox';
  if (kinds.includes('number') || kinds.includes('integer')) return 'number';
  return (typeof format === 'string' ? INPUT_OF_FORMAT[format] : undefined) ?? 'text';
}

function nodeOf(leaf: Leaf, group: NodeGroup, traits: JsonObject | undefined): UiNode {
  const name = `traits.${leaf.path.join('.')}`;
  const type = inputTypeOf(leaf.schema);
  const title = leaf.schema['title'];
  const { maxLength, enum: choices } = leaf.schema;
  const [value] = traits === undefined ? [] : valuesAt(traits, leaf.path);
  return input(
    group,
    {
      name,
      type,
      ...(value === undefined ? {} : { value }),
      ...(leaf.isRequired ? { required: true } : {}),
      ...(type === 'email' ? { autocomplete: 'email' } : {}),
      ...(type === 'tel' ? { autocomplete: 'tel' } : {}),
      ...(typeof maxLength === 'number' ? { maxlength: maxLength } : {}),
      ...(Array.isArray(choices) ? { options: choices.map((v: unknown) => ({ value: v })) } : {}),
    },
    LABEL.trait(typeof title === 'string' ? title : (leaf.path.at(-1) ?? name), name),
  );
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}

function nodeNameOf(instancePath: string): string {
  return instancePath.split('/').slice(1).map(unescapePointer).join('.');
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function messageOf(error: ErrorObject, value: unknown): UiText {
  const { params, keyword } = error;
  const limit = Number(Reflect.get(params, 'limit'));
  const length = typeof value === 'string' ? [...value].length : 0;
  switch (keyword) {
    case 'minLength':
      return INVALID.tooShort(length, limit);
    case 'maxLength':
      return INVALID.tooLong(length, limit);
    case 'pattern':
      return INVALID.pattern(String(Reflect.get(params, 'pattern')));
    case 'minimum':
      return INVALID.minimum(value, limit);
    case 'exclusiveMinimum':
      return INVALID.exclusiveMinimum(value, limit);
    case 'maximum':
      return INVALID.maximum(value, limit);
    case 'exclusiveMaximum':
      return INVALID.exclusiveMaximum(value, limit);
    case 'type':
      return INVALID.type(typeName(value), [String(Reflect.get(params, 'type'))].flat());
    case 'format': {
      const format = String(Reflect.get(params, 'format'));
      if (format.endsWith('email')) return INVALID.email(String(value));
      if (format === 'tel' || format === 'phone') return INVALID.phone(String(value));
      return INVALID.generic(`${JSON.stringify(value)} is not valid "${format}"`);
    }
    case 'additionalProperties':
      return INVALID.generic(
        `additionalProperties "${String(Reflect.get(params, 'additionalProperty'))}" not allowed`,
      );
    default:
      return INVALID.generic(error.message ?? 'is not valid');
  }
}

function problemOf(error: ErrorObject, whole: unknown): TraitProblem {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  if (error.keyword === 'required') {
    const missing = String(Reflect.get(error.params, 'missingProperty'));
    return {
      node: [nodeNameOf(error.instancePath), missing].filter((p) => p !== '').join('.'),
      message: INVALID.required(missing),
    };
  }
  return { node: path.join('.'), message: messageOf(error, valuesAt(whole, path)[0]) };
}

/** A value from a form with the schema's type; text that is no such value stays text, for the schema to refuse. */
function coerced(text: string, schema: Readonly<Record<string, unknown>>): Json | undefined {
  const type = inputTypeOf(schema);
  if (type === 'checkbox') return text === 'true' || text === 'on' || text === '1';
  if (text === '') return undefined;
  if (type !== 'number') return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

function put(target: Map<string, unknown>, path: readonly string[], value: Json): void {
  const [name, ...rest] = path;
  if (name === undefined) return;
  if (rest.length === 0) {
    target.set(name, value);
    return;
  }
  const child = target.get(name);
  const below = child instanceof Map ? child : new Map<string, unknown>();
  target.set(name, below);
  put(below, rest, value);
}

function plain(value: unknown): Json {
  if (!(value instanceof Map)) return value as Json;
  return Object.fromEntries([...value].map(([k, v]) => [String(k), plain(v)]));
}

class CompiledSchema implements IdentitySchema {
  readonly id: string;
  readonly document: unknown;
  readonly #leaves: readonly Leaf[];
  readonly #validate: ValidateFunction;

  constructor(id: string, document: unknown, leaves: readonly Leaf[], validate: ValidateFunction) {
    this.id = id;
    this.document = document;
    this.#leaves = leaves;
    this.#validate = validate;
  }

  problems(traits: Json): TraitProblem[] {
    // First, and alone: the keywords of a schema are held against all of a text, however long it is.
    const tooLong = lengthProblems(traits, this.#leaves);
    if (tooLong.length > 0) return tooLong;
    const whole = { traits };
    if (this.#validate(whole)) return [];
    const seen = new Set<string>();
    return (this.#validate.errors ?? [])
      .map((error) => problemOf(error, whole))
      .filter(({ node, message }) => {
        const key = `${node} ${message.id}`;
        return seen.has(key) ? false : seen.add(key);
      });
  }

  nodes(group: NodeGroup, traits?: JsonObject): UiNode[] {
    return this.#leaves
      .filter((leaf) => !leaf.path.includes('*'))
      .map((leaf) => nodeOf(leaf, group, traits));
  }

  identifiers(type: 'password' | 'webauthn' | 'passkey', traits: JsonObject): string[] {
    const found = this.#leaves
      .filter((leaf) => extensionAt(leaf, 'credentials', type, 'identifier') === true)
      .flatMap((leaf) => valuesAt(traits, leaf.path));
    return [...new Set(this.#texts(found).map(normaliseIdentifier))].filter((v) => v !== '');
  }

  codeAddresses(traits: JsonObject): CodeAddress[] {
    return this.#addresses(traits, (leaf) =>
      extensionAt(leaf, 'credentials', 'code', 'identifier') === true
        ? (viaOf(extensionAt(leaf, 'credentials', 'code', 'via')) ?? 'email')
        : undefined,
    );
  }
  verifiable(traits: JsonObject): CodeAddress[] {
    return this.#addresses(traits, (leaf) => viaOf(extensionAt(leaf, 'verification', 'via')));
  }
  recovery(traits: JsonObject): CodeAddress[] {
    return this.#addresses(traits, (leaf) => viaOf(extensionAt(leaf, 'recovery', 'via')));
  }
  totpAccountName(traits: JsonObject): string | undefined {
    return this.#first(traits, 'credentials', 'totp', 'account_name');
  }
  passkeyDisplayName(traits: JsonObject): string | undefined {
    return (
      this.#first(traits, 'credentials', 'passkey', 'display_name') ??
      this.#first(traits, 'credentials', 'webauthn', 'identifier')
    );
  }
  passkeyNameFields(): string[] {
    const named = (type: string, word: string): string[] =>
      this.#leaves
        .filter((leaf) => extensionAt(leaf, 'credentials', type, word) === true)
        .map((leaf) => leaf.path.join('.'));
    const own = named('passkey', 'display_name');
    return own.length > 0 ? own : named('webauthn', 'identifier');
  }

  signInLabel(): { readonly title: string; readonly name: string } | undefined {
    const names = this.#leaves.filter((leaf) =>
      SIGN_IN_NAMES.some(([type, word]) => extensionAt(leaf, 'credentials', type, word) === true),
    );
    const [leaf] = names;
    const title: unknown = leaf === undefined ? undefined : Reflect.get(leaf.schema, 'title');
    if (leaf === undefined || names.length > 1 || typeof title !== 'string' || title === '')
      return undefined;
    return { title, name: `traits.${leaf.path.join('.')}` };
  }

  fromForm(fields: ReadonlyMap<string, string>): JsonObject {
    const target = new Map<string, unknown>();
    const known = new Map(this.#leaves.map((leaf) => [leaf.path.join('.'), leaf]));
    for (const [name, text] of fields) {
      const path = /^traits\.(.+)$/s.exec(name)?.[1];
      if (path === undefined) continue;
      const leaf = known.get(path);
      // An unknown trait is kept for the schema to refuse: nothing is dropped silently.
      const value = leaf === undefined ? text : coerced(text, leaf.schema);
      if (value !== undefined) put(target, path.split('.').slice(0, DEPTH_MAX), value);
    }
    return plain(target) as JsonObject;
  }

  #texts(values: readonly unknown[]): string[] {
    return values.filter((v): v is string => typeof v === 'string');
  }
  #first(traits: JsonObject, ...path: readonly string[]): string | undefined {
    for (const leaf of this.#leaves) {
      if (extensionAt(leaf, ...path) !== true) continue;
      const [value] = this.#texts(valuesAt(traits, leaf.path));
      if (value !== undefined && value !== '') return value;
    }
    return undefined;
  }
  #addresses(traits: JsonObject, via: (leaf: Leaf) => Via | undefined): CodeAddress[] {
    const found = new Map<string, CodeAddress>();
    for (const leaf of this.#leaves) {
      const channel = via(leaf);
      if (channel === undefined) continue;
      for (const text of this.#texts(valuesAt(traits, leaf.path))) {
        const value = normaliseIdentifier(text);
        if (value !== '') found.set(`${channel} ${value}`, { value, via: channel });
      }
    }
    return [...found.values()];
  }
}

function patternsOrThrow(id: string, document: unknown): ReadonlyMap<string, LinearPattern> {
  try {
    return patternsOf(document);
  } catch (reason) {
    const why = reason instanceof Error ? reason.message : String(reason);
    throw new PosternError('invalid', `The identity schema "${id}" is not valid: ${why}`);
  }
}

function isRegExp(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

/** How ajv gets its patterns; it tells them apart by their text. */
function engineOf(patterns: ReadonlyMap<string, LinearPattern>): {
  (source: string): LinearPattern & { toString(): string };
  code: string;
} {
  const engine = (source: string): LinearPattern & { toString(): string } => {
    const { test } = patterns.get(source) ?? linearPattern(source);
    return { test, toString: () => source };
  };
  return Object.assign(engine, { code: 'linear' });
}

/** Compiles a schema. Throws `invalid` with what is wrong with it. */
export function compileIdentitySchema(id: string, document: unknown): IdentitySchema {
  if (!isRecord(document))
    throw new PosternError('invalid', `The identity schema "${id}" is not a JSON object`);
  const patterns = patternsOrThrow(id, document);
  const ajv = new Ajv({ allErrors: true, strict: false, code: { regExp: engineOf(patterns) } });
  addFormats(ajv);
  // Of patterns of the schema itself too: what the engine took is a pattern, whatever JavaScript says of it.
  ajv.addFormat('regex', (text: string) => patterns.has(text) || isRegExp(text));
  ajv.addFormat('tel', /^\+[1-9]\d{4,14}$/);
  ajv.addFormat('phone', /^\+[1-9]\d{4,14}$/);
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(document);
  } catch (reason) {
    const why = reason instanceof Error ? reason.message : String(reason);
    throw new PosternError('invalid', `The identity schema "${id}" is not valid: ${why}`);
  }
  const leaves: Leaf[] = [];
  leavesOf(valuesAt(document, ['properties', 'traits'])[0], [], false, leaves);
  return new CompiledSchema(id, document, leaves, validate);
}
