/** The tree of a parsed template. Types alone. */
import type { Place } from './fault.ts';

export type Literal = string | number | boolean | null;

/** One word of a command. */
export type Term =
  | { readonly kind: 'literal'; readonly value: Literal }
  /** `.` or `.A.B`. */
  | { readonly kind: 'dot'; readonly path: readonly string[] }
  /** `$`, `$x` or `$x.A.B`. */
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'pipe'; readonly pipe: Pipe; readonly path: readonly string[] };

/** A value, or a function and its arguments. */
export interface Command {
  readonly function: string | undefined;
  readonly terms: readonly Term[];
}

/** Commands joined by `|`, the value of each the last argument of the next. */
export interface Pipe {
  readonly place: Place;
  readonly commands: readonly Command[];
  /** `$x :=` or `$x =`, and `$index, $element :=` of a range. */
  readonly variables: readonly string[];
  readonly isDeclaring: boolean;
}

export interface Branch {
  readonly pipe: Pipe;
  readonly body: readonly Node[];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string; readonly place: Place }
  | { readonly kind: 'output'; readonly pipe: Pipe; readonly place: Place }
  | {
      /** `else if` and `else with` are further branches. */
      readonly kind: 'if' | 'with';
      readonly branches: readonly Branch[];
      readonly otherwise: readonly Node[];
      readonly place: Place;
    }
  | {
      readonly kind: 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
      readonly place: Place;
    }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly pipe: Pipe | undefined;
      readonly place: Place;
    };

/** All templates that a set of files defines, by name. */
export type Definitions = ReadonlyMap<string, readonly Node[]>;
