/** What a source says, before it is known whether it makes sense. Tokens stay, so that a problem has its place. */
import type { Token } from './lexer.ts';

export type Expression =
  | { readonly kind: 'or' | 'and'; readonly children: readonly Expression[] }
  | { readonly kind: 'not'; readonly child: Expression }
  | { readonly kind: 'computed'; readonly relation: Token }
  | { readonly kind: 'traverse'; readonly relation: Token; readonly through: Expression };

export interface TypeSyntax {
  readonly namespace: Token;
  /** Of `SubjectSet<Namespace, "relation">`. */
  readonly relation?: Token;
  readonly isWildcard: boolean;
}

export interface RelationSyntax {
  readonly name: Token;
  readonly types: readonly TypeSyntax[];
  /** Of a permit. */
  readonly rewrite?: Expression;
}

export interface ClassSyntax {
  readonly name: Token;
  readonly relations: readonly RelationSyntax[];
}
