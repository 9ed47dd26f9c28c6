/** The versions of the model, each current from its revision until the next one's. Versions never change. */
import { PosternError } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import { compileModel, modelOfNames } from './language/index.ts';
import { EMPTY_MODEL, type Model } from './model.ts';
import type { ModelVersion } from './permissions.ts';
import type { StoredKind } from './tuple-store.ts';

interface Entry extends ModelVersion {
  readonly revision: number;
}

/** The model of a source. Throws `invalid` with the first problem; all of them are in `facts.problems` as JSON. */
export function compileSource(source: string, kind: ModelVersion['kind']): Model {
  if (kind === 'names') return modelOfNames(source.split('\n').filter((name) => name !== ''));
  const { model, problems } = compileModel(source);
  const [first] = problems.filter((p) => p.severity === 'error');
  if (model !== undefined && first === undefined) return model;
  const { line, column } = first?.start ?? { line: 1, column: 1 };
  throw new PosternError(
    'invalid',
    `The model has errors; the first, at line ${line}, column ${column}: ${first?.message ?? 'it is empty'}`,
    { facts: { problems: JSON.stringify(problems) } },
  );
}

/** What a stored tuple needs that the model lacks; undefined when it lacks nothing. */
export function lackOf(model: Model, kind: StoredKind): string | undefined {
  const lacks = (namespace: string, relation: string): string | undefined => {
    const found = model.namespaces.get(namespace);
    if (found === undefined) return `namespace "${namespace}"`;
    if (relation === '' || found.relations.size === 0 || found.relations.has(relation))
      return undefined;
    return `relation "${relation}" of namespace "${namespace}"`;
  };
  return (
    lacks(kind.namespace, kind.relation) ??
    (kind.subjectNamespace === undefined
      ? undefined
      : lacks(kind.subjectNamespace, kind.subjectRelation ?? ''))
  );
}

export class ModelHistory {
  readonly #store: Store;
  readonly #entries: Entry[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  get current(): ModelVersion | undefined {
    return this.#entries.at(-1);
  }
  /** Newest first. */
  get all(): readonly ModelVersion[] {
    return [...this.#entries].reverse();
  }
  find(id: string): ModelVersion | undefined {
    return this.#entries.find((e) => e.id === id);
  }
  /** The version that is current at a revision. */
  at(revision: number): { readonly id: string; readonly model: Model } {
    const found = this.#entries.findLast((e) => e.revision <= revision);
    return found ?? { id: '', model: EMPTY_MODEL };
  }

  /** Takes up what other transactions added, up to a revision. */
  async follow(upTo: number): Promise<void> {
    const rows = await this.#store.db
      .selectFrom('permission_models')
      .selectAll()
      .where('revision', '>', this.#entries.at(-1)?.revision ?? 0)
      .where('revision', '<=', upTo)
      .orderBy('revision')
      .execute();
    for (const row of rows) {
      const kind = row.kind === 'names' ? 'names' : 'opl';
      this.#entries.push({
        id: row.id,
        kind,
        source: row.source,
        model: compileSource(row.source, kind),
        createdAtMs: row.created_at_ms,
        createdBy: row.created_by,
        revision: row.revision,
      });
    }
  }
}
