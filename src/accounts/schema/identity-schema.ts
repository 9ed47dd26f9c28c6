/**
 * An identity schema (JSON Schema draft-07 with the extension `ory.sh/kratos`): which traits a person has, which of them
 * sign in, are verified, or recover. Pure once compiled. A schema is the administrator's; traits are anybody's.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { PosternError } from '../../kernel/index.ts';
import type { Json, JsonObject, Via } from '../account.ts';
import type { NodeGroup, UiNode } from '../ui/node.ts';
import { lengthProblems, NAME_LENGTH_MAX } from './bounds.ts';
import { DEPTH_MAX, extensionAt, isRecord, type Leaf, leavesOf, valuesAt, viaOf } from './leaf.ts';
import { type LinearPattern, linearPattern, patternsOf } from './linear-pattern.ts';
import { coerced, nodeOf, plain, put } from './trait-form.ts';
import { problemOf, type TraitProblem } from './trait-problem.ts';

// The package is CommonJS whose types name a default that Node does not unwrap.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => Ajv;

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
