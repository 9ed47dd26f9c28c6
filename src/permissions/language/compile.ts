/**
 * From a source in the permission language to a model. It must never answer a model of a source with an error in it,
 * and never throw for what the source says.
 */
import type { Model, Namespace, Relation } from '../model.ts';
import { findNegativeCycles } from './cycles.ts';
import { type Declarations, declare } from './declarations.ts';
import { lex } from './lexer.ts';
import { parse } from './parser.ts';
import type { Problem } from './problem.ts';
import { Problems } from './text.ts';
import { typecheck } from './typecheck.ts';

export interface Compiled {
  /** Present if and only if no problem is an error. */
  readonly model: Model | undefined;
  /** A syntax error ends the search; all others are found together. At most 1000, each once. */
  readonly problems: readonly Problem[];
}

/** Compiles a source in the permission language (reference/permissions.md §6). */
export function compileModel(source: string): Compiled {
  const problems = new Problems(source);
  const classes = parse(lex(source), problems);
  if (problems.hasErrors) return { model: undefined, problems: problems.all };
  const declared = declare(classes, problems);
  typecheck(classes, declared, problems);
  if (!problems.hasErrors) findNegativeCycles(declared, problems);
  return { model: problems.hasErrors ? undefined : modelOf(declared), problems: problems.all };
}

function modelOf(declared: Declarations): Model {
  const namespaces = new Map<string, Namespace>();
  for (const [name, members] of declared) {
    const relations = new Map<string, Relation>();
    for (const [relation, { types, rewrite }] of members)
      relations.set(relation, { name: relation, types, ...(rewrite && { rewrite }) });
    namespaces.set(name, { name, relations });
  }
  return { namespaces };
}
