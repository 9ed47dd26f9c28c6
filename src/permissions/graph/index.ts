/** The door of the index of tuples. */
export { type GraphChange, type StoredTuple, TupleGraph } from './graph.ts';
export type { TuplePage } from './listing.ts';
export { CONTEXTUAL_TUPLES_MAX } from './overlay.ts';
export type { SnapshotView } from './view.ts';
