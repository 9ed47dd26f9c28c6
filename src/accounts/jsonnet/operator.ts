/** The binary operators of Jsonnet, and `%` as a formatter of text. Pure; growth is charged to the evaluation's budget. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import {
  type ArrayValue,
  compareText,
  fieldNames,
  joined,
  ready,
  typeOf,
  type Value,
} from './value.ts';

/** Whether a value is an array. */
export function isArray(value: Value): value is ArrayValue {
  return value !== null && typeof value === 'object' && value.kind === 'array';
}

/** A number that is one; infinity is refused as the language asks. */
function finite(value: number, at: number): number {
  if (!Number.isFinite(value))
    throw new JsonnetFault('a number is too large, or divided by zero', at);
  return value;
}

/** Whether two values are the same data; functions can not be compared. */
export function isEqual(run: Evaluator, left: Value, right: Value, at: number): boolean {
  run.budget.step(at);
  if (typeOf(left) !== typeOf(right)) return false;
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object')
    return left === right;
  return run.budget.within(at, () => {
    if (isArray(left) && isArray(right)) {
      if (left.items.length !== right.items.length) return false;
      return left.items.every((item, place) => {
        return isEqual(run, item.force(), right.items[place]?.force() ?? null, at);
      });
    }
    if (left.kind !== 'object' || right.kind !== 'object')
      throw new JsonnetFault('functions can not be compared', at);
    const names = fieldNames(left);
    const others = fieldNames(right);
    if (names.length !== others.length || names.some((name, place) => name !== others[place]))
      return false;
    return names.every((name) => {
      return isEqual(
        run,
        run.field(left, name, at) ?? null,
        run.field(right, name, at) ?? null,
        at,
      );
    });
  });
}

/** -1, 0 or 1 for two numbers, two texts or two arrays. */
export function compare(run: Evaluator, left: Value, right: Value, at: number): number {
  run.budget.step(at);
  if (typeof left === 'number' && typeof right === 'number') return Math.sign(left - right);
  if (typeof left === 'string' && typeof right === 'string') {
    run.budget.grow(Math.min(left.length, right.length), at);
    return compareText(left, right);
  }
  if (!isArray(left) || !isArray(right))
    throw new JsonnetFault(`${typeOf(left)} and ${typeOf(right)} have no order`, at);
  return run.budget.within(at, () => {
    for (const [place, item] of left.items.entries()) {
      const other = right.items[place];
      if (other === undefined) return 1;
      const order = compare(run, item.force(), other.force(), at);
      if (order !== 0) return order;
    }
    return left.items.length < right.items.length ? -1 : 0;
  });
}

function add(run: Evaluator, left: Value, right: Value, at: number): Value {
  if (typeof left === 'number' && typeof right === 'number') return finite(left + right, at);
  if (typeof left === 'string' || typeof right === 'string') {
    const text = run.text(left, at) + run.text(right, at);
    run.budget.grow(text.length, at);
    return text;
  }
  if (isArray(left) && isArray(right)) {
    run.budget.grow(left.items.length + right.items.length, at);
    return { kind: 'array', items: [...left.items, ...right.items] };
  }
  if (left !== null && right !== null && typeof left === 'object' && typeof right === 'object') {
    if (left.kind === 'object' && right.kind === 'object') {
      run.budget.grow(left.layers.length + right.layers.length, at);
      // A literal that is there twice needs a scope of its own for each place.
      return joined([...left.layers, ...right.layers].map((layer) => ({ ...layer })));
    }
  }
  throw new JsonnetFault(`${typeOf(left)} and ${typeOf(right)} can not be added`, at);
}

function arithmetic(operator: string, left: Value, right: Value, at: number): number {
  if (typeof left !== 'number' || typeof right !== 'number') {
    throw new JsonnetFault(
      `\`${operator}\` does not take ${typeOf(left)} and ${typeOf(right)}`,
      at,
    );
  }
  if (operator === '-') return finite(left - right, at);
  if (operator === '*') return finite(left * right, at);
  return finite(operator === '/' ? left / right : left % right, at);
}

/** `text % values`: %s, %d, %i, %x, %f, %%, and %(name)s; widths and flags are refused. */
export function format(run: Evaluator, text: string, values: Value, at: number): string {
  const items = isArray(values) ? values.items : [ready(values)];
  let place = 0;
  const made = text.replace(
    /%(?:\(([^)]*)\))?([\s\S]?)/g,
    (_, key: string | undefined, letter: string) => {
      run.budget.step(at);
      if (letter === '%') return '%';
      if (!'sdixf'.includes(letter) || letter === '')
        throw new JsonnetFault('a format is not supported', at);
      const value = key === undefined ? items[place++]?.force() : run.index(values, key, at);
      if (value === undefined) throw new JsonnetFault('a format has too few values', at);
      const shown = letter === 's' ? run.text(value, at) : formatNumber(letter, value, at);
      run.budget.grow(shown.length, at);
      return shown;
    },
  );
  if (place > 0 && place < items.length) throw new JsonnetFault('a format has too many values', at);
  run.budget.grow(made.length, at);
  return made;
}

function formatNumber(letter: string, value: Value, at: number): string {
  if (typeof value !== 'number')
    throw new JsonnetFault(`a format wants a number, not ${typeOf(value)}`, at);
  if (letter === 'f') return value.toFixed(6);
  return Math.trunc(value).toString(letter === 'x' ? 16 : 10);
}

/** `left operator right`; `&&` and `||` are the evaluator's own. Throws JsonnetFault. */
export function applyBinary(
  run: Evaluator,
  operator: string,
  left: Value,
  right: Value,
  at: number,
): Value {
  switch (operator) {
    case '+':
      return add(run, left, right, at);
    case '==':
      return isEqual(run, left, right, at);
    case '!=':
      return !isEqual(run, left, right, at);
    case '<':
      return compare(run, left, right, at) < 0;
    case '<=':
      return compare(run, left, right, at) <= 0;
    case '>':
      return compare(run, left, right, at) > 0;
    case '>=':
      return compare(run, left, right, at) >= 0;
    case 'in':
      if (
        typeof left === 'string' &&
        right !== null &&
        typeof right === 'object' &&
        right.kind === 'object'
      ) {
        return right.layers.some((layer) => layer.fields.has(left));
      }
      throw new JsonnetFault('`in` takes a string and an object', at);
    case '%':
      return typeof left === 'string'
        ? format(run, left, right, at)
        : arithmetic('%', left, right, at);
    default:
      return arithmetic(operator, left, right, at);
  }
}
