/** The functions of `std` for arrays, sets and objects. Pure, charged to the evaluation's budget. */

import type { Call, Entry } from './call.ts';
import { list } from './call.ts';
import { JsonnetFault } from './fault.ts';
import { applyBinary, compare, isEqual } from './operator.ts';
import {
  fieldNames,
  type Lazy,
  lazy,
  type ObjectValue,
  objectOf,
  ready,
  typeOf,
  type Value,
} from './value.ts';

const array = (items: readonly Lazy[]): Value => ({ kind: 'array', items });

function range(call: Call): Value {
  const [from, to] = [call.number(0), call.number(1)];
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) throw call.wrong(0, 'integers');
  const length = Math.max(0, to - from + 1);
  call.run.budget.grow(length, call.at);
  return list(Array.from({ length }, (_, place) => from + place));
}

function makeArray(call: Call): Value {
  const length = call.number(0);
  if (!Number.isSafeInteger(length) || length < 0) throw call.wrong(0, 'a number of items');
  call.run.budget.grow(length, call.at);
  const item = (place: number): Lazy => lazy(() => call.apply(1, ready(place)), call.at);
  return array(Array.from({ length }, (_, place) => item(place)));
}

function repeat(call: Call): Value {
  const times = call.number(1);
  if (!Number.isSafeInteger(times) || times < 0) throw call.wrong(1, 'how many times');
  const value = call.any(0);
  if (typeof value === 'string') {
    call.run.budget.grow(value.length * times, call.at);
    return value.repeat(times);
  }
  const items = call.array(0);
  call.run.budget.grow(items.length * times, call.at);
  return array(Array.from({ length: times }).flatMap(() => items));
}

function flatMap(call: Call): Value {
  if (typeof call.any(1) === 'string') {
    const made = call.sequence(1).map((item) => call.apply(0, item));
    if (!made.every((text) => typeof text === 'string' || text === null))
      throw new JsonnetFault('`std.flatMap` over a string makes strings', call.at);
    return call.made(made.join(''));
  }
  return flat(
    call,
    call.array(1).map((item) => call.apply(0, item)),
  );
}

/** The arrays as one; null is left out, as std.flatMap does. */
function flat(call: Call, parts: readonly Value[]): Value {
  const items: Lazy[] = [];
  for (const part of parts) {
    if (part === null || typeof part !== 'object' || part.kind !== 'array')
      throw new JsonnetFault(`an array is wanted, not ${typeOf(part)}`, call.at);
    call.run.budget.grow(part.items.length, call.at);
    for (const item of part.items) items.push(item);
  }
  return array(items);
}

/** What an item is sorted and compared by: argument `place`, a function, or the item itself. */
function keyOf(call: Call, place: number): (item: Lazy) => Value {
  return (item) => (call.has(place) ? call.apply(place, item) : item.force());
}

interface Keyed {
  readonly item: Lazy;
  readonly key: Value;
}

function keyed(call: Call, items: readonly Lazy[], place: number): Keyed[] {
  const key = keyOf(call, place);
  return items.map((item) => ({ item, key: key(item) }));
}

function sorted(call: Call, items: readonly Lazy[], place: number): Keyed[] {
  return keyed(call, items, place).sort((left, right) =>
    compare(call.run, left.key, right.key, call.at),
  );
}

function unique(call: Call, items: readonly Keyed[]): Keyed[] {
  return items.filter((one, place) => {
    const before = items[place - 1];
    return before === undefined || !isEqual(call.run, before.key, one.key, call.at);
  });
}

const bare = (items: readonly Keyed[]): Value => array(items.map(({ item }) => item));

/** Two sorted sets: what of them is kept, by whether the left and the right have it. */
function combined(call: Call, isKept: (isLeft: boolean, isRight: boolean) => boolean): Value {
  const [left, right] = [keyed(call, call.array(0), 2), keyed(call, call.array(1), 2)];
  const kept: Keyed[] = [];
  let [a, b] = [0, 0];
  for (;;) {
    const [one, other] = [left[a], right[b]];
    if (one === undefined && other === undefined) return bare(kept);
    const order =
      one === undefined
        ? 1
        : other === undefined
          ? -1
          : compare(call.run, one.key, other.key, call.at);
    const chosen = order <= 0 ? one : other;
    if (chosen !== undefined && isKept(order <= 0, order >= 0)) kept.push(chosen);
    if (order <= 0) a += 1;
    if (order >= 0) b += 1;
  }
}

function find(call: Call): Value {
  const wanted = call.any(0);
  const places = [...call.array(1).entries()].filter(([, item]) =>
    isEqual(call.run, wanted, item.force(), call.at),
  );
  return list(places.map(([place]) => place));
}

function count(call: Call): number {
  const wanted = call.any(1);
  return call.array(0).filter((item) => isEqual(call.run, item.force(), wanted, call.at)).length;
}

function sum(call: Call): Value {
  return call
    .array(0)
    .reduce<Value>((total, item) => applyBinary(call.run, '+', total, item.force(), call.at), 0);
}

/** The visible fields, each worked out when it is asked for. */
function fieldsOf(call: Call, object: ObjectValue): Map<string, Lazy> {
  return new Map(
    fieldNames(object).map((name) => [
      name,
      lazy(() => call.run.field(object, name, call.at) ?? null, call.at),
    ]),
  );
}

/** RFC 7396. */
function mergePatch(call: Call, target: Value, patch: Value): Value {
  return call.run.budget.within(call.at, () => {
    call.run.budget.step(call.at);
    if (patch === null || typeof patch !== 'object' || patch.kind !== 'object') return patch;
    const isObject = target !== null && typeof target === 'object' && target.kind === 'object';
    const fields = isObject ? fieldsOf(call, target) : new Map<string, Lazy>();
    for (const [name, item] of fieldsOf(call, patch)) {
      const value = item.force();
      if (value === null) fields.delete(name);
      else fields.set(name, ready(mergePatch(call, fields.get(name)?.force() ?? null, value)));
    }
    return objectOf(fields);
  });
}

function withoutField(call: Call): Value {
  const fields = fieldsOf(call, call.object(0));
  fields.delete(call.text(1));
  return objectOf(fields);
}

function mapWithKey(call: Call): Value {
  const fields = fieldsOf(call, call.object(1));
  return objectOf(
    new Map(
      [...fields].map(([name, item]) => [
        name,
        lazy(() => call.apply(0, ready(name), item), call.at),
      ]),
    ),
  );
}

function keysValues(call: Call): Value {
  return list(
    [...fieldsOf(call, call.object(0))].map(([name, value]) =>
      objectOf(
        new Map([
          ['key', ready(name)],
          ['value', value],
        ]),
      ),
    ),
  );
}

/** By name. */
export const DATA_FUNCTIONS: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['range', [2, 2, range]],
  ['makeArray', [2, 2, makeArray]],
  ['repeat', [2, 2, repeat]],
  ['flatMap', [2, 2, flatMap]],
  [
    'flattenArrays',
    [
      1,
      1,
      (call) =>
        flat(
          call,
          call.array(0).map((item) => item.force()),
        ),
    ],
  ],
  ['reverse', [1, 1, (call) => array([...call.array(0)].reverse())]],
  ['sort', [1, 2, (call) => bare(sorted(call, call.array(0), 1))]],
  ['uniq', [1, 2, (call) => bare(unique(call, keyed(call, call.array(0), 1)))]],
  ['set', [1, 2, (call) => bare(unique(call, sorted(call, call.array(0), 1)))]],
  ['setUnion', [2, 3, (call) => combined(call, () => true)]],
  ['setInter', [2, 3, (call) => combined(call, (isLeft, isRight) => isLeft && isRight)]],
  ['setDiff', [2, 3, (call) => combined(call, (isLeft, isRight) => isLeft && !isRight)]],
  [
    'setMember',
    [
      2,
      3,
      (call) => {
        const key = keyOf(call, 2);
        const wanted = key(lazy(() => call.any(0), call.at));
        return call.array(1).some((item) => isEqual(call.run, key(item), wanted, call.at));
      },
    ],
  ],
  ['find', [2, 2, find]],
  ['count', [2, 2, count]],
  ['sum', [1, 1, sum]],
  [
    'foldr',
    [
      3,
      3,
      (call) =>
        call
          .array(1)
          .reduceRight((rest: Value, item) => call.apply(0, item, ready(rest)), call.any(2)),
    ],
  ],
  [
    'mapWithIndex',
    [
      2,
      2,
      (call) =>
        array(
          call
            .sequence(1)
            .map((item, place) => lazy(() => call.apply(0, ready(place), item), call.at)),
        ),
    ],
  ],
  ['mapWithKey', [2, 2, mapWithKey]],
  ['mergePatch', [2, 2, (call) => mergePatch(call, call.any(0), call.any(1))]],
  ['objectFieldsAll', [1, 1, (call) => list(fieldNames(call.object(0), true))]],
  ['objectKeysValues', [1, 1, keysValues]],
  ['objectRemoveKey', [2, 2, withoutField]],
  [
    'xor',
    [
      2,
      2,
      (call) => {
        const [left, right] = [call.any(0), call.any(1)];
        if (typeof left !== 'boolean' || typeof right !== 'boolean')
          throw call.wrong(0, 'booleans');
        return left !== right;
      },
    ],
  ],
]);
