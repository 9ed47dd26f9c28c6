/**
 * Checks that everything that a source names is declared, with Keto's rules and messages (reference/permissions.md §6),
 * and reports all that is not. It must change nothing.
 */
import type { ClassNode, Expression, Name, TypeNode } from './ast.ts';
import type { Declarations } from './declarations.ts';
import { isSet, SubjectSets } from './subject-sets.ts';
import { type Problems, quote } from './text.ts';

/**
 * Terms times the namespaces that each is asked of, over all of a source. Far above any real model; without a bound a
 * source of a megabyte could ask ten thousand terms of ten thousand namespaces each.
 */
const QUESTIONS_MAX = 1_000_000;
const TOO_LARGE = `the model asks for too much: more than ${QUESTIONS_MAX} pairs of a term and a namespace`;
const TOO_DEEP = 'could not typecheck deeply nested SubjectSet further';

/** What a traversal asks. */
interface Traversed {
  /** The namespaces that must declare what is asked: subject sets are followed to their members, as in Keto. */
  readonly members: ReadonlySet<string>;
  /** Those of subject sets, which are the ones that are asked in truth; without those of the members. */
  readonly sets: ReadonlySet<string>;
  /** Where it is reported. */
  readonly relation: Name;
}

/** Reports every name that is used and not declared. */
export function typecheck(
  classes: readonly ClassNode[],
  declared: Declarations,
  problems: Problems,
): void {
  const checker = new Typechecker(declared, problems);
  for (const { name, blocks } of classes)
    for (const block of blocks) {
      if (problems.isFull) return;
      if (block.kind === 'related')
        for (const { types } of block.members) for (const type of types) checker.checkType(type);
      else for (const { expression } of block.members) checker.checkPermit(name.value, expression);
    }
}

class Typechecker {
  readonly #declared: Declarations;
  readonly #problems: Problems;
  readonly #sets: SubjectSets;
  #questions = 0;

  constructor(declared: Declarations, problems: Problems) {
    this.#declared = declared;
    this.#problems = problems;
    this.#sets = new SubjectSets(declared);
  }

  checkType({ namespace, relation }: TypeNode): void {
    const relations = this.#declared.get(namespace.value);
    if (relations === undefined)
      this.#problems.error(namespace.token, `namespace ${quote(namespace.value)} was not declared`);
    else if (relation !== undefined && !relations.has(relation.value))
      this.#notDeclaredBy(namespace.value, relation);
  }

  /** Checks an expression over an object of that namespace. */
  checkPermit(namespace: string, e: Expression): void {
    switch (e.kind) {
      case 'group':
        for (const child of e.children) this.checkPermit(namespace, child);
        return;
      case 'not':
        this.checkPermit(namespace, e.child);
        return;
      case 'traverse':
        this.#checkTraversed([namespace], e.name, e.body);
        if (!this.#has(namespace, e.name.value)) this.#notDeclaredBy(namespace, e.name);
        return;
      default:
        if (!this.#has(namespace, e.name.value)) this.#notDeclaredBy(namespace, e.name);
    }
  }

  /** Checks what is asked of the subjects of `relation`, a relation of each of the namespaces. */
  #checkTraversed(namespaces: Iterable<string>, relation: Name, body: Expression): void {
    if (this.#problems.isFull) return;
    const members = new Set<string>();
    const sets = new Set<string>();
    for (const namespace of namespaces) {
      const types = this.#declared.get(namespace)?.get(relation.value)?.types.length ?? 0;
      if (!this.#mayAsk(types, relation)) return;
      const resolved = this.#sets.resolve(namespace, relation.value);
      for (const m of resolved.missing) this.#notDeclaredIn(relation, m.relation, m.namespace);
      if (resolved.isTooDeep) this.#problems.error(relation.token, TOO_DEEP);
      for (const member of resolved.namespaces) members.add(member);
      for (const type of this.#declared.get(namespace)?.get(relation.value)?.types ?? [])
        if (isSet(type)) sets.add(type.namespace);
    }
    for (const member of members) sets.delete(member);
    this.#checkBody({ members, sets, relation }, body);
  }

  #checkBody(traversed: Traversed, e: Expression): void {
    if (this.#problems.isFull) return;
    if (e.kind === 'group') {
      for (const child of e.children) this.#checkBody(traversed, child);
      return;
    }
    if (e.kind === 'not') {
      this.#checkBody(traversed, e.child);
      return;
    }
    const { members, sets, relation } = traversed;
    const asked = e.name.value;
    if (!this.#mayAsk(members.size + sets.size + 1, relation)) return;
    for (const namespace of members)
      if (!this.#has(namespace, asked)) this.#notDeclaredIn(relation, asked, namespace);
    for (const namespace of sets)
      if (this.#declared.has(namespace) && !this.#has(namespace, asked))
        this.#problems.warn(
          relation.token,
          `a subject set of namespace ${quote(namespace)} is asked for relation ${quote(asked)}, which is not declared there`,
        );
    if (e.kind !== 'traverse') return;
    const next = [...members].filter((namespace) => this.#has(namespace, asked));
    this.#checkTraversed(next, e.name, e.body);
  }

  /** Counts; false, with the problem told once, when it is too much. */
  #mayAsk(count: number, relation: Name): boolean {
    if (this.#questions > QUESTIONS_MAX) return false;
    this.#questions += count;
    if (this.#questions <= QUESTIONS_MAX) return true;
    this.#problems.error(relation.token, TOO_LARGE);
    return false;
  }

  #has(namespace: string, relation: string): boolean {
    return this.#declared.get(namespace)?.has(relation) === true;
  }

  #notDeclaredBy(namespace: string, relation: Name): void {
    this.#problems.error(
      relation.token,
      `namespace ${quote(namespace)} did not declare relation ${quote(relation.value)}`,
    );
  }

  #notDeclaredIn(at: Name, relation: string, namespace: string): void {
    this.#problems.error(
      at.token,
      `relation ${quote(relation)} was not declared in namespace ${quote(namespace)}`,
    );
  }
}
