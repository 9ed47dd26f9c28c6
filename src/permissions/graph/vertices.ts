/**
 * The places of the graph. A node is one `namespace:object#relation`, or a subject id; an object is what the nodes of one
 * `namespace:object` hang on. Nodes and objects are there as long as a tuple has to do with them, and not longer.
 *
 * Lists may be read by someone who pauses in the middle: new nodes go in front, and what he stands on is never freed
 * (see `tuple-store.ts`), so the way on from there is always right.
 */
import type { SubjectSet } from '../tuple.ts';
import type { HashKey } from './hash.ts';
import { Interner } from './interner.ts';
import { PairTable } from './pair-table.ts';
import { NONE, Rows } from './rows.ts';

/** Fields of an object. */
const NAMESPACE = 0;
const NAME = 1;
const OBJECT_CHAIN = 2;
const FIRST_NODE = 3;
const NEXT_OBJECT = 4;
const PREVIOUS_OBJECT = 5;
const OBJECT_STRIDE = 6;

/** Fields of a node. Its object: NONE's stand-in, the anchor, for a subject id. */
const OBJECT = 0;
/** The relation, or the subject id. */
const LABEL = 1;
const NODE_CHAIN = 2;
const NEXT_NODE = 3;
const PREVIOUS_NODE = 4;
/** Heads of lists of tuples: subject ids on the node, sets on the node, and tuples whose subject the node is. */
export const FIRST_ID = 5;
export const FIRST_SET = 6;
export const FIRST_HELD = 7;
const NODE_STRIDE = 8;

export class Vertices {
  readonly #names: Interner;
  readonly #objects: Rows = new Rows(OBJECT_STRIDE);
  readonly #objectTable: PairTable;
  /** Number of a namespace's name to its first object. */
  readonly #namespaces = new Map<number, number>();
  readonly #nodes: Rows = new Rows(NODE_STRIDE);
  readonly #nodeTable: PairTable;
  /** The object without a name on which all subject ids hang. */
  readonly #anchor: number;

  constructor(key: HashKey) {
    this.#names = new Interner(key);
    const objectKey = { first: NAMESPACE, second: NAME, chain: OBJECT_CHAIN };
    this.#objectTable = new PairTable(this.#objects, objectKey, key);
    const nodeKey = { first: OBJECT, second: LABEL, chain: NODE_CHAIN };
    this.#nodeTable = new PairTable(this.#nodes, nodeKey, key);
    this.#anchor = this.#objects.allocate();
  }

  get bytes(): number {
    const tables = this.#objectTable.bytes + this.#nodeTable.bytes;
    return this.#names.bytes + this.#objects.bytes + this.#nodes.bytes + tables;
  }

  /** Names, objects and nodes in use. */
  get counts(): { readonly names: number; readonly objects: number; readonly nodes: number } {
    const objects = this.#objects.used - 1;
    return { names: this.#names.size, objects, nodes: this.#nodes.used };
  }

  findObject(namespace: string, object: string): number {
    const first = this.#names.find(namespace);
    if (first === NONE) return NONE;
    const second = this.#names.find(object);
    return second === NONE ? NONE : this.#objectTable.find(first, second);
  }

  findNode(namespace: string, object: string, relation: string): number {
    const parent = this.findObject(namespace, object);
    return parent === NONE ? NONE : this.#findOn(parent, relation);
  }

  findSubjectId(id: string): number {
    return this.#findOn(this.#anchor, id);
  }

  /** The node, made when it isn't there. The caller puts a tuple on it, or calls `releaseUnused`. */
  claimNode({ namespace, object, relation }: SubjectSet): number {
    return this.#claimOn(this.#claimObject(namespace, object), relation);
  }

  claimSubjectId(id: string): number {
    return this.#claimOn(this.#anchor, id);
  }

  /** Frees a node, its object and their names when no tuple has to do with them any more. */
  releaseUnused(node: number): void {
    for (const list of [FIRST_ID, FIRST_SET, FIRST_HELD])
      if (this.#nodes.int(node, list) !== NONE) return;
    const object = this.#nodes.int(node, OBJECT);
    const next = this.#nodes.int(node, NEXT_NODE);
    const previous = this.#nodes.int(node, PREVIOUS_NODE);
    if (next !== NONE) this.#nodes.setInt(next, PREVIOUS_NODE, previous);
    if (previous !== NONE) this.#nodes.setInt(previous, NEXT_NODE, next);
    else this.#objects.setInt(object, FIRST_NODE, next);
    this.#nodeTable.remove(node);
    this.#names.release(this.#nodes.int(node, LABEL));
    this.#nodes.release(node);
    if (previous === NONE && next === NONE && object !== this.#anchor) this.#releaseObject(object);
  }

  isSubjectId(node: number): boolean {
    return this.#nodes.int(node, OBJECT) === this.#anchor;
  }

  /** The relation of a node, or the id of a subject id. */
  label(node: number): string {
    return this.#names.text(this.#nodes.int(node, LABEL));
  }

  /** The kind of set that a node stands for: the numbers of its namespace's and its relation's name. */
  kindOf(node: number): { readonly namespace: number; readonly relation: number } {
    const object = this.#nodes.int(node, OBJECT);
    const namespace = this.#objects.int(object, NAMESPACE);
    return { namespace, relation: this.#nodes.int(node, LABEL) };
  }

  /** The number of a name, or NONE where nothing has it. */
  findName(name: string): number {
    return this.#names.find(name);
  }

  set(node: number): SubjectSet {
    const object = this.#nodes.int(node, OBJECT);
    const namespace = this.#names.text(this.#objects.int(object, NAMESPACE));
    return { namespace, object: this.objectName(object), relation: this.label(node) };
  }

  objectName(object: number): string {
    return this.#names.text(this.#objects.int(object, NAME));
  }

  /** The head of one of a node's lists of tuples: FIRST_ID, FIRST_SET or FIRST_HELD. */
  head(node: number, list: number): number {
    return this.#nodes.int(node, list);
  }

  setHead(node: number, list: number, row: number): void {
    this.#nodes.setInt(node, list, row);
  }

  firstObject(namespace: string): number {
    return this.#namespaces.get(this.#names.find(namespace)) ?? NONE;
  }

  nextObject(object: number): number {
    return this.#objects.int(object, NEXT_OBJECT);
  }

  firstNode(object: number): number {
    return this.#objects.int(object, FIRST_NODE);
  }

  firstSubjectId(): number {
    return this.firstNode(this.#anchor);
  }

  nextNode(node: number): number {
    return this.#nodes.int(node, NEXT_NODE);
  }

  #findOn(object: number, label: string): number {
    const name = this.#names.find(label);
    return name === NONE ? NONE : this.#nodeTable.find(object, name);
  }

  #claimOn(object: number, label: string): number {
    const name = this.#names.claim(label);
    const known = this.#nodeTable.find(object, name);
    if (known !== NONE) {
      this.#names.release(name);
      return known;
    }
    const node = this.#nodes.allocate();
    const next = this.#objects.int(object, FIRST_NODE);
    this.#nodes.setInt(node, OBJECT, object);
    this.#nodes.setInt(node, LABEL, name);
    this.#nodes.setInt(node, NEXT_NODE, next);
    if (next !== NONE) this.#nodes.setInt(next, PREVIOUS_NODE, node);
    this.#objects.setInt(object, FIRST_NODE, node);
    this.#nodeTable.add(node);
    return node;
  }

  #claimObject(namespaceName: string, objectName: string): number {
    const namespace = this.#names.claim(namespaceName);
    const name = this.#names.claim(objectName);
    const known = this.#objectTable.find(namespace, name);
    if (known !== NONE) {
      this.#names.release(namespace);
      this.#names.release(name);
      return known;
    }
    const object = this.#objects.allocate();
    const next = this.#namespaces.get(namespace) ?? NONE;
    this.#objects.setInt(object, NAMESPACE, namespace);
    this.#objects.setInt(object, NAME, name);
    this.#objects.setInt(object, NEXT_OBJECT, next);
    if (next !== NONE) this.#objects.setInt(next, PREVIOUS_OBJECT, object);
    this.#namespaces.set(namespace, object);
    this.#objectTable.add(object);
    return object;
  }

  #releaseObject(object: number): void {
    const namespace = this.#objects.int(object, NAMESPACE);
    const next = this.#objects.int(object, NEXT_OBJECT);
    const previous = this.#objects.int(object, PREVIOUS_OBJECT);
    if (next !== NONE) this.#objects.setInt(next, PREVIOUS_OBJECT, previous);
    if (previous !== NONE) this.#objects.setInt(previous, NEXT_OBJECT, next);
    else if (next !== NONE) this.#namespaces.set(namespace, next);
    else this.#namespaces.delete(namespace);
    this.#objectTable.remove(object);
    this.#names.release(namespace);
    this.#names.release(this.#objects.int(object, NAME));
    this.#objects.release(object);
  }
}
