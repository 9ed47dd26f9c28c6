/**
 * A world in SpiceDB's words: its schema text and its relationships. What Postern asks of an expression inside `traverse`
 * and SpiceDB's arrow only of a name becomes a permission of its own on every definition that the arrow may lead to; nobody
 * else asks for it. Throws on what SpiceDB can't say, rather than say something else.
 */
import type { Model, Relation, Rewrite, SubjectType } from '../../src/permissions/model.ts';
import type { SubjectSet, Tuple } from '../../src/permissions/tuple.ts';
import type { Relationship, SubjectRef } from './spicedb-peer.ts';

/** A subject set as SpiceDB writes it. */
export function subjectRef({ namespace, object, relation }: SubjectSet): SubjectRef {
  return { object: { objectType: namespace, objectId: object }, optionalRelation: relation };
}

/** A tuple as SpiceDB writes it. Throws on a plain subject id: there every subject has a type. */
export function relationshipOf(t: Tuple): Relationship {
  if ('id' in t.subject) throw new Error('SpiceDB has no plain subject ids');
  return {
    resource: { objectType: t.namespace, objectId: t.object },
    relation: t.relation,
    subject: subjectRef(t.subject.set),
  };
}

/** A subject type as SpiceDB writes it. */
export function typeText({ namespace, relation, isWildcard }: SubjectType): string {
  if (isWildcard) return `${namespace}:*`;
  return relation === '' ? namespace : `${namespace}#${relation}`;
}

class SchemaWriter {
  readonly #model: Model;
  readonly #lines = new Map<string, string[]>();
  /** By text and definitions: the same expression needs but one permission. */
  readonly #helpers = new Map<string, string>();

  constructor(model: Model) {
    this.#model = model;
  }

  write(): string {
    for (const name of this.#model.namespaces.keys()) this.#lines.set(name, []);
    for (const { name, relations } of this.#model.namespaces.values())
      for (const relation of relations.values())
        this.#lines.get(name)?.push(this.#declaration(name, relation));
    return [...this.#lines]
      .map(([name, lines]) => `definition ${name} {\n${lines.map((l) => `  ${l}\n`).join('')}}\n`)
      .join('');
  }

  #declaration(definition: string, { name, types, rewrite }: Relation): string {
    if (rewrite === undefined) return `relation ${name}: ${types.map(typeText).join(' | ')}`;
    return `permission ${name} = ${this.#expression([definition], rewrite)}`;
  }

  #expression(at: readonly string[], r: Rewrite): string {
    switch (r.kind) {
      case 'computed':
        return r.relation;
      case 'or':
        return this.#joined(at, r.children, ' + ');
      case 'and':
        return this.#intersection(at, r.children);
      case 'traverse':
        return `${r.relation}->${this.#nameFor(this.#parents(at, r.relation), r.through)}`;
      case 'not':
        throw new Error('SpiceDB has no negation alone');
    }
  }

  #joined(at: readonly string[], children: readonly Rewrite[], operator: string): string {
    if (children.length === 0) return 'nil';
    return `(${children.map((c) => this.#expression(at, c)).join(operator)})`;
  }

  /** What is negated among the others is taken from them. */
  #intersection(at: readonly string[], children: readonly Rewrite[]): string {
    const without = children.flatMap((c) => (c.kind === 'not' ? [c.child] : []));
    const all = children.filter((c) => c.kind !== 'not');
    if (all.length === 0 && without.length > 0) throw new Error('SpiceDB has no negation alone');
    return without.reduce(
      (text, c) => `(${text} - ${this.#expression(at, c)})`,
      this.#joined(at, all, ' & '),
    );
  }

  #parents(at: readonly string[], relation: string): string[] {
    const types = at.flatMap(
      (d) => this.#model.namespaces.get(d)?.relations.get(relation)?.types ?? [],
    );
    return [...new Set(types.map((t) => t.namespace))];
  }

  #nameFor(at: readonly string[], through: Rewrite): string {
    if (through.kind === 'computed') return through.relation;
    const text = this.#expression(at, through);
    const key = `${at.toSorted().join()} ${text}`;
    const known = this.#helpers.get(key);
    if (known !== undefined) return known;
    const name = `inner_${this.#helpers.size}`;
    this.#helpers.set(key, name);
    for (const d of at) this.#lines.get(d)?.push(`permission ${name} = ${text}`);
    return name;
  }
}

/** The model as SpiceDB's schema. Throws on what SpiceDB can't say. */
export function schemaOf(model: Model): string {
  return new SchemaWriter(model).write();
}
