export { type Compiled, compileModel } from './compile.ts';
export { formatModel } from './format.ts';
export { modelOfNames, namesOfSource } from './names.ts';
export type { Position, Problem } from './problem.ts';
