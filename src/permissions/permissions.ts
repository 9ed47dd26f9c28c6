/**
 * What the permissions domain offers to its surfaces (REST, gRPC, the command line's API) and to the rest of the server.
 * Foreign names and shapes (Keto's JSON, protobuf, HTTP statuses) stay in `http/` and `grpc/`.
 *
 * Every answer is of one revision and carries the token (zookie) of it. Errors: `invalid` malformed input or an undeclared
 * relation; `not_found` an unknown namespace (facts.namespace); `exhausted` a check that could not be completed
 * (facts.reason: max_depth_exceeded, max_width_exceeded, max_steps_exceeded, negative_cycle) or a full store;
 * `expired` a token or cursor out of the window; `conflict` a precondition that did not hold, or an idempotency key used
 * for another request; `unavailable` a revision that this server can't reach in time.
 */

import type { Trace } from './engine/check.ts';
import type { ExpandTree } from './engine/expand.ts';
import type { Problem } from './language/problem.ts';
import type { Model } from './model.ts';
import type { Subject, SubjectSet, Tuple, TupleQuery } from './tuple.ts';

/** How fresh an answer must be (SpiceDB's modes). A token is opaque text; "" is none. */
export type Consistency =
  | { readonly mode: 'minimize_latency' | 'fully_consistent' }
  | { readonly mode: 'at_least_as_fresh' | 'at_exact_snapshot'; readonly token: string };

export interface AskOptions {
  /** Default: minimize_latency. */
  readonly consistency?: Consistency;
  /** Taken as stored for this question alone; at most 100. */
  readonly contextualTuples?: readonly Tuple[];
  /** Keto's depth; 0 and absent mean none of its own. */
  readonly maxDepth?: number;
  /** A model version to ask under, in place of the one that was current at the revision. */
  readonly modelId?: string;
  /** Whether nobody waits for the answer any more; asked while a long question waits and works. */
  readonly isAbandoned?: () => boolean;
}

export interface PageOptions {
  /** 1 to 500; 100 when absent. Larger values are lowered to 500. */
  readonly pageSize?: number;
  /** From the answer before; "" is none. It fixes the revision of the list. */
  readonly pageToken?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** "" on the last page. */
  readonly nextPageToken: string;
  readonly token: string;
}

/** Who writes, for the audit log. */
export interface Writer {
  readonly id: string;
}

export interface WriteRequest {
  readonly inserts: readonly Tuple[];
  /** Done after all inserts: a tuple that is in both ends deleted. */
  readonly deletes: readonly Tuple[];
  /** Filters that must, or must not, match a tuple before the write; else `conflict`. At most 1000. */
  readonly preconditions?: readonly { readonly matches: boolean; readonly query: TupleQuery }[];
  /** The same key with the same request within 24 h answers the first answer again, and writes nothing. */
  readonly idempotencyKey?: string;
  /** Refuse with `invalid` what the model does not declare: relations, permits, subject types. */
  readonly isValidated?: boolean;
}

export interface Change {
  readonly operation: 'insert' | 'delete';
  readonly tuple: Tuple;
  /** Of the transaction; changes of one transaction share it. */
  readonly revision: number;
  /** The token of that revision. */
  readonly token: string;
  readonly atMs: number;
}

export interface ModelVersion {
  readonly id: string;
  /** `opl` the permission language; `names` a legacy list of namespace names, one a line. */
  readonly kind: 'opl' | 'names';
  readonly source: string;
  readonly model: Model;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

export interface Permissions {
  check(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{ allowed: boolean; token: string }>;
  /** One revision and one memo for all; answers in the order of the questions. More than the limit is `invalid`. */
  batchCheck(
    questions: readonly { readonly on: SubjectSet; readonly subject: Subject }[],
    o?: AskOptions,
  ): Promise<{
    results: readonly { readonly allowed: boolean; readonly error?: Error }[];
    token: string;
  }>;
  explain(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{
    allowed: boolean | undefined;
    trace: Trace;
    error?: Error;
    steps: number;
    token: string;
  }>;
  expand(subject: Subject, o?: AskOptions): Promise<{ tree: ExpandTree; token: string }>;
  /** `listed` in insertion order; without a filter everything, also tuples of namespaces no longer declared. */
  listTuples(query: TupleQuery, o?: AskOptions & PageOptions): Promise<Page<Tuple>>;
  /** Exactly the objects for which check is true, each once, sorted. */
  listObjects(
    question: { readonly namespace: string; readonly relation: string; readonly subject: Subject },
    o?: AskOptions & PageOptions,
  ): Promise<Page<string>>;
  /** Exactly the subject ids, or with `subjectNamespace` the plain objects of it, for which check is true. */
  listSubjects(
    question: { readonly on: SubjectSet; readonly subjectNamespace?: string },
    o?: AskOptions & PageOptions,
  ): Promise<Page<Subject>>;

  /** One transaction, durable when it resolves. The token is of its revision; a write that changes nothing has the latest. */
  write(request: WriteRequest, by: Writer): Promise<{ token: string; revision: number }>;
  /** Deletes what matches, in one transaction; answers how many. */
  deleteMatching(query: TupleQuery, by: Writer): Promise<{ deleted: number; token: string }>;
  /** Changes after a cursor, in commit order, each once; resolves at once with what there is, at most `limit`. */
  changes(cursor: string, limit?: number): Promise<{ changes: readonly Change[]; cursor: string }>;
  /** A cursor that stands after everything that is committed now. */
  headCursor(): Promise<string>;
  /** Calls back when there may be more to read by `changes`. Returns its undoing. */
  onChange(listener: () => void): () => void;

  /** The names of the current model's namespaces, sorted. */
  namespaces(): readonly string[];
  /** The current model. */
  currentModel(): ModelVersion | undefined;
  /** Newest first. */
  listModels(): Promise<readonly Omit<ModelVersion, 'model'>[]>;
  /** Throws `not_found`. */
  getModel(id: string): Promise<ModelVersion>;
  /**
   * Checks the source and makes it the current model. The same source again changes nothing. Throws `invalid` with the
   * problems, `conflict` when it would orphan stored tuples (facts name an example).
   */
  applyModel(source: string, kind: ModelVersion['kind'], by: Writer): Promise<ModelVersion>;
  /** Every problem and warning of a source in the permission language. */
  checkModel(source: string): readonly Problem[];

  status(): Promise<PermissionsStatus>;
}

export interface PermissionsStatus {
  readonly revision: number;
  readonly modelId: string | undefined;
  readonly tuples: number;
  /** Live and historic tuples in memory, and what they take. */
  readonly storedVersions: number;
  readonly memoryBytes: number;
  readonly memoryBudgetBytes: number;
  readonly historyWindowMs: number;
}
