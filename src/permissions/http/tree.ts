/**
 * The JSON of trees: what expand and explain show. Printed without recursion, because a tree may be deeper than the stack,
 * and the printer of the language would fail on it.
 */
import type { Trace } from '../engine/check.ts';
import type { ExpandTree } from '../engine/expand.ts';
import { printSubject } from '../tuple.ts';
import { type JsonObject, subjectJson } from './tuple-json.ts';

interface Node<T> {
  readonly children: readonly T[];
}

/** Prints a tree; `head` gives a node's own fields, at least one. Nodes without children get no `children`. */
function printTree<T extends Node<T>>(root: T, head: (node: T) => JsonObject): string {
  const out: string[] = [];
  const open: { readonly children: readonly T[]; next: number }[] = [];
  const begin = (node: T): void => {
    const fields = JSON.stringify(head(node));
    if (node.children.length === 0) {
      out.push(fields);
      return;
    }
    out.push(fields.slice(0, -1), ',"children":[');
    open.push({ children: node.children, next: 0 });
  };
  begin(root);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const child = top.children[top.next];
    if (child === undefined) {
      out.push(']}');
      open.pop();
      continue;
    }
    if (top.next++ > 0) out.push(',');
    begin(child);
  }
  return out.join('');
}

/** A node without children is a leaf, whatever it was. */
const typeOf = (node: ExpandTree): string => (node.children.length === 0 ? 'leaf' : node.type);

/** Beside Keto's fields: why a node stands for more than is below it. */
const cutOff = ({ truncated }: ExpandTree): JsonObject =>
  truncated === undefined ? {} : { truncated };

/** Keto's tree: subjects sit in a tuple whose own fields are empty. */
export function expandJson(tree: ExpandTree): string {
  return printTree(tree, (node) => ({
    type: typeOf(node),
    tuple: {
      namespace: '',
      object: '',
      relation: '',
      ...(node.subject === undefined ? {} : subjectJson(node.subject)),
    },
    ...cutOff(node),
  }));
}

/** The tree up to Keto 0.8: the subject in the node itself; as text, too, which the oldest clients read. */
export function legacyExpandJson(tree: ExpandTree): string {
  return printTree(tree, (node) => ({
    type: typeOf(node),
    ...(node.subject === undefined
      ? {}
      : { subject: printSubject(node.subject), ...subjectJson(node.subject) }),
    ...cutOff(node),
  }));
}

/** What a check rested on. */
export function traceJson(trace: Trace): string {
  return printTree(trace, (node) => ({
    type: node.kind,
    namespace: node.namespace,
    object: node.object,
    relation: node.relation,
    allowed: node.allowed ?? null,
    ...(node.stored === undefined ? {} : { stored: subjectJson(node.stored) }),
    ...(node.isRepeated === true ? { repeated: true } : {}),
  }));
}
