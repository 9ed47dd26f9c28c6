/** The record of a check, for people: what was asked, what came of it, and which tuple decided. It never changes an answer. */
import type { Rewrite } from '../model.ts';
import type { Subject, SubjectSet } from '../tuple.ts';
import type { Result } from './result.ts';

/** One question of a check and what it rested on. */
export interface Trace {
  /** What was asked: a relation of an object, or a part of a permit's expression. */
  readonly kind: 'relation' | 'or' | 'and' | 'not' | 'computed' | 'traverse';
  readonly namespace: string;
  readonly object: string;
  /** The relation; of a `computed` or `traverse` the one that it names; "" for `or`, `and` and `not`. */
  readonly relation: string;
  /** Undefined: unknown. */
  allowed: boolean | undefined;
  /** The stored subject that decided it: the subject itself, or a wildcard of its namespace. */
  stored?: Subject;
  /** Asked and shown elsewhere in this tree, or a cycle. */
  isRepeated?: true;
  readonly children: Trace[];
}

/** A record to hand to a check, which fills it in. */
export function beginTrace({ namespace, object, relation }: SubjectSet): Trace {
  return { kind: 'relation', namespace, object, relation, allowed: undefined, children: [] };
}

/** Notes a question about a relation below another; nothing when there is no record to keep. */
export function noteRelation(parent: Trace | undefined, on: SubjectSet): Trace | undefined {
  if (parent === undefined) return undefined;
  const trace = beginTrace(on);
  parent.children.push(trace);
  return trace;
}

/** Notes a part of a permit's expression, asked about an object. */
export function notePart(
  parent: Trace | undefined,
  { namespace, object }: { readonly namespace: string; readonly object: string },
  rewrite: Rewrite,
): Trace | undefined {
  if (parent === undefined) return undefined;
  const { kind } = rewrite;
  const relation = 'relation' in rewrite ? rewrite.relation : '';
  const trace: Trace = { kind, namespace, object, relation, allowed: undefined, children: [] };
  parent.children.push(trace);
  return trace;
}

/** Notes an answer, and passes it on. */
export function answered(trace: Trace | undefined, result: Result): Result {
  if (trace !== undefined) trace.allowed = result.verdict;
  return result;
}
