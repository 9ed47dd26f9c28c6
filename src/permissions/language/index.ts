/** The door of the permission language. */
export { compileModel, modelOfNames } from './compile.ts';
export { formatModel } from './format.ts';
export type { Position, Problem } from './problem.ts';
