/** Whether what a source names is declared: every problem, in Keto's words (reference/permissions.md §6). */
import type { SourceMap, Token } from './lexer.ts';
import type { Problem } from './problem.ts';
import type { ClassSyntax, Expression, RelationSyntax, TypeSyntax } from './syntax.ts';

/** How far subject sets are followed to find out what their members are. */
const SUBJECT_SETS_MAX = 10;

const quoted = (name: string): string => JSON.stringify(name);

export class TypeChecker {
  readonly problems: Problem[] = [];
  readonly #map: SourceMap;
  readonly #classes = new Map<string, ReadonlyMap<string, RelationSyntax>>();

  constructor(classes: readonly ClassSyntax[], map: SourceMap) {
    this.#map = map;
    for (const { name, relations } of classes) {
      if (this.#classes.has(name.value))
        this.#report(name, `namespace ${quoted(name.value)} is declared twice`);
      const known = new Map<string, RelationSyntax>();
      for (const relation of relations) {
        if (known.has(relation.name.value))
          this.#report(
            relation.name,
            `namespace ${quoted(name.value)} declares ${quoted(relation.name.value)} twice`,
          );
        known.set(relation.name.value, relation);
      }
      this.#classes.set(name.value, known);
    }
    for (const { name, relations } of classes)
      for (const { types, rewrite } of relations) {
        for (const type of types) this.#type(type);
        if (rewrite !== undefined) this.#here(rewrite, name.value);
      }
  }

  #report(at: Token, message: string): void {
    this.problems.push(this.#map.problem('error', message, at));
  }

  #type({ namespace, relation }: TypeSyntax): void {
    const declared = this.#classes.get(namespace.value);
    if (declared === undefined)
      this.#report(namespace, `namespace ${quoted(namespace.value)} was not declared`);
    else if (relation !== undefined && !declared.has(relation.value))
      this.#report(
        relation,
        `namespace ${quoted(namespace.value)} did not declare relation ${quoted(relation.value)}`,
      );
  }

  /** An expression about the namespace's own object. */
  #here(e: Expression, namespace: string): void {
    if ('children' in e) for (const c of e.children) this.#here(c, namespace);
    else if (e.kind === 'not') this.#here(e.child, namespace);
    else {
      if (!this.#classes.get(namespace)?.has(e.relation.value))
        this.#report(
          e.relation,
          `namespace ${quoted(namespace)} did not declare relation ${quoted(e.relation.value)}`,
        );
      if (e.kind === 'traverse') this.#there(e.through, e.relation, namespace, e.relation);
    }
  }

  /** An expression about whatever stands in a relation of a namespace; problems are told at the traversal. */
  #there(e: Expression, over: Token, namespace: string, at: Token): void {
    if ('children' in e) for (const c of e.children) this.#there(c, over, namespace, at);
    else if (e.kind === 'not') this.#there(e.child, over, namespace, at);
    else {
      const targets = new Set<string>();
      this.#members(namespace, over.value, SUBJECT_SETS_MAX, at, targets);
      for (const target of targets)
        if (!this.#classes.get(target)?.has(e.relation.value))
          this.#report(
            at,
            `relation ${quoted(e.relation.value)} was not declared in namespace ${quoted(target)}`,
          );
        else if (e.kind === 'traverse') this.#there(e.through, e.relation, target, at);
    }
  }

  /** The namespaces of what a relation holds, subject sets resolved to what they hold. */
  #members(namespace: string, relation: string, depth: number, at: Token, into: Set<string>): void {
    if (depth < 0) {
      this.#report(at, 'could not typecheck deeply nested SubjectSet further');
      return;
    }
    const declared = this.#classes.get(namespace)?.get(relation);
    if (declared === undefined) return;
    for (const type of declared.types) {
      if (type.isWildcard) continue;
      if (type.relation === undefined) {
        if (this.#classes.has(type.namespace.value)) into.add(type.namespace.value);
      } else if (type.namespace.value !== namespace || type.relation.value !== relation)
        this.#members(type.namespace.value, type.relation.value, depth - 1, at, into);
    }
  }
}
