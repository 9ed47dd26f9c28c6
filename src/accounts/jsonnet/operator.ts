/** The binary operators of Jsonnet. Pure; growth is charged to the evaluation's budget. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import { format } from './format.ts';
import { compareText, fieldNames, isArray, joined, typeOf, type Value } from './value.ts';

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
