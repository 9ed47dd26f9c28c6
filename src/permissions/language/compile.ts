/** From a source in the permission language to a model. */
import type { Model, Namespace, Relation, Rewrite } from '../model.ts';
import { negativeCycles } from './cycles.ts';
import { parse } from './parser.ts';
import type { Problem } from './problem.ts';
import type { ClassSyntax, Expression } from './syntax.ts';
import { TypeChecker } from './typecheck.ts';

function rewriteOf(e: Expression): Rewrite {
  switch (e.kind) {
    case 'or':
    case 'and':
      return { kind: e.kind, children: e.children.map(rewriteOf) };
    case 'not':
      return { kind: 'not', child: rewriteOf(e.child) };
    case 'computed':
      return { kind: 'computed', relation: e.relation.value };
    case 'traverse':
      return { kind: 'traverse', relation: e.relation.value, through: rewriteOf(e.through) };
  }
}

function namespaceOf({ name, relations }: ClassSyntax): Namespace {
  const entries = relations.map((r): [string, Relation] => [
    r.name.value,
    {
      name: r.name.value,
      types: r.types.map((t) => ({
        namespace: t.namespace.value,
        relation: t.relation?.value ?? '',
        isWildcard: t.isWildcard,
      })),
      ...(r.rewrite === undefined ? {} : { rewrite: rewriteOf(r.rewrite) }),
    },
  ]);
  return { name: name.value, relations: new Map(entries) };
}

/** Compiles; never throws. The model is there unless a problem is an error. */
export function compileModel(source: string): {
  model: Model | undefined;
  problems: readonly Problem[];
} {
  const { classes, problems: syntax, map } = parse(source);
  const hasFailed = syntax.some((p) => p.severity === 'error');
  const problems = hasFailed ? [...syntax] : [...syntax, ...new TypeChecker(classes, map).problems];
  const model = { namespaces: new Map(classes.map((c) => [c.name.value, namespaceOf(c)])) };
  if (problems.every((p) => p.severity === 'warning'))
    for (const { namespace, relation, path } of negativeCycles(model)) {
      const at = classes
        .find((c) => c.name.value === namespace)
        ?.relations.find((r) => r.name.value === relation)?.name;
      if (at !== undefined)
        problems.push(
          map.problem('error', `${JSON.stringify(relation)} negates itself: ${path}`, at),
        );
    }
  const isGood = problems.every((p) => p.severity === 'warning');
  return { model: isGood ? model : undefined, problems };
}

/** The model of a legacy list of namespaces: no relations are declared, any is accepted. */
export function modelOfNames(names: readonly string[]): Model {
  return { namespaces: new Map(names.map((name) => [name, { name, relations: new Map() }])) };
}
