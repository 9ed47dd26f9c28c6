/** Worlds as files: small enough to read, complete enough to be asked again. */
import type { Model, Relation, Rewrite, SubjectType } from '../../src/permissions/model.ts';
import { parseTuple, printTuple } from '../../src/permissions/tuple.ts';
import { typeText } from './spicedb-schema.ts';
import type { World } from './spicedb-world.ts';

/** How a world is written: types as `user`, `user:*` and `group#member`, tuples in the text notation. */
export interface WorldFile {
  /** What it shows. */
  readonly note: string;
  readonly definitions: Readonly<
    Record<string, Readonly<Record<string, readonly string[] | Rewrite>>>
  >;
  readonly tuples: readonly string[];
}

function isTypes(declared: readonly string[] | Rewrite): declared is readonly string[] {
  return Array.isArray(declared);
}

function typeOf(text: string): SubjectType {
  if (text.endsWith(':*')) return { namespace: text.slice(0, -2), relation: '', isWildcard: true };
  const [namespace = '', relation = ''] = text.split('#');
  return { namespace, relation, isWildcard: false };
}

/** The world of a file. Throws on a tuple that can't be read. */
export function worldOfFile(file: WorldFile): World {
  const namespaces = Object.entries(file.definitions).map(([name, declared]) => {
    const relations = Object.entries(declared).map(([relation, d]): [string, Relation] => [
      relation,
      isTypes(d)
        ? { name: relation, types: d.map(typeOf) }
        : { name: relation, types: [], rewrite: d },
    ]);
    return [name, { name, relations: new Map(relations) }] as const;
  });
  const model: Model = { namespaces: new Map(namespaces) };
  return { model, tuples: file.tuples.map(parseTuple) };
}

/** The file of a world. */
export function fileOfWorld({ model, tuples }: World, note: string): WorldFile {
  const definitions = [...model.namespaces.values()].map(({ name, relations }) => {
    const declared = [...relations.values()].map((r) => [
      r.name,
      r.rewrite ?? r.types.map(typeText),
    ]);
    return [name, Object.fromEntries(declared)];
  });
  return { note, definitions: Object.fromEntries(definitions), tuples: tuples.map(printTuple) };
}
