/**
 * The functions of `std` that mappers and web hook bodies use. Pure, charged to the evaluation's budget. A name
 * that is not in the table is refused when the text is read.
 */

import { Call, type Entry, list } from './call.ts';
import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import { applyBinary, isEqual } from './operator.ts';
import { DATA_FUNCTIONS } from './standard-data.ts';
import { TEXT_FUNCTIONS } from './standard-text.ts';
import {
  fieldNames,
  fromJson,
  isArray,
  type Lazy,
  lazy,
  objectOf,
  ready,
  typeOf,
  type Value,
} from './value.ts';

function length(call: Call): number {
  const value = call.any(0);
  if (typeof value === 'string') return Array.from(call.text(0)).length;
  if (isArray(value)) return value.items.length;
  return fieldNames(call.object(0)).length;
}

function join(call: Call): Value {
  const separator = call.any(0);
  const items = call.array(1).map((item) => item.force());
  const kept = items.filter((item) => item !== null);
  if (kept.length === 0) return typeof separator === 'string' ? '' : list([]);
  return kept.slice(1).reduce<Value>((left, right) => {
    return applyBinary(
      call.run,
      '+',
      applyBinary(call.run, '+', left, separator, call.at),
      right,
      call.at,
    );
  }, kept[0] ?? null);
}

function slice(call: Call): Value {
  const value = call.any(0);
  const items = typeof value === 'string' ? Array.from(call.text(0)).map(ready) : call.array(0);
  const bound = (place: number, otherwise: number): number => {
    if (call.any(place) === null) return otherwise;
    const at = call.number(place);
    return Math.min(at < 0 ? Math.max(0, items.length + at) : at, items.length);
  };
  const step = call.any(3) === null ? 1 : call.number(3);
  if (!(step >= 1)) throw call.wrong(3, 'a positive step');
  const picked: Lazy[] = [];
  const end = bound(2, items.length);
  for (let at = bound(1, 0); at < end; at += step) {
    const item = items[at];
    if (item !== undefined) picked.push(item);
  }
  if (typeof value !== 'string') return { kind: 'array', items: picked };
  return picked.map((item) => item.force()).join('');
}

/** Without null, and without arrays and objects that are empty or become so. */
function prune(run: Evaluator, value: Value, at: number): Value {
  const isContent = (item: Value): boolean => {
    if (item === null || typeof item !== 'object') return item !== null;
    if (isArray(item)) return item.items.length > 0;
    return item.kind !== 'object' || fieldNames(item).length > 0;
  };
  if (value === null || typeof value !== 'object') return value;
  return run.budget.within(at, () => {
    run.budget.step(at);
    if (isArray(value))
      return list(value.items.map((item) => prune(run, item.force(), at)).filter(isContent));
    if (value.kind !== 'object') return value;
    const fields = fieldNames(value).map((name): [string, Value] => {
      return [name, prune(run, run.field(value, name, at) ?? null, at)];
    });
    return objectOf(
      new Map(
        fields.filter(([, item]) => isContent(item)).map(([name, item]) => [name, ready(item)]),
      ),
    );
  });
}

function parseJson(call: Call): Value {
  let data: unknown;
  try {
    data = JSON.parse(call.text(0));
  } catch (error) {
    if (error instanceof JsonnetFault) throw error;
    throw new JsonnetFault('`std.parseJson` was given text that is no JSON', call.at);
  }
  return fromJson(data, call.run.budget, call.at);
}

function external(call: Call): Value {
  const value = call.run.external.get(call.text(0));
  if (value === undefined)
    throw new JsonnetFault('`std.extVar` has no variable of that name', call.at);
  return value.force();
}

function replace(call: Call): string {
  const [text, from, to] = [call.text(0), call.text(1), call.text(2)];
  if (from === '') throw call.wrong(1, 'a string that is not empty');
  const parts = text.split(from);
  call.run.budget.grow((parts.length - 1) * to.length, call.at);
  return call.made(parts.join(to));
}

function split(call: Call): Value {
  if (call.text(1) === '') throw call.wrong(1, 'a string that is not empty');
  return list(call.text(0).split(call.text(1)));
}

function get(call: Call): Value {
  const [object, name] = [call.object(0), call.text(1)];
  if (call.has(3) && call.any(3) === false && !fieldNames(object).includes(name))
    return call.any(2);
  return call.run.field(object, name, call.at) ?? call.any(2);
}

function contains(call: Call): boolean {
  if (typeof call.any(0) === 'string') return call.text(0).includes(call.text(1));
  const wanted = call.any(1);
  return call.array(0).some((item) => isEqual(call.run, item.force(), wanted, call.at));
}

function parsedInteger(call: Call): number {
  const text = call.text(0);
  if (!/^-?[0-9]+$/.test(text)) throw call.wrong(0, 'digits');
  return Number(text);
}

function every(call: Call, isAll: boolean): boolean {
  for (const item of call.array(0)) if (truth(call, item.force()) !== isAll) return !isAll;
  return isAll;
}

function truth(call: Call, value: Value): boolean {
  if (typeof value !== 'boolean')
    throw new JsonnetFault(`a condition is ${typeOf(value)}, not boolean`, call.at);
  return value;
}

const TRIMMED = ' \t\n\f\r\u0085\u00a0';
function trim(call: Call): string {
  const letters = Array.from(call.text(0));
  const isInk = (letter: string): boolean => !TRIMMED.includes(letter);
  const first = letters.findIndex(isInk);
  return first === -1 ? '' : letters.slice(first, letters.findLastIndex(isInk) + 1).join('');
}

const is = (type: string): Entry => [1, 1, (call) => typeOf(call.any(0)) === type];

const TABLE: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ...TEXT_FUNCTIONS,
  ...DATA_FUNCTIONS,
  ['isString', is('string')],
  ['isNumber', is('number')],
  ['isBoolean', is('boolean')],
  ['isArray', is('array')],
  ['isObject', is('object')],
  ['isFunction', is('function')],
  ['type', [1, 1, (call) => typeOf(call.any(0))]],
  ['length', [1, 1, length]],
  ['extVar', [1, 1, external]],
  ['objectHas', [2, 2, (call) => fieldNames(call.object(0)).includes(call.text(1))]],
  ['objectHasAll', [2, 2, (call) => fieldNames(call.object(0), true).includes(call.text(1))]],
  ['objectFields', [1, 1, (call) => list(fieldNames(call.object(0)))]],
  [
    'objectValues',
    [
      1,
      1,
      (call) =>
        list(
          fieldNames(call.object(0)).map((name) => call.run.index(call.object(0), name, call.at)),
        ),
    ],
  ],
  ['get', [2, 4, get]],
  ['join', [2, 2, join]],
  ['split', [2, 2, split]],
  ['slice', [4, 4, slice]],
  ['prune', [1, 1, (call) => prune(call.run, call.any(0), call.at)]],
  ['parseJson', [1, 1, parseJson]],
  ['parseInt', [1, 1, parsedInteger]],
  ['strReplace', [3, 3, replace]],
  ['startsWith', [2, 2, (call) => call.text(0).startsWith(call.text(1))]],
  ['endsWith', [2, 2, (call) => call.text(0).endsWith(call.text(1))]],
  [
    'asciiLower',
    [1, 1, (call) => call.text(0).replace(/[A-Z]/g, (letter) => letter.toLowerCase())],
  ],
  [
    'asciiUpper',
    [1, 1, (call) => call.text(0).replace(/[a-z]/g, (letter) => letter.toUpperCase())],
  ],
  ['trim', [1, 1, trim]],
  ['isEmpty', [1, 1, (call) => call.text(0) === '']],
  ['toString', [1, 1, (call) => call.run.text(call.any(0), call.at)]],
  [
    'substr',
    [
      3,
      3,
      (call) =>
        Array.from(call.text(0))
          .slice(call.number(1), call.number(1) + call.number(2))
          .join(''),
    ],
  ],
  ['stringChars', [1, 1, (call) => list(Array.from(call.text(0)))]],
  [
    'map',
    [
      2,
      2,
      (call) => ({
        kind: 'array',
        items: call.sequence(1).map((item) => lazy(() => call.apply(0, item), call.at)),
      }),
    ],
  ],
  [
    'filter',
    [
      2,
      2,
      (call) => ({
        kind: 'array',
        items: call.array(1).filter((item) => truth(call, call.apply(0, item))),
      }),
    ],
  ],
  [
    'foldl',
    [
      3,
      3,
      (call) =>
        call.array(1).reduce((sum: Value, item) => call.apply(0, ready(sum), item), call.any(2)),
    ],
  ],
  ['member', [2, 2, contains]],
  ['contains', [2, 2, contains]],
  ['all', [1, 1, (call) => every(call, true)]],
  ['any', [1, 1, (call) => every(call, false)]],
]);

/** Whether `std` has the name here. */
export function isStandard(name: string): boolean {
  return TABLE.has(name);
}

/** Calls a function of `std`. Throws JsonnetFault. */
export function callNative(
  run: Evaluator,
  name: string,
  given: readonly Lazy[],
  at: number,
): Value {
  const entry = TABLE.get(name);
  if (entry === undefined) throw new JsonnetFault(`\`std.${name}\` is not supported`, at);
  const [fewest, most, work] = entry;
  if (given.length < fewest || given.length > most) {
    throw new JsonnetFault(`\`std.${name}\` was given ${given.length} arguments`, at);
  }
  return run.budget.within(at, () => work(new Call(run, name, given, at)));
}
