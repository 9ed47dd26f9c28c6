/** The world of the permissions benchmark: one model, and as many tuples as asked, the same for every system. */

/** A tuple of typed subjects: `User:alice` is the subject set with an empty relation. */
export interface WorldTuple {
  readonly on: readonly [namespace: string, object: string];
  readonly relation: string;
  readonly subject: readonly [namespace: string, object: string, relation: string];
}

export const OPL = `
class User implements Namespace {}
class Group implements Namespace {
  related: { members: (User | SubjectSet<Group, "members">)[] }
}
class Folder implements Namespace {
  related: {
    parents: Folder[]
    viewers: (User | SubjectSet<Group, "members">)[]
  }
  permits = {
    view: (ctx: Context): boolean =>
      this.related.viewers.includes(ctx.subject) ||
      this.related.parents.traverse((p) => p.permits.view(ctx)),
  }
}
class Document implements Namespace {
  related: {
    parents: Folder[]
    viewers: (User | SubjectSet<Group, "members">)[]
  }
  permits = {
    view: (ctx: Context): boolean =>
      this.related.viewers.includes(ctx.subject) ||
      this.related.parents.traverse((p) => p.permits.view(ctx)),
  }
}
`;

export const SPICEDB_SCHEMA = `
definition user {}
definition group {
  relation members: user | group#members
}
definition folder {
  relation parents: folder
  relation viewers: user | group#members
  permission view = viewers + parents->view
}
definition document {
  relation parents: folder
  relation viewers: user | group#members
  permission view = viewers + parents->view
}
`;

export const DEPTH = 30;
export const PARENTS = 1_000;
export const MEMBERS = 10_000;
export const LISTED = 1_000;
/** Documents that exist beside those of the special cases, each with one viewer. */
export const LISTABLE = 100_000;

const user = (name: string): WorldTuple['subject'] => ['User', name, ''];

/** All tuples, about `count` of them. */
export function* tuplesOf(count: number): Generator<WorldTuple> {
  for (let i = 0; i < DEPTH; i++)
    yield {
      on: ['Folder', `chain${i}`],
      relation: 'parents',
      subject: ['Folder', `chain${i + 1}`, ''],
    };
  yield { on: ['Folder', `chain${DEPTH}`], relation: 'viewers', subject: user('deep') };
  for (let i = 0; i < PARENTS; i++)
    yield { on: ['Document', 'wide'], relation: 'parents', subject: ['Folder', `wide${i}`, ''] };
  yield { on: ['Folder', `wide${PARENTS / 2}`], relation: 'viewers', subject: user('wide') };
  for (let i = 0; i < MEMBERS; i++)
    yield { on: ['Group', 'big'], relation: 'members', subject: user(`member${i}`) };
  yield { on: ['Document', 'group'], relation: 'viewers', subject: ['Group', 'big', 'members'] };
  for (let i = 0; i < LISTED; i++)
    yield { on: ['Document', `d${i * 50}`], relation: 'viewers', subject: user('lister') };
  const special = DEPTH + 1 + PARENTS + 1 + MEMBERS + 1 + LISTED;
  for (let i = 0; i < count - special; i++) {
    const document = `d${i % LISTABLE}`;
    const viewer = user(`u${i % 50_000}-${Math.floor(i / LISTABLE)}`);
    yield { on: ['Document', document], relation: 'viewers', subject: viewer };
  }
}

/** One question of the benchmark. */
export interface Question {
  readonly on: readonly [namespace: string, object: string];
  readonly subject: string;
  readonly expected: boolean;
}

export const CASES = ['direct', 'depth', 'parents', 'group'] as const;
export type CaseName = (typeof CASES)[number];

/** The i-th question of a case: half of the direct ones are denied. */
export function questionOf(name: CaseName, i: number): Question {
  switch (name) {
    case 'direct': {
      const n = (i * 7_919) % 50_000;
      const isAllowed = i % 2 === 0;
      return {
        on: ['Document', `d${n}`],
        subject: isAllowed ? `u${n}-0` : `nobody${n}`,
        expected: isAllowed,
      };
    }
    case 'depth':
      return { on: ['Folder', 'chain0'], subject: 'deep', expected: true };
    case 'parents':
      return { on: ['Document', 'wide'], subject: 'wide', expected: true };
    case 'group':
      return {
        on: ['Document', 'group'],
        subject: `member${(i * 7_919) % MEMBERS}`,
        expected: true,
      };
  }
}
