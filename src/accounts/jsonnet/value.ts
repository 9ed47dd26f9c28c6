/**
 * What Jsonnet expressions come to, the bounds of one evaluation, and how values are compared and made into JSON.
 * Pure. Everything that a program can make grow is charged to the budget.
 */

import { JsonnetFault } from './fault.ts';
import type { FieldSyntax, FunctionSyntax, ObjectSyntax } from './syntax.ts';

/** A value that is worked out when it is first asked for, and once. */
export interface Lazy {
  force(): Value;
}

/** What has no further parts. */
export type Atom = boolean | number | string | null;

export interface ArrayValue {
  readonly kind: 'array';
  readonly items: readonly Lazy[];
}

/** What names mean at a place in the program. */
export interface Scope {
  readonly names: ReadonlyMap<string, Lazy>;
  readonly parent: Scope | undefined;
  readonly self: ObjectValue | undefined;
  readonly root: ObjectValue | undefined;
  /** The layer of `self` that the place belongs to; `super` looks below it. */
  readonly layer: number;
}

export interface Field {
  readonly syntax: Pick<FieldSyntax, 'body' | 'isAdded' | 'visibility'> | undefined;
  /** The scope around the field's literal; or the value, for fields that came from data. */
  readonly scope: Scope | undefined;
  readonly value: Lazy | undefined;
}

/** One literal among those that were added together. */
export interface Layer {
  readonly fields: ReadonlyMap<string, Field>;
  readonly syntax: ObjectSyntax | undefined;
  readonly scope: Scope | undefined;
}

export interface ObjectValue {
  readonly kind: 'object';
  readonly layers: readonly Layer[];
  readonly cache: Map<string, Value>;
  readonly scopes: Map<Layer, Scope>;
  areAssertsChecked: boolean;
}

export type FunctionValue =
  | { readonly kind: 'function'; readonly syntax: FunctionSyntax; readonly scope: Scope }
  | { readonly kind: 'native'; readonly name: string };

export type Value = ArrayValue | Atom | FunctionValue | ObjectValue;

/** How much one evaluation may do. */
export interface Limits {
  readonly steps: number;
  /** UTF-16 units and array places, made altogether. */
  readonly size: number;
  readonly depth: number;
}

export const DEFAULT_LIMITS: Limits = { steps: 200_000, size: 2_000_000, depth: 200 };

/** Counts what an evaluation does; throws JsonnetFault at a bound. */
export class Budget {
  private steps: number;
  private size: number;
  private depth: number;

  constructor(limits: Limits) {
    this.steps = limits.steps;
    this.size = limits.size;
    this.depth = limits.depth;
  }

  step(at: number): void {
    this.steps -= 1;
    if (this.steps < 0) throw new JsonnetFault('too many steps', at);
  }

  grow(amount: number, at: number): void {
    this.size -= amount;
    if (this.size < 0) throw new JsonnetFault('too much output', at);
  }

  within<T>(at: number, work: () => T): T {
    if (this.depth <= 0) throw new JsonnetFault('nested too deeply while evaluating', at);
    this.depth -= 1;
    try {
      return work();
    } finally {
      this.depth += 1;
    }
  }
}

/** A thunk: refuses a value that needs itself. */
export function lazy(work: () => Value, at: number): Lazy {
  let state: { value: Value } | 'busy' | 'new' = 'new';
  return {
    force(): Value {
      if (typeof state === 'object') return state.value;
      if (state === 'busy') throw new JsonnetFault('a value needs itself', at);
      state = 'busy';
      state = { value: work() };
      return state.value;
    },
  };
}

/** A value that is there already. */
export function ready(value: Value): Lazy {
  return { force: () => value };
}

/** Whether a value is an array. */
export function isArray(value: Value): value is ArrayValue {
  return value !== null && typeof value === 'object' && value.kind === 'array';
}

/** The name that std.type gives. */
export function typeOf(value: Value): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.kind === 'native' ? 'function' : value.kind;
}

export function objectOf(fields: ReadonlyMap<string, Lazy>): ObjectValue {
  const made = [...fields].map(([name, value]): [string, Field] => [
    name,
    { syntax: undefined, scope: undefined, value },
  ]);
  const layer: Layer = { fields: new Map(made), syntax: undefined, scope: undefined };
  return joined([layer]);
}

export function joined(layers: readonly Layer[]): ObjectValue {
  return { kind: 'object', layers, cache: new Map(), scopes: new Map(), areAssertsChecked: false };
}

/** The names of an object's fields in Jsonnet's order (by code point). */
export function fieldNames(object: ObjectValue, withHidden = false): string[] {
  const visible = new Map<string, boolean>();
  for (const layer of object.layers) {
    for (const [name, field] of layer.fields) {
      const visibility = field.syntax?.visibility ?? 'inherited';
      if (visibility !== 'inherited') visible.set(name, visibility === 'shown');
      else if (!visible.has(name)) visible.set(name, true);
    }
  }
  const names = [...visible]
    .filter(([, isVisible]) => isVisible || withHidden)
    .map(([name]) => name);
  return names.sort(compareText);
}

/** -1, 0 or 1, by code point. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const a = Array.from(left);
  const b = Array.from(right);
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index]?.codePointAt(0) ?? 0) - (b[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(a.length - b.length);
}

/** JSON data as a value. `budget` bounds its size and depth. */
export function fromJson(data: unknown, budget: Budget, at: number): Value {
  budget.step(at);
  if (data === null || typeof data === 'boolean' || typeof data === 'number') return data;
  if (typeof data === 'string') {
    budget.grow(data.length, at);
    return data;
  }
  if (typeof data !== 'object') throw new JsonnetFault('input that is no JSON', at);
  return budget.within(at, () => {
    if (Array.isArray(data)) {
      const list: readonly unknown[] = data;
      return { kind: 'array', items: list.map((item) => ready(fromJson(item, budget, at))) };
    }
    const entries = Object.entries(data).filter(([, item]) => item !== undefined);
    return objectOf(
      new Map(entries.map(([name, item]) => [name, ready(fromJson(item, budget, at))])),
    );
  });
}
