/**
 * A test world: a model, tuples, and what must come of them, all in one YAML file that `postern permission test` runs
 * without a server. Here are the types alone; `postern-format.ts`, `openfga.ts` and `spicedb.ts` read the three formats into
 * them and `run.ts` asks. Nothing of a world ever reaches a server.
 *
 * Postern's own format, every key (the guide with examples is docs/permission-tests.md):
 *
 *     name: text                     shown in the report
 *     model: text                    in the permission language; or
 *     model_file: path               beside the world; or
 *     namespaces: [name, …]          without relations, as Keto's legacy configuration
 *     strict: false                  Keto's strict mode
 *     tuples: [TUPLE, …]             stored for every test
 *     tests:
 *       - name: text
 *         now: 2030-01-01T00:00:00Z  the instant at which `expires_at` is judged; the present without it
 *         tuples: [TUPLE, …]         stored for this test too
 *         check: [{tuple: TUPLE, expect: true|false}, …]   or   {allowed: [TUPLE, …], denied: [TUPLE, …]}
 *         list_objects: [{namespace, relation, subject: SUBJECT, expect: [object, …]}]
 *         list_subjects: [{namespace, object, relation, subject_namespace?, expect: [SUBJECT, …]}]
 *
 * A TUPLE is `namespace:object#relation@subject` or a map of `namespace`, `object`, `relation`, `subject_id` or
 * `subject_set: {namespace, object, relation}`, and `expires_at`. A SUBJECT is text or a map of one of those two. Lists are
 * sets: order and repetition do not matter, and what is missing or too much fails. A key that is not here is an error.
 */

import type { Problem } from '../language/problem.ts';
import type { Model } from '../model.ts';
import type { Subject, SubjectSet, Tuple } from '../tuple.ts';

export const WORLD_FORMATS = ['postern', 'openfga', 'spicedb'] as const;
export type WorldFormat = (typeof WORLD_FORMATS)[number];

export interface World {
  readonly format: WorldFormat;
  readonly name: string;
  readonly model: Model;
  /** What the compiler warned of. */
  readonly warnings: readonly Problem[];
  readonly isStrict: boolean;
  readonly tuples: readonly Tuple[];
  readonly tests: readonly WorldTest[];
}

export interface WorldTest {
  readonly name: string;
  readonly tuples: readonly Tuple[];
  /** When the test takes place; absent: at the present. */
  readonly nowMs?: number;
  readonly assertions: readonly Assertion[];
}

/** `text` is the question as its author wrote it, or near to that. */
export type Assertion =
  | {
      readonly kind: 'check';
      readonly text: string;
      readonly on: SubjectSet;
      readonly subject: Subject;
      readonly expect: boolean;
    }
  | {
      readonly kind: 'list_objects';
      readonly text: string;
      readonly namespace: string;
      readonly relation: string;
      readonly subject: Subject;
      readonly expect: readonly string[];
    }
  | {
      readonly kind: 'list_subjects';
      readonly text: string;
      readonly on: SubjectSet;
      /** Which subjects are asked for; absent: plain ids. */
      readonly of?: SubjectFilter;
      readonly expect: readonly Subject[];
      /** Where `namespace:*` is expected, those whom it covers need not be named, as OpenFGA and SpiceDB list. */
      readonly mayCover?: true;
    };

/** Sets of one namespace with one relation; "" for the objects themselves. */
export interface SubjectFilter {
  readonly namespace: string;
  readonly relation: string;
}

/** The compiler of the permission language (`language/`), which the caller brings. */
export type CompileModel = (source: string) => {
  readonly model: Model | undefined;
  readonly problems: readonly Problem[];
};

/** What reading a world needs of the outside. */
export interface WorldEnvironment {
  readonly compile: CompileModel;
  /** The text of a file that the world names, relative to the world. Throws when it can't be read. */
  readonly readFile: (path: string) => string;
}
