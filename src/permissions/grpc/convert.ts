/**
 * Protobuf messages of both packages as the domain's values, and back. The messages of the older package are a subset of
 * the newer one's, so that the same functions read both. It must never read a subject that is not there as one that
 * matches everything where something would be deleted.
 */
import { PosternError } from '../../kernel/index.ts';
import type { ExpandTree } from '../engine/expand.ts';
import type { AskOptions } from '../permissions.ts';
import type { Subject, SubjectSet, Tuple, TupleQuery } from '../tuple.ts';
import { invalidArgument } from './errors.ts';
import { NodeType } from './gen/ory/keto/relation_tuples/v1alpha2/expand_service_pb.ts';

/** A Subject message of either package. */
export interface SubjectMessage {
  readonly ref:
    | { readonly case: 'id'; readonly value: string }
    | { readonly case: 'set'; readonly value: SubjectSet }
    | { readonly case: undefined; readonly value?: undefined };
}

/** A RelationTuple message of either package, or a CheckRequest with the fields of one. */
export interface TupleMessage {
  readonly namespace: string;
  readonly object: string;
  readonly relation: string;
  readonly subject?: SubjectMessage | undefined;
}

/** A RelationQuery message. */
export interface QueryMessage {
  readonly namespace?: string | undefined;
  readonly object?: string | undefined;
  readonly relation?: string | undefined;
  readonly subject?: SubjectMessage | undefined;
}

/** What Keto sends, and ignores, in place of a token. */
const NO_TOKEN = 'not yet implemented';
/** Protobuf libraries refuse messages that are nested deeper, many of them at a tenth of it. */
const TREE_LEVELS_MAX = 1_000;

function readSet({ namespace, object, relation }: SubjectSet): SubjectSet {
  return { namespace, object, relation };
}

/** Undefined for a message without a subject in it. */
export function readSubject(message: SubjectMessage | undefined): Subject | undefined {
  const ref = message?.ref;
  if (ref?.case === 'id') return { id: ref.value };
  return ref?.case === 'set' ? { set: readSet(ref.value) } : undefined;
}

/** Throws INVALID_ARGUMENT for a subject that is not there. */
export function needSubject(message: SubjectMessage | undefined): Subject {
  const subject = readSubject(message);
  if (subject === undefined) throw invalidArgument('subject is not allowed to be nil');
  return subject;
}

/** Throws INVALID_ARGUMENT for a tuple, or a subject in it, that is not there. */
export function readTuple(message: TupleMessage | undefined): Tuple {
  const subject = needSubject(message?.subject);
  const { namespace = '', object = '', relation = '' } = message ?? {};
  return { namespace, object, relation, subject };
}

/** A RelationQuery: what is set filters, also when it is empty. */
function readQuery(message: QueryMessage): TupleQuery {
  const { namespace, object, relation } = message;
  const subject = readSubject(message.subject);
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(object === undefined ? {} : { object }),
    ...(relation === undefined ? {} : { relation }),
    ...(subject === undefined ? {} : { subject }),
  };
}

/** A deprecated Query, which has no other way to leave a name open than to leave it empty. */
function readOldQuery(message: TupleMessage): TupleQuery {
  const { namespace, object, relation, subject } = message;
  return readQuery({
    ...(namespace === '' ? {} : { namespace }),
    ...(object === '' ? {} : { object }),
    ...(relation === '' ? {} : { relation }),
    ...(subject === undefined ? {} : { subject }),
  });
}

/** What of a request says which tuples it means: in today's form, or in the deprecated one. */
export interface FilterMessage {
  readonly query?: TupleMessage | undefined;
  readonly relationQuery?: QueryMessage | undefined;
}

/** Undefined for a request that says nothing, which is not the same as one that means all. */
export function readFilter({ query, relationQuery }: FilterMessage): TupleQuery | undefined {
  if (relationQuery !== undefined) return readQuery(relationQuery);
  return query === undefined ? undefined : readOldQuery(query);
}

/** What of a request says how to answer it. The older package's requests have less of it. */
export interface AskMessage {
  readonly latest?: boolean;
  readonly snaptoken?: string;
  readonly maxDepth?: number;
}

/** Keto's rule: a depth counts when it is between 1 and the server's own. */
export function readOptions(message: AskMessage, maxReadDepth: number | undefined): AskOptions {
  const { latest = false, snaptoken = '', maxDepth: asked = 0 } = message;
  const isOwn = asked >= 1 && asked <= (maxReadDepth ?? Number.POSITIVE_INFINITY);
  const maxDepth = isOwn ? asked : maxReadDepth;
  const hasToken = snaptoken !== '' && snaptoken !== NO_TOKEN;
  return {
    ...(maxDepth === undefined ? {} : { maxDepth }),
    ...(latest
      ? { consistency: { mode: 'fully_consistent' } }
      : hasToken
        ? { consistency: { mode: 'at_least_as_fresh', token: snaptoken } }
        : {}),
  };
}

export type SubjectInit = {
  ref: { case: 'id'; value: string } | { case: 'set'; value: SubjectSet };
};

/** The Subject message of a subject. */
export function writeSubject(s: Subject): SubjectInit {
  return 'id' in s
    ? { ref: { case: 'id', value: s.id } }
    : { ref: { case: 'set', value: readSet(s.set) } };
}

/** The RelationTuple message of a tuple. */
export function writeTuple(t: Tuple): {
  namespace: string;
  object: string;
  relation: string;
  subject: SubjectInit;
} {
  const { namespace, object, relation } = t;
  return { namespace, object, relation, subject: writeSubject(t.subject) };
}

const NODE_TYPES: Readonly<Partial<Record<ExpandTree['type'], NodeType>>> = {
  union: NodeType.UNION,
  exclusion: NodeType.EXCLUSION,
  intersection: NodeType.INTERSECTION,
  leaf: NodeType.LEAF,
};

export interface TreeInit {
  nodeType: NodeType;
  tuple: { subject: SubjectInit | Record<string, never> };
  subject?: SubjectInit;
  children: TreeInit[];
}

/** The SubjectTree message of a tree. Throws `exhausted` for one that is too deep to be read by anybody. */
export function writeTree(tree: ExpandTree, levels: number = TREE_LEVELS_MAX): TreeInit {
  if (levels === 0)
    throw new PosternError('exhausted', 'The tree is too deep', {
      facts: { reason: 'max_depth_exceeded' },
      hint: 'Ask with a max_depth',
    });
  const subject = tree.subject === undefined ? undefined : writeSubject(tree.subject);
  return {
    nodeType:
      tree.children.length === 0 ? NodeType.LEAF : (NODE_TYPES[tree.type] ?? NodeType.UNSPECIFIED),
    // Keto's own clients read tuple.subject without looking whether it is there.
    tuple: { subject: subject ?? {} },
    ...(subject === undefined ? {} : { subject }),
    children: tree.children.map((child) => writeTree(child, levels - 1)),
  };
}
