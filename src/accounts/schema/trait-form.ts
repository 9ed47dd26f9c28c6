/** Traits in forms: the node of each, and what a form's flat texts are as JSON of the schema's types. Pure. */
import type { Json, JsonObject } from '../account.ts';
import { LABEL } from '../ui/message.ts';
import { type InputType, input, type NodeGroup, type UiNode } from '../ui/node.ts';
import { type Leaf, valuesAt } from './leaf.ts';

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

/** The node by which a person edits a trait. */
export function nodeOf(leaf: Leaf, group: NodeGroup, traits: JsonObject | undefined): UiNode {
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

/** A value from a form with the schema's type; text that is no such value stays text, for the schema to refuse. */
export function coerced(text: string, schema: Readonly<Record<string, unknown>>): Json | undefined {
  const type = inputTypeOf(schema);
  if (type === 'checkbox') return text === 'true' || text === 'on' || text === '1';
  if (text === '') return undefined;
  if (type !== 'number') return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

/** Puts a value into nested maps, which no name of a trait can turn into something else. */
export function put(target: Map<string, unknown>, path: readonly string[], value: Json): void {
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

/** Nested maps as the JSON that they stand for. */
export function plain(value: unknown): Json {
  if (!(value instanceof Map)) return value as Json;
  return Object.fromEntries([...value].map(([k, v]) => [String(k), plain(v)]));
}
