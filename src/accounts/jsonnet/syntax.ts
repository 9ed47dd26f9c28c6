/** The shapes that the Jsonnet parser makes and the evaluator walks. Types alone: nothing here runs. */

/** A parameter of a function; without `fallback` it must be given. */
export interface Parameter {
  readonly name: string;
  readonly fallback?: Syntax;
}

/** `name = body`, of `local` or of an object. */
export interface Binding {
  readonly name: string;
  readonly body: Syntax;
}

/** An argument of a call, by place or by name. */
export interface Argument {
  readonly name?: string;
  readonly body: Syntax;
}

/** How a field shows: `:` as inherited, `::` hidden, `:::` always. */
export type Visibility = 'hidden' | 'inherited' | 'shown';

/** One field of an object; a name that is null when evaluated leaves the field out. */
export interface FieldSyntax {
  readonly name: Syntax;
  readonly visibility: Visibility;
  readonly isAdded: boolean;
  readonly body: Syntax;
}

/** `assert condition : message`. */
export interface AssertSyntax {
  readonly condition: Syntax;
  readonly message?: Syntax;
  readonly at: number;
}

/** `for name in source`, or `if condition`. */
export type Clause =
  | { readonly kind: 'for'; readonly name: string; readonly source: Syntax }
  | { readonly kind: 'if'; readonly condition: Syntax };

/** An object literal; with `clauses` it is a comprehension of its one field. */
export interface ObjectSyntax {
  readonly kind: 'object';
  readonly at: number;
  readonly fields: readonly FieldSyntax[];
  readonly locals: readonly Binding[];
  readonly asserts: readonly AssertSyntax[];
  readonly clauses: readonly Clause[];
}

/** A function literal. */
export interface FunctionSyntax {
  readonly kind: 'function';
  readonly at: number;
  readonly parameters: readonly Parameter[];
  readonly body: Syntax;
}

/** An expression; `at` is its offset in the source. */
export type Syntax =
  | {
      readonly kind: 'literal';
      readonly at: number;
      readonly value: boolean | number | string | null;
    }
  | { readonly kind: 'variable'; readonly at: number; readonly name: string }
  | { readonly kind: 'self' | 'root'; readonly at: number }
  | { readonly kind: 'super'; readonly at: number; readonly name: Syntax }
  | {
      readonly kind: 'array';
      readonly at: number;
      readonly items: readonly Syntax[];
      readonly clauses: readonly Clause[];
    }
  | {
      readonly kind: 'local';
      readonly at: number;
      readonly bindings: readonly Binding[];
      readonly body: Syntax;
    }
  | {
      readonly kind: 'if';
      readonly at: number;
      readonly condition: Syntax;
      readonly then: Syntax;
      readonly otherwise?: Syntax;
    }
  | {
      readonly kind: 'assert';
      readonly at: number;
      readonly assert: AssertSyntax;
      readonly body: Syntax;
    }
  | { readonly kind: 'error'; readonly at: number; readonly message: Syntax }
  | {
      readonly kind: 'unary';
      readonly at: number;
      readonly operator: string;
      readonly operand: Syntax;
    }
  | {
      readonly kind: 'binary';
      readonly at: number;
      readonly operator: string;
      readonly left: Syntax;
      readonly right: Syntax;
    }
  | { readonly kind: 'index'; readonly at: number; readonly target: Syntax; readonly name: Syntax }
  | {
      readonly kind: 'slice';
      readonly at: number;
      readonly target: Syntax;
      readonly parts: readonly (Syntax | undefined)[];
    }
  | {
      readonly kind: 'call';
      readonly at: number;
      readonly target: Syntax;
      readonly arguments: readonly Argument[];
    }
  | FunctionSyntax
  | ObjectSyntax;
