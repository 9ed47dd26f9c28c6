/** The engine's offers: checks, trees and lists over a view of the tuples. */
export {
  CheckEvaluator,
  type CheckLimits,
  type Trace,
  type UnknownReason,
} from './check.ts';
export { type ExpandLimits, type ExpandTree, expand } from './expand.ts';
export { listObjects, type ObjectsQuestion } from './list-objects.ts';
export { listSubjects, type SubjectsQuestion } from './list-subjects.ts';
export { beginTrace } from './trace.ts';
export type { TupleView } from './view.ts';
