/**
 * Evaluates Jsonnet syntax, lazily as the language asks; objects, comprehensions and calls have rooms beside. Pure: it reaches no file, no network and no clock, and
 * every step, nesting and growth is charged to a budget, so that it always comes to an end.
 */

import { makeArray } from './comprehension.ts';
import { JsonnetFault } from './fault.ts';
import { argumentsOf, type Given, givenOf } from './function-call.ts';
import { spaced } from './manifest.ts';
import { assertAll, lookUp, makeObject, superFieldOf } from './object.ts';
import { applyBinary } from './operator.ts';
import { callNative } from './standard.ts';
import type { AssertSyntax, Syntax } from './syntax.ts';
import {
  type Budget,
  fieldNames,
  type Lazy,
  lazy,
  type ObjectValue,
  ready,
  type Scope,
  typeOf,
  type Value,
} from './value.ts';

const TOP: Scope = {
  names: new Map(),
  parent: undefined,
  self: undefined,
  root: undefined,
  layer: 0,
};

/** One evaluation, with its budget and its outer variables. */
export class Evaluator {
  readonly budget: Budget;
  readonly external: ReadonlyMap<string, Lazy>;

  constructor(budget: Budget, external: ReadonlyMap<string, Lazy>) {
    this.budget = budget;
    this.external = external;
  }

  /** The program's value; a function is called with `named`. Throws JsonnetFault. */
  run(program: Syntax, named: ReadonlyMap<string, Lazy>): unknown {
    const value = this.evaluate(program, TOP);
    if (typeOf(value) !== 'function') return this.json(value, 0);
    return this.json(this.call(value, [], 0, named), 0);
  }

  evaluate(node: Syntax, scope: Scope): Value {
    this.budget.step(node.at);
    return this.budget.within(node.at, () => this.expression(node, scope));
  }

  /** A value that is worked out when it is asked for. */
  later(node: Syntax, scope: Scope): Lazy {
    return lazy(() => this.evaluate(node, scope), node.at);
  }

  private expression(node: Syntax, scope: Scope): Value {
    switch (node.kind) {
      case 'literal':
        return node.value;
      case 'variable':
        return this.variable(node.name, node.at, scope);
      case 'self':
      case 'root': {
        const object = node.kind === 'self' ? scope.self : scope.root;
        if (object === undefined) throw new JsonnetFault('there is no object here', node.at);
        return object;
      }
      case 'super':
        return superFieldOf(this, node.name, scope, node.at);
      case 'array':
        return makeArray(this, node.items, node.clauses, scope, node.at);
      case 'object':
        return makeObject(this, node, scope);
      case 'function':
        return { kind: 'function', syntax: node, scope };
      case 'local':
        return this.evaluate(node.body, this.bind(scope, node.bindings));
      case 'if':
        if (this.truth(node.condition, scope)) return this.evaluate(node.then, scope);
        return node.otherwise === undefined ? null : this.evaluate(node.otherwise, scope);
      case 'assert':
        this.check(node.assert, scope);
        return this.evaluate(node.body, scope);
      case 'error': {
        const thrown = this.text(this.evaluate(node.message, scope), node.at).slice(0, 200);
        throw new JsonnetFault(`error: ${thrown}`, node.at, thrown);
      }
      case 'unary':
        return this.unary(node.operator, this.evaluate(node.operand, scope), node.at);
      case 'binary':
        return this.binary(node, scope);
      case 'index':
        return this.index(
          this.evaluate(node.target, scope),
          this.evaluate(node.name, scope),
          node.at,
        );
      case 'slice':
        return this.slice(node.target, node.parts, scope, node.at);
      case 'call':
        return this.call(
          this.evaluate(node.target, scope),
          givenOf(this, node.arguments, scope),
          node.at,
        );
    }
  }

  private variable(name: string, at: number, scope: Scope): Value {
    if (name.startsWith('std.')) return { kind: 'native', name: name.slice(4) };
    for (let place: Scope | undefined = scope; place !== undefined; place = place.parent) {
      const found = place.names.get(name);
      if (found !== undefined) return found.force();
    }
    throw new JsonnetFault(`\`${name.slice(0, 40)}\` is not known`, at);
  }

  /** The scope with names that may speak of each other. */
  bind(scope: Scope, bindings: readonly { readonly name: string; readonly body: Syntax }[]): Scope {
    const names = new Map<string, Lazy>();
    const inner: Scope = { ...scope, names, parent: scope };
    for (const { name, body } of bindings) names.set(name, this.later(body, inner));
    return inner;
  }

  /** A condition. Throws JsonnetFault for what is no boolean. */
  truth(node: Syntax, scope: Scope): boolean {
    const value = this.evaluate(node, scope);
    if (typeof value !== 'boolean')
      throw new JsonnetFault(`a condition is ${typeOf(value)}, not boolean`, node.at);
    return value;
  }

  /** Throws JsonnetFault for an assertion that does not hold. */
  check(assert: AssertSyntax, scope: Scope): void {
    if (this.truth(assert.condition, scope)) return;
    const message =
      assert.message === undefined
        ? ''
        : this.text(this.evaluate(assert.message, scope), assert.at);
    throw new JsonnetFault(
      `assertion failed${message === '' ? '' : `: ${message.slice(0, 200)}`}`,
      assert.at,
    );
  }

  private unary(operator: string, value: Value, at: number): Value {
    if (operator === '!' && typeof value === 'boolean') return !value;
    if (operator !== '!' && typeof value === 'number') return operator === '-' ? -value : value;
    throw new JsonnetFault(`\`${operator}\` does not take ${typeOf(value)}`, at);
  }

  private binary(node: Extract<Syntax, { kind: 'binary' }>, scope: Scope): Value {
    if (node.operator === '&&')
      return this.truth(node.left, scope) && this.truth(node.right, scope);
    if (node.operator === '||')
      return this.truth(node.left, scope) || this.truth(node.right, scope);
    const left = this.evaluate(node.left, scope);
    return applyBinary(this, node.operator, left, this.evaluate(node.right, scope), node.at);
  }

  /** A field of an object, or undefined; its assertions are checked first. */
  field(object: ObjectValue, name: string, at: number): Value | undefined {
    assertAll(this, object);
    const known = object.cache.get(name);
    if (known !== undefined) return known;
    const value = this.budget.within(at, () =>
      lookUp(this, object, name, object.layers.length - 1, at),
    );
    if (value !== undefined) object.cache.set(name, value);
    return value;
  }

  /** `target[name]`. Throws JsonnetFault where there is nothing. */
  index(target: Value, name: Value, at: number): Value {
    if (
      target !== null &&
      typeof target === 'object' &&
      target.kind === 'object' &&
      typeof name === 'string'
    ) {
      const value = this.field(target, name, at);
      if (value === undefined)
        throw new JsonnetFault(`the object has no field \`${name.slice(0, 40)}\``, at);
      return value;
    }
    if (typeof name !== 'number')
      throw new JsonnetFault(`${typeOf(target)} has no field of that kind`, at);
    if (typeof target === 'string') {
      this.budget.grow(target.length, at);
      const letter = Array.from(target)[name];
      if (letter !== undefined) return letter;
    } else if (target !== null && typeof target === 'object' && target.kind === 'array') {
      const item = target.items[name];
      if (item !== undefined) return item.force();
    } else throw new JsonnetFault(`${typeOf(target)} can not be indexed`, at);
    throw new JsonnetFault('an index is out of bounds', at);
  }

  private slice(
    target: Syntax,
    parts: readonly (Syntax | undefined)[],
    scope: Scope,
    at: number,
  ): Value {
    const value = this.evaluate(target, scope);
    const [start, end, step] = parts.map((part) =>
      part === undefined ? null : this.evaluate(part, scope),
    );
    return callNative(
      this,
      'slice',
      [value, start ?? null, end ?? null, step ?? null].map(ready),
      at,
    );
  }

  /** Calls a function. `named` is what the program itself may be given: what it does not take is left away. */
  call(
    target: Value,
    given: readonly Given[],
    at: number,
    named?: ReadonlyMap<string, Lazy>,
  ): Value {
    if (
      target === null ||
      typeof target !== 'object' ||
      (target.kind !== 'function' && target.kind !== 'native')
    ) {
      throw new JsonnetFault(`${typeOf(target)} can not be called`, at);
    }
    if (target.kind === 'native') {
      if (given.some(({ name }) => name !== undefined)) {
        throw new JsonnetFault(`\`std.${target.name}\` takes arguments by place only`, at);
      }
      return callNative(
        this,
        target.name,
        given.map(({ value }) => value),
        at,
      );
    }
    return this.evaluate(target.syntax.body, argumentsOf(this, target, given, at, named));
  }

  /** A value as JSON data; functions are refused. */
  json(value: Value, at: number): unknown {
    this.budget.step(at);
    if (typeof value === 'string') this.budget.grow(value.length, at);
    if (value === null || typeof value !== 'object') return value;
    if (value.kind === 'array') {
      return this.budget.within(at, () => value.items.map((item) => this.json(item.force(), at)));
    }
    if (value.kind !== 'object') throw new JsonnetFault('a function is no JSON', at);
    assertAll(this, value);
    return this.budget.within(at, () =>
      Object.fromEntries(
        fieldNames(value).map((name) => {
          this.budget.grow(name.length, at);
          return [name, this.json(this.field(value, name, at) ?? null, at)];
        }),
      ),
    );
  }

  /** A value as std.toString gives it: strings as they are, the rest as JSON. */
  text(value: Value, at: number): string {
    if (typeof value === 'string') return value;
    const text = spaced(this.json(value, at));
    this.budget.grow(text.length, at);
    return text;
  }
}
