/**
 * Expand: the tree of subject sets and subjects below one subject set (reference/permissions.md §2, "Expand tree"), as Keto
 * gives it with `feature_flags.expand_rewrites`. It is for people and for clients that walk it: it never decides anything.
 *
 * What is stored on a permit is shown beside the permit's expression where it counts, which Keto leaves out. The tree is
 * bounded in depth and size, so that neither it nor what prints it can run out of stack or memory; a node that stands for
 * more than is shown says why.
 */
import { getNamespace, type Model, type Rewrite } from '../model.ts';
import { keyOf, type Subject, type SubjectSet } from '../tuple.ts';
import { counts, follows, isWildcard, type Rule, RuleBook } from './rules.ts';
import type { TupleView } from './view.ts';

export interface ExpandTree {
  readonly type:
    | 'union'
    | 'exclusion'
    | 'intersection'
    | 'leaf'
    | 'tuple_to_subject_set'
    | 'computed_subject_set'
    | 'not'
    | 'unspecified';
  /** Absent on inner groups of a permit. */
  readonly subject?: Subject;
  readonly children: readonly ExpandTree[];
  /** Why there may be more below than is shown: a cycle is shown where it began. */
  readonly truncated?: 'depth' | 'size' | 'cycle';
}

export interface ExpandLimits {
  /** Levels to show; the root is the first. 50 when absent or 0, and never more than 250. */
  readonly maxDepth?: number;
  /** Tuples to show; as in Keto it is looked at once in a hundred of one relation. */
  readonly maxSize: number;
  /** Whether permits are expanded, or only what is stored on them. */
  readonly isRewriting: boolean;
  readonly isStrict?: boolean;
}

const DEPTH_DEFAULT = 50;
const DEPTH_MAX = 250;
/** Parts of permits to show, which do not count as tuples: permits that name one another twice would double without end. */
const PARTS_MAX = 10_000;
const TUPLES_PER_LOOK = 100;
/** The order of parts: what is cheap to look up first, as Keto shows them. */
const PART_ORDER: readonly Rewrite['kind'][] = ['computed', 'traverse', 'or', 'and', 'not'];

interface Node {
  type: ExpandTree['type'];
  subject?: Subject;
  children: Node[];
  truncated?: 'depth' | 'size' | 'cycle';
}

/** The tree below a subject. Throws `not_found` for a namespace that the model does not have. */
export function expand(
  model: Model,
  view: TupleView,
  subject: Subject,
  limits: ExpandLimits,
): ExpandTree {
  if ('set' in subject) getNamespace(model, subject.set.namespace);
  const { maxDepth = 0 } = limits;
  const depth = maxDepth > 0 ? Math.min(maxDepth, DEPTH_MAX) : DEPTH_DEFAULT;
  return new Expansion(new RuleBook(model, limits.isStrict ?? false), view, limits).below(
    subject,
    depth,
  );
}

class Expansion {
  readonly #rules: RuleBook;
  readonly #view: TupleView;
  readonly #limits: ExpandLimits;
  readonly #path = new Set<string>();
  #size = 0;
  #parts = 0;

  constructor(rules: RuleBook, view: TupleView, limits: ExpandLimits) {
    this.#rules = rules;
    this.#view = view;
    this.#limits = limits;
  }

  /** The tree below a subject. */
  below(subject: Subject, depth: number): Node {
    return this.#fill({ type: 'union', subject, children: [] }, subject, depth);
  }

  #fill(node: Node, subject: Subject, depth: number): Node {
    if ('id' in subject || subject.set.relation === '') return asLeaf(node);
    const { namespace, object, relation } = subject.set;
    const key = keyOf(namespace, object, relation);
    if (this.#path.has(key)) return cutOff(node, 'cycle');
    this.#path.add(key);
    const rule = this.#rules.find(namespace, relation);
    if (rule.rewrite === undefined || !this.#limits.isRewriting)
      this.#addStored(node, rule, subject.set, depth);
    else this.#addPermit(node, rule, rule.rewrite, subject.set, depth);
    this.#path.delete(key);
    return asLeaf(node);
  }

  /** All that is stored on a relation. The children are counted before any of them is expanded: width comes first. */
  #addStored(node: Node, rule: Rule, on: SubjectSet, depth: number): void {
    if (!rule.isStorable && rule.refusal === undefined) return;
    const found: Node[] = [];
    for (const subject of this.#view.subjects(on.namespace, on.object, on.relation)) {
      if (!this.#shows(rule, subject)) continue;
      if (found.length % TUPLES_PER_LOOK === 0 && this.#isCut(node, depth)) break;
      this.#size++;
      found.push({ type: 'union', subject, children: [] });
    }
    for (const child of found) {
      if (child.subject !== undefined) this.#fill(child, child.subject, depth - 1);
      node.children.push(child);
    }
  }

  #shows(rule: Rule, subject: Subject): boolean {
    if (!this.#rules.isStrict) return true;
    return counts(rule, subject) || ('set' in subject && follows(rule, subject.set));
  }

  /** Notes on the node that there is more, when there is no room for it. */
  #isCut(node: Node, depth: number): boolean {
    if (depth > 1 && this.#size < this.#limits.maxSize) return false;
    node.truncated = depth > 1 ? 'size' : 'depth';
    return true;
  }

  #addPermit(node: Node, rule: Rule, rewrite: Rewrite, on: SubjectSet, depth: number): void {
    const stored: Node = { type: 'union', children: [] };
    if (rule.isStorable) this.#addStored(stored, rule, on, depth);
    const isAlone = stored.children.length === 0 && stored.truncated === undefined;
    if (rewrite.kind === 'and' && isAlone) node.type = 'intersection';
    if (rewrite.kind === 'or' || (rewrite.kind === 'and' && isAlone))
      this.#addParts(node, rewrite.children, on, depth);
    else this.#addParts(node, [rewrite], on, depth);
    node.children.push(...stored.children);
    if (stored.truncated !== undefined && node.truncated === undefined)
      node.truncated = stored.truncated;
  }

  #addParts(node: Node, parts: readonly Rewrite[], at: SubjectSet, depth: number): void {
    const order = (part: Rewrite): number => Math.min(PART_ORDER.indexOf(part.kind), 3);
    for (const part of parts.toSorted((a, b) => order(a) - order(b))) {
      if (++this.#parts > PARTS_MAX) {
        node.truncated = 'size';
        return;
      }
      node.children.push(this.#part(part, at, depth));
    }
  }

  #part(part: Rewrite, at: SubjectSet, depth: number): Node {
    const { namespace, object } = at;
    if (part.kind === 'computed')
      return this.below({ set: { namespace, object, relation: part.relation } }, depth - 1);
    if (part.kind === 'traverse') return this.#traverse(part, at, depth);
    const node: Node = { type: 'union', children: [] };
    if (part.kind === 'and') node.type = 'intersection';
    if (part.kind === 'not') node.type = 'exclusion';
    this.#addParts(node, part.kind === 'not' ? [part.child] : part.children, at, depth);
    return asLeaf(node);
  }

  #traverse(part: Rewrite & { kind: 'traverse' }, at: SubjectSet, depth: number): Node {
    const { namespace, object } = at;
    const { relation, through } = part;
    const node: Node = {
      type: 'union',
      subject: { set: { namespace, object, relation } },
      children: [],
    };
    const rule = this.#rules.find(namespace, relation);
    const parents: SubjectSet[] = [];
    for (const parent of this.#view.sets(namespace, object, relation)) {
      if (isWildcard(rule, parent)) continue;
      if (parents.length % TUPLES_PER_LOOK === 0 && this.#isCut(node, depth)) break;
      this.#size++;
      parents.push(parent);
    }
    const below = through.kind === 'computed' ? depth : depth - 1;
    for (const parent of parents) {
      if (++this.#parts > PARTS_MAX) return cutOff(node, 'size');
      node.children.push(this.#part(through, parent, below));
    }
    return asLeaf(node);
  }
}

/** A node without children is a leaf, whatever it stands for. */
function asLeaf(node: Node): Node {
  if (node.children.length === 0) node.type = 'leaf';
  return node;
}

function cutOff(node: Node, why: 'cycle' | 'size'): Node {
  node.truncated = why;
  return asLeaf(node);
}
