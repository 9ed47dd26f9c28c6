/** A model made by hand, for tests of the routes. */
import type { Model, Namespace, Relation, Rewrite, SubjectType } from '../model.ts';

const type = (namespace: string, relation = ''): SubjectType => ({
  namespace,
  relation,
  isWildcard: false,
});
const computed = (relation: string): Rewrite => ({ kind: 'computed', relation });

/** `app` takes any relation; `Doc` has owners, readers, banned, parents and permits; `Group` has members. */
export function handModel(): Model {
  const relation = (name: string, ...types: SubjectType[]): Relation => ({ name, types });
  const permit = (name: string, rewrite: Rewrite): Relation => ({ name, types: [], rewrite });
  const namespace = (name: string, ...all: Relation[]): [string, Namespace] => [
    name,
    { name, relations: new Map(all.map((r) => [r.name, r])) },
  ];
  return {
    namespaces: new Map([
      namespace('app'),
      namespace('User'),
      namespace('Group', relation('members', type('User'), type('Group', 'members'))),
      namespace(
        'Doc',
        relation('owners', type('User')),
        relation('readers', type('User'), type('Group', 'members')),
        relation('banned', type('User')),
        relation('parents', type('Doc')),
        permit('view', {
          kind: 'or',
          children: [
            computed('owners'),
            computed('readers'),
            { kind: 'traverse', relation: 'parents', through: computed('view') },
          ],
        }),
        permit('comment', {
          kind: 'and',
          children: [computed('view'), { kind: 'not', child: computed('banned') }],
        }),
        permit('odd', {
          kind: 'not',
          child: { kind: 'traverse', relation: 'parents', through: computed('odd') },
        }),
      ),
    ]),
  };
}
