/**
 * The light door of the permissions domain, for the command line: tuples and their notation at once, the language and the
 * test worlds when a command needs them. It must never load the store, the engine or a listener by itself.
 */
export type { Problem } from './language/problem.ts';
export {
  parseSubject,
  parseTuple,
  printSubject,
  printTuple,
  type Subject,
  type SubjectSet,
  type Tuple,
} from './tuple.ts';
export type { AssertionReport, WorldFormat, WorldReport } from './worlds/index.ts';

type Language = typeof import('./language/index.ts');
type Worlds = typeof import('./worlds/index.ts');

/** Loads the compiler and the formatter of the permission language. */
export const loadLanguage = (): Promise<Language> => import('./language/index.ts');
/** Loads what reads and runs test worlds. */
export const loadWorlds = (): Promise<Worlds> => import('./worlds/index.ts');
