/** What is wrong with traits, in the words and by the ids that a person and a client get. Pure. */
import type { ErrorObject } from 'ajv';
import { INVALID } from '../ui/message.ts';
import type { UiText } from '../ui/node.ts';
import { valuesAt } from './leaf.ts';

/** A problem of the traits, with the node that it belongs to. */
export interface TraitProblem {
  /** `traits.email`; empty for the whole. */
  readonly node: string;
  readonly message: UiText;
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

/** What a person is told of an error of the validator, and beside which node. */
export function problemOf(error: ErrorObject, whole: unknown): TraitProblem {
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
