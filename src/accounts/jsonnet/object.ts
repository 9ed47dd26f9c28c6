/**
 * Objects: literals in layers, their locals, `super`, fields that add to those below, and assertions. Pure. INVARIANT: the
 * assertions of an object hold before any of its fields is seen; a field is worked out once.
 */

import { scopesOf } from './comprehension.ts';
import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import { applyBinary } from './operator.ts';
import type { ObjectSyntax, Syntax } from './syntax.ts';
import {
  type Field,
  joined,
  type Layer,
  type ObjectValue,
  type Scope,
  type Value,
} from './value.ts';

/** An object of one literal; the bodies of its fields wait. */
export function makeObject(run: Evaluator, node: ObjectSyntax, scope: Scope): ObjectValue {
  const fields = new Map<string, Field>();
  const scopes = node.clauses.length === 0 ? [scope] : scopesOf(run, node.clauses, scope);
  for (const inner of scopes) {
    for (const syntax of node.fields) {
      const name = run.evaluate(syntax.name, inner);
      if (name === null) continue;
      if (typeof name !== 'string')
        throw new JsonnetFault('the name of a field is no string', syntax.name.at);
      if (fields.has(name)) throw new JsonnetFault('a field is there twice', syntax.name.at);
      run.budget.grow(1, node.at);
      fields.set(name, { syntax, scope: inner, value: undefined });
    }
  }
  return joined([{ fields, syntax: node, scope }]);
}

/** The scope inside a literal: its `self`, its locals, and `around`. */
function inside(
  run: Evaluator,
  object: ObjectValue,
  index: number,
  layer: Layer,
  around: Scope,
): Scope {
  const known = around === layer.scope ? object.scopes.get(layer) : undefined;
  if (known !== undefined) return known;
  const base: Scope = { ...around, self: object, root: around.root ?? object, layer: index };
  const scope = run.bind(base, layer.syntax?.locals ?? []);
  if (around === layer.scope) object.scopes.set(layer, scope);
  return scope;
}

/** A field, looked for from layer `top` downward; undefined when there is none. */
export function lookUp(
  run: Evaluator,
  object: ObjectValue,
  name: string,
  top: number,
  at: number,
): Value | undefined {
  for (let index = top; index >= 0; index -= 1) {
    run.budget.step(at);
    const layer = object.layers[index];
    const field = layer?.fields.get(name);
    if (layer === undefined || field === undefined) continue;
    if (field.value !== undefined) return field.value.force();
    if (field.syntax === undefined || field.scope === undefined) continue;
    const value = run.evaluate(field.syntax.body, inside(run, object, index, layer, field.scope));
    if (!field.syntax.isAdded) return value;
    const lower = run.budget.within(at, () => lookUp(run, object, name, index - 1, at));
    return lower === undefined ? value : applyBinary(run, '+', lower, value, at);
  }
  return undefined;
}

/** Checks the assertions of an object, once. */
export function assertAll(run: Evaluator, object: ObjectValue): void {
  if (object.areAssertsChecked) return;
  object.areAssertsChecked = true;
  for (const [index, layer] of object.layers.entries()) {
    if (layer.syntax === undefined || layer.scope === undefined) continue;
    for (const assert of layer.syntax.asserts)
      run.check(assert, inside(run, object, index, layer, layer.scope));
  }
}

/** The field of the layers below the place that asks. */
export function superFieldOf(run: Evaluator, name: Syntax, scope: Scope, at: number): Value {
  const key = run.evaluate(name, scope);
  const value =
    scope.self === undefined || typeof key !== 'string'
      ? undefined
      : lookUp(run, scope.self, key, scope.layer - 1, at);
  if (value === undefined) throw new JsonnetFault('`super` has no such field', at);
  return value;
}
