/**
 * The rules of a relation (reference/permissions.md §5 and §9, "Wildcards") in the one place that the check, the lists and
 * the tree take them from: which stored subjects count, which stored sets are followed, which are parents of a traversal.
 * It must never look at more than one tuple's place: what follows from what is the evaluators' work.
 */
import { PosternError } from '../../kernel/index.ts';
import { checkRelation, getNamespace, type Model, type Rewrite } from '../model.ts';
import { type Subject, type SubjectSet, WILDCARD_OBJECT } from '../tuple.ts';
import { type Result, unknownFor } from './result.ts';
import type { TupleView } from './view.ts';

/** A relation or permit of one namespace, as it counts. There is one object of it per model and name: compare by identity. */
export interface Rule {
  readonly namespace: string;
  readonly relation: string;
  readonly rewrite: Rewrite | undefined;
  /** Why it can't be asked: its namespace or itself is not declared. */
  readonly refusal: Result | undefined;
  /** Whether a tuple on it is ever looked at. */
  readonly isStorable: boolean;
  /** The namespaces of which a stored `*` grants all, and is no parent. */
  readonly wildcards: ReadonlySet<string>;
  /** The declared subject types by namespace and relation; undefined: every type counts. */
  readonly accepted: ReadonlyMap<string, ReadonlySet<string>> | undefined;
}

const NONE: ReadonlySet<string> = new Set();
const ACCEPTS_NO_SET: ReadonlyMap<string, ReadonlySet<string>> = new Map();

/** The rules of one model, in or out of strict mode. */
export class RuleBook {
  readonly model: Model;
  readonly isStrict: boolean;
  readonly #rules = new Map<string, Map<string, Rule>>();

  constructor(model: Model, isStrict: boolean) {
    this.model = model;
    this.isStrict = isStrict;
  }

  /** The rule of a relation. Names that nobody declared have one too: open namespaces accept any. */
  find(namespace: string, relation: string): Rule {
    let rules = this.#rules.get(namespace);
    if (rules === undefined) {
      rules = new Map();
      this.#rules.set(namespace, rules);
    }
    let rule = rules.get(relation);
    if (rule === undefined) {
      rule = this.#make(namespace, relation);
      rules.set(relation, rule);
    }
    return rule;
  }

  #make(namespace: string, relation: string): Rule {
    const declared = this.model.namespaces.get(namespace)?.relations.get(relation);
    const error = undeclared(this.model, namespace, relation);
    const wildcards = declared?.types.filter((t) => t.isWildcard).map((t) => t.namespace) ?? [];
    const accepted = new Map<string, Set<string>>();
    for (const t of declared?.types ?? [])
      if (!t.isWildcard)
        accepted.set(t.namespace, (accepted.get(t.namespace) ?? new Set()).add(t.relation));
    return {
      namespace,
      relation,
      rewrite: declared?.rewrite,
      refusal: error === undefined ? undefined : unknownFor(error),
      isStorable: error === undefined && (!this.isStrict || declared?.rewrite === undefined),
      wildcards: wildcards.length === 0 ? NONE : new Set(wildcards),
      // Strict mode takes no set where nothing is declared, as Keto does.
      accepted: !this.isStrict ? undefined : declared === undefined ? ACCEPTS_NO_SET : accepted,
    };
  }
}

function undeclared(model: Model, namespace: string, relation: string): PosternError | undefined {
  try {
    checkRelation(getNamespace(model, namespace), relation);
    return undefined;
  } catch (reason) {
    if (reason instanceof PosternError) return reason;
    throw reason;
  }
}

/** True when a stored set is a wildcard: it then stands for all of its namespace, and for no object. */
export function isWildcard(rule: Rule, set: SubjectSet): boolean {
  return set.object === WILDCARD_OBJECT && set.relation === '' && rule.wildcards.has(set.namespace);
}

/** The wildcard that would grant a subject: only a plain object is of a type. */
export function wildcardOf(rule: Rule, subject: Subject): { readonly set: SubjectSet } | undefined {
  if (rule.wildcards.size === 0 || 'id' in subject) return undefined;
  const { namespace, relation } = subject.set;
  if (relation !== '' || !rule.wildcards.has(namespace)) return undefined;
  return { set: { namespace, object: WILDCARD_OBJECT, relation } };
}

/** Rule 2: whether a tuple with that subject counts on the relation. */
export function counts(rule: Rule, subject: Subject): boolean {
  if (!rule.isStorable) return false;
  if (rule.accepted === undefined || 'id' in subject) return true;
  const { namespace, relation } = subject.set;
  return rule.accepted.get(namespace)?.has(relation) === true || isWildcard(rule, subject.set);
}

/** Rule 3: whether the members of a stored set are members. In strict mode only those of a declared `SubjectSet<…>`. */
export function follows(rule: Rule, set: SubjectSet): boolean {
  if (!rule.isStorable) return false;
  if (rule.accepted === undefined) return true;
  return set.relation !== '' && rule.accepted.get(set.namespace)?.has(set.relation) === true;
}

/** Rule 2 and wildcards: the stored subject that makes the subject a member, if there is one. */
export function findStored(
  view: TupleView,
  rule: Rule,
  object: string,
  subject: Subject,
): Subject | undefined {
  if (counts(rule, subject) && view.has(rule.namespace, object, rule.relation, subject))
    return subject;
  const all = rule.isStorable ? wildcardOf(rule, subject) : undefined;
  if (all !== undefined && view.has(rule.namespace, object, rule.relation, all)) return all;
  return undefined;
}
