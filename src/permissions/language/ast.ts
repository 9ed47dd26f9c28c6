/**
 * The syntax tree of a source in the permission language: what the parser read, with the places of it, before any
 * meaning. Groups are as flat as Keto makes them: a group never has a child with its own operator.
 */
import type { Token } from './lexer.ts';

/** A place of the tree in the source: `at` is the index of the token that begins it. */
export interface Node {
  readonly at: number;
}

export interface Name extends Node {
  readonly token: Token;
  readonly value: string;
}

export interface TypeNode {
  readonly kind: 'plain' | 'set' | 'wildcard';
  readonly namespace: Name;
  /** Of a `SubjectSet` alone. */
  readonly relation?: Name;
}

export interface RelationNode {
  readonly name: Name;
  readonly types: readonly TypeNode[];
}

export type Operator = '&&' | '||';

export type Expression =
  | {
      readonly kind: 'group';
      /** Its first token, the `(` included. */
      readonly at: number;
      readonly operator: Operator;
      readonly children: Expression[];
      /** Whether it stood in parentheses: only the first child of a group may stand without. */
      readonly isParenthesised: boolean;
    }
  /** The child of `!(a)` is a group of one, which costs a level of depth in Keto; that of `!a` is the term. */
  | { readonly kind: 'not'; readonly at: number; readonly child: Expression }
  | Term;

export type Term =
  | {
      readonly kind: 'related' | 'permits';
      readonly at: number;
      readonly subject: string;
      readonly name: Name;
    }
  | {
      readonly kind: 'traverse';
      readonly at: number;
      /** `this`, or the argument of the traversal around. */
      readonly subject: string;
      readonly name: Name;
      readonly argument: Name;
      readonly body: Expression;
    };

export interface PermitNode {
  readonly name: Name;
  readonly expression: Expression;
}

export type Block =
  | {
      readonly kind: 'related';
      readonly at: number;
      readonly members: readonly RelationNode[];
      readonly end: number;
    }
  | {
      readonly kind: 'permits';
      readonly at: number;
      readonly members: readonly PermitNode[];
      readonly end: number;
    };

export interface ClassNode extends Node {
  readonly name: Name;
  readonly blocks: readonly Block[];
  /** The token `}`. */
  readonly end: number;
}
