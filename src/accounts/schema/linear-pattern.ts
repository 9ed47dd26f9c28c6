/**
 * The patterns of an identity schema, run by an engine that takes time in proportion to the text (re2js, a port of RE2,
 * whose syntax is Go's and so Kratos's). JavaScript's own engine backtracks: with `^(a+)+$` thirty letters of anybody's
 * hold the whole process. What such an engine can not do (look-around, back-references) is refused when the schema is read.
 */
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { PosternError } from '../../kernel/index.ts';

/** Beyond, compiling alone would take long; nobody reads such a pattern either. */
const PATTERN_LENGTH_MAX = 4_096;

type Engine = { readonly RE2JS: typeof RE2JS };

let loaded: Engine | undefined;
/** Loaded with the first pattern: most schemas have none. */
function engine(): Engine['RE2JS'] {
  // The package's own types name what its entry exports.
  loaded ??= createRequire(import.meta.url)('re2js') as Engine;
  return loaded.RE2JS;
}

export interface LinearPattern {
  test(text: string): boolean;
}

/** Compiles a pattern, as Go reads it or else as JavaScript does. Throws `invalid` for what takes more than linear time. */
export function linearPattern(source: string): LinearPattern {
  if (source.length > PATTERN_LENGTH_MAX) throw refusal(source, 'it is too long');
  const re2 = engine();
  const compiled = attempt(() => re2.compile(source));
  if (!(compiled instanceof Error)) return { test: (text) => compiled.matcher(text).find() };
  // Spellings that only JavaScript has, such as \u00e9.
  const translated = attempt(() => re2.compile(re2.translateRegExp(source)));
  if (translated instanceof Error) throw refusal(source, compiled.message);
  return { test: (text) => translated.matcher(text).find() };
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (reason) {
    return reason instanceof Error ? reason : new Error(String(reason));
  }
}

function refusal(source: string, why: string): PosternError {
  const shown = JSON.stringify(source.slice(0, 80));
  return new PosternError('invalid', `The pattern ${shown} can not be used: ${why}`, {
    hint: 'Patterns are RE2’s, as with Kratos: without look-around ((?=…), (?!…), (?<=…)) and back-references (\\1).',
  });
}

/** Keywords whose values are data, not schemas. */
const DATA: ReadonlySet<string> = new Set(['default', 'const', 'enum', 'examples']);
const DEPTH_MAX = 64;

/** The patterns of a schema by source, each compiled. Throws `invalid`, naming the key. */
export function patternsOf(document: unknown): ReadonlyMap<string, LinearPattern> {
  const found = new Map<string, LinearPattern>();
  const take = (source: string, path: string): void => {
    if (found.has(source)) return;
    try {
      found.set(source, linearPattern(source));
    } catch (reason) {
      if (!(reason instanceof PosternError)) throw reason;
      const { hint } = reason;
      throw new PosternError(
        'invalid',
        `${path}: ${reason.message}${hint === undefined ? '' : `. ${hint}`}`,
      );
    }
  };
  const walk = (value: unknown, path: string, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    if (depth > DEPTH_MAX) throw new PosternError('invalid', `${path}: it is nested too deeply`);
    for (const [name, child] of Object.entries(value)) {
      const below = `${path}/${name}`;
      if (DATA.has(name)) continue;
      if (name === 'pattern' && typeof child === 'string') take(child, below);
      if (name === 'patternProperties' && typeof child === 'object' && child !== null)
        for (const source of Object.keys(child)) take(source, `${below}/${source}`);
      walk(child, below, depth + 1);
    }
  };
  walk(document, '#', 0);
  return found;
}
