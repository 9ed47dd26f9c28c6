/**
 * The tuples as the edges between nodes: one record of 64 bytes each, in a table by (node, subject) and in two lists, that
 * of what is stored on its node and that of where its subject is held.
 *
 * INVARIANT: what a view at or after `horizon` sees is never freed, so an iterator that pauses on a tuple that its view
 * sees can go on from there, whatever was applied meanwhile; new tuples go in front of lists. A view before the horizon
 * gets an error, never an answer.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Subject, Tuple } from '../tuple.ts';
import type { HashKey } from './hash.ts';
import { PairTable } from './pair-table.ts';
import { brokenIndex, NONE, Rows } from './rows.ts';
import { SetKinds } from './set-kinds.ts';
import { SortedPages } from './sorted-pages.ts';
import { CREATED, DELETED, EXPIRES, SEQUENCE, type SeenVersion, Versions } from './versions.ts';
import { FIRST_HELD, FIRST_ID, FIRST_SET, Vertices } from './vertices.ts';

/** Int fields of a tuple; the floats of `versions.ts` lie below them. */
const NODE = 8;
const SUBJECT = 9;
const NEXT_ON_NODE = 10;
const PREVIOUS_ON_NODE = 11;
const NEXT_HELD = 12;
const PREVIOUS_HELD = 13;
const CHAIN = 14;
const OLDER = 15;
const STRIDE = 16;

const NEVER: number = Number.POSITIVE_INFINITY;

/** When a version was created, until when it is there, and its place in the order of insertion. */
export interface Lifetime {
  readonly createdRevision: number;
  /** Infinity: not deleted. */
  readonly deletedRevision: number;
  readonly sequence: number;
}

export class TupleStore {
  readonly vertices: Vertices;
  readonly #rows: Rows = new Rows(STRIDE);
  readonly #table: PairTable;
  readonly #versions: Versions = new Versions(this.#rows, OLDER);
  /** Every version by its sequence number. */
  readonly #order = new SortedPages();
  /** The tuple of every deleted version, by the revision of the deletion. */
  readonly #deleted = new SortedPages();
  readonly #setKinds = new SetKinds();
  #live = 0;
  #horizon = 0;

  constructor(key: HashKey) {
    this.vertices = new Vertices(key);
    this.#table = new PairTable(this.#rows, { first: NODE, second: SUBJECT, chain: CHAIN }, key);
  }

  /** Versions that are not deleted; expired ones are among them. */
  get live(): number {
    return this.#live;
  }

  get versions(): number {
    return this.#order.size;
  }

  /** Views before this revision have lost some of their tuples. */
  get horizon(): number {
    return this.#horizon;
  }

  get bytes(): number {
    const own = this.#rows.bytes + this.#table.bytes + this.#versions.bytes;
    return (
      own + this.#order.bytes + this.#deleted.bytes + this.#setKinds.bytes + this.vertices.bytes
    );
  }

  /** Throws `expired` for a revision before the horizon. */
  checkWindow(revision: number): void {
    if (revision < this.#horizon)
      throw new PosternError('expired', 'That revision is older than the history that is kept', {
        facts: { revision, oldest: this.#horizon },
      });
  }

  // Reading.

  findSubject(subject: Subject): number {
    if ('id' in subject) return this.vertices.findSubjectId(subject.id);
    const { namespace, object, relation } = subject.set;
    return this.vertices.findNode(namespace, object, relation);
  }

  /** The tuple of a node and a subject, or NONE. */
  find(node: number, subject: number): number {
    return node === NONE || subject === NONE ? NONE : this.#table.find(node, subject);
  }

  /** Whether a set of that kind is the subject of a tuple that is kept, in whichever version. */
  holdsSet(namespace: string, relation: string): boolean {
    const { vertices } = this;
    return this.#setKinds.has(vertices.findName(namespace), vertices.findName(relation));
  }

  isSeen(row: number, revision: number, nowMs: number): boolean {
    return this.#versions.isSeen(row, revision, nowMs);
  }

  seen(row: number, revision: number, nowMs: number): SeenVersion | undefined {
    return this.#versions.seen(row, revision, nowMs);
  }

  nodeOf(row: number): number {
    return this.#rows.int(row, NODE);
  }

  subjectOf(row: number): number {
    return this.#rows.int(row, SUBJECT);
  }

  /** The next tuple in one of the lists that `Vertices.head` begins. */
  next(row: number, list: number): number {
    return this.#rows.int(row, list === FIRST_HELD ? NEXT_HELD : NEXT_ON_NODE);
  }

  subject(node: number): Subject {
    const { vertices } = this;
    return vertices.isSubjectId(node) ? { id: vertices.label(node) } : { set: vertices.set(node) };
  }

  tuple(row: number, version: SeenVersion): Tuple {
    const { expiresAtMs } = version;
    return {
      ...this.vertices.set(this.nodeOf(row)),
      subject: this.subject(this.subjectOf(row)),
      ...(expiresAtMs === NEVER ? {} : { expiresAtMs }),
    };
  }

  /** Visits (sequence, tuple) of every version after a sequence number, in order, until the visitor answers false. */
  visitAfter(sequence: number, visit: (sequence: number, row: number) => boolean): void {
    this.#order.visitAfter(sequence, visit);
  }

  hasSequence(sequence: number): boolean {
    return this.#order.has(sequence);
  }

  // Writing.

  /** Ends the newest version of a tuple at a revision; nothing happens when there is none that lives. */
  end(tuple: Tuple, revision: number): void {
    const node = this.vertices.findNode(tuple.namespace, tuple.object, tuple.relation);
    const row = this.find(node, this.findSubject(tuple.subject));
    if (row !== NONE) this.#end(row, revision);
  }

  /**
   * Adds a version. One that lives with the same expiry stays as it is; with another expiry it ends where the new one
   * begins. Throws `internal` for a version that begins before the one known ends.
   */
  add(tuple: Tuple, life: Lifetime): void {
    const expiresAtMs = tuple.expiresAtMs ?? NEVER;
    const node = this.vertices.claimNode(tuple);
    const subject =
      'id' in tuple.subject
        ? this.vertices.claimSubjectId(tuple.subject.id)
        : this.vertices.claimNode(tuple.subject.set);
    let row = this.#table.find(node, subject);
    if (row === NONE) row = this.#link(node, subject);
    else if (this.#isKept(row, expiresAtMs, life)) return;
    else this.#versions.push(row);
    this.#rows.setFloat(row, CREATED, life.createdRevision);
    this.#rows.setFloat(row, DELETED, NEVER);
    this.#rows.setFloat(row, EXPIRES, expiresAtMs);
    this.#rows.setFloat(row, SEQUENCE, life.sequence);
    this.#order.insert(life.sequence, row);
    this.#live++;
    if (life.deletedRevision !== NEVER) this.#end(row, life.deletedRevision);
  }

  /**
   * Frees at most `most` versions that were deleted at or before a revision, which becomes the horizon; answers how many
   * are left.
   */
  forget(revision: number, most: number): number {
    this.#horizon = Math.max(this.#horizon, revision);
    for (let freed = 0; freed < most; freed++) {
      const entry = this.#deleted.shift(this.#horizon);
      if (entry === undefined) return 0;
      const sequence = this.#versions.shift(entry.value);
      this.#order.remove(sequence ?? this.#rows.float(entry.value, SEQUENCE));
      if (sequence === undefined) this.#unlink(entry.value);
    }
    return this.#deleted.countUpTo(this.#horizon);
  }

  #end(row: number, revision: number): void {
    if (this.#rows.float(row, DELETED) !== NEVER) return;
    this.#rows.setFloat(row, DELETED, revision);
    this.#deleted.insert(revision, row);
    this.#live--;
  }

  /** Whether the newest version is what is to be added; readies it to be followed by another where it is not. */
  #isKept(row: number, expiresAtMs: number, life: Lifetime): boolean {
    const created = this.#rows.float(row, CREATED);
    const isLive = this.#rows.float(row, DELETED) === NEVER;
    if (isLive && life.deletedRevision === NEVER) {
      if (this.#rows.float(row, EXPIRES) === expiresAtMs) return true;
      if (created === life.createdRevision) {
        // Said twice in one revision: nobody has seen the first one yet.
        this.#rows.setFloat(row, EXPIRES, expiresAtMs);
        return true;
      }
      this.#end(row, life.createdRevision);
    }
    if (this.#rows.float(row, DELETED) > life.createdRevision || created >= life.createdRevision)
      throw brokenIndex('two versions of a tuple overlap');
    return false;
  }

  #link(node: number, subject: number): number {
    const row = this.#rows.allocate();
    this.#rows.setInt(row, NODE, node);
    this.#rows.setInt(row, SUBJECT, subject);
    this.#table.add(row);
    this.#prepend(row, node, this.#listOf(subject), NEXT_ON_NODE, PREVIOUS_ON_NODE);
    this.#prepend(row, subject, FIRST_HELD, NEXT_HELD, PREVIOUS_HELD);
    if (!this.vertices.isSubjectId(subject)) {
      const { namespace, relation } = this.vertices.kindOf(subject);
      this.#setKinds.add(namespace, relation);
    }
    return row;
  }

  #unlink(row: number): void {
    const node = this.nodeOf(row);
    const subject = this.subjectOf(row);
    if (!this.vertices.isSubjectId(subject)) {
      const { namespace, relation } = this.vertices.kindOf(subject);
      this.#setKinds.remove(namespace, relation);
    }
    this.#table.remove(row);
    this.#detach(row, node, this.#listOf(subject), NEXT_ON_NODE, PREVIOUS_ON_NODE);
    this.#detach(row, subject, FIRST_HELD, NEXT_HELD, PREVIOUS_HELD);
    this.#rows.release(row);
    this.vertices.releaseUnused(node);
    if (subject !== node) this.vertices.releaseUnused(subject);
  }

  #listOf(subject: number): number {
    return this.vertices.isSubjectId(subject) ? FIRST_ID : FIRST_SET;
  }

  #prepend(row: number, node: number, list: number, next: number, previous: number): void {
    const head = this.vertices.head(node, list);
    this.#rows.setInt(row, next, head);
    if (head !== NONE) this.#rows.setInt(head, previous, row);
    this.vertices.setHead(node, list, row);
  }

  #detach(row: number, node: number, list: number, next: number, previous: number): void {
    const after = this.#rows.int(row, next);
    const before = this.#rows.int(row, previous);
    if (after !== NONE) this.#rows.setInt(after, previous, before);
    if (before !== NONE) this.#rows.setInt(before, next, after);
    else this.vertices.setHead(node, list, after);
  }
}
