import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { readWorld, runWorld, type World } from './index.ts';

const read = (text: string, files: Readonly<Record<string, string>> = {}): World =>
  readWorld(text, {
    compile: () => ({ model: undefined, problems: [] }),
    readFile: (path) => files[path] ?? '',
  });
const failures = async (world: World): Promise<unknown[]> =>
  (await runWorld(world, 0)).tests.flatMap((t) => t.assertions).filter((a) => !a.isPassed);
const codeOf = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof PosternError) return `${error.code}: ${error.message}`;
  }
  return 'read';
};
const indent = (text: string): string => text.replace(/^/gm, '  ');

const GROUPS = `model
  schema 1.1
type user
type team
  relations
    define member: [user, team#member]
# A folder has no viewers of its own.
type folder
  relations
    define parent: [folder]
    define owner: [user] # the one who made it
    define viewer: owner or viewer from parent
type document
  relations
    define parent: [folder, team]
    define blocked: [user]
    define viewer: ([user, user:*, team#member] but not blocked) or viewer from parent
    define can_share: viewer and (viewer from parent or blocked)
`;

describe("OpenFGA's store files", () => {
  const world = (rest: string): string => `name: groups\nmodel: |\n${indent(GROUPS)}\n${rest}`;

  it('keeps what is stored under a computed name beside it, and follows traversals past types that lack the relation', async () => {
    const found = read(
      world(`tuples:
  - {user: "user:ann", relation: viewer, object: "document:1"}
  - {user: "user:ann", relation: blocked, object: "document:1"}
  - {user: "team:a#member", relation: viewer, object: "document:1"}
  - {user: "user:bob@example.com", relation: member, object: "team:a"}
  - {user: "folder:f", relation: parent, object: "document:1"}
  - {user: "team:a", relation: parent, object: "document:1"}
  - {user: "user:cid", relation: owner, object: "folder:f"}
tests:
  - name: views
    tuples: [{user: "user:dan", relation: viewer, object: "document:2"}]
    check:
      - {user: "user:ann", object: "document:1", assertions: {viewer: false, blocked: true}}
      - {users: ["user:bob@example.com", "user:cid"], objects: ["document:1"], assertions: {viewer: true}}
      - {user: "user:cid", object: "document:1", assertions: {can_share: true}}
      - {user: "user:dan", object: "document:2", assertions: {viewer: true, can_share: false}}
    list_objects:
      - {user: "user:cid", type: document, assertions: {viewer: ["document:1"], blocked: []}}
    list_users:
      - {object: "document:1", user_filter: [{type: user}], assertions: {viewer: {users: ["user:cid", "user:bob@example.com"]}}}
      - {object: "document:1", user_filter: [{type: team, relation: member}], assertions: {viewer: {users: ["team:a#member"]}}}
`),
    );
    expect(found).toMatchObject({ format: 'openfga', name: 'groups' });
    expect(found.tuples[0]).toMatchObject({ relation: 'viewer_direct' });
    expect(await failures(found)).toEqual([]);
  });

  it('reads models and tuples from files', async () => {
    const found = read('{model_file: m.fga, tuple_file: t.yaml, tests: [{tuple_file: u.json}]}', {
      'm.fga': GROUPS,
      't.yaml': '- {user: "user:a", relation: member, object: "team:a"}',
      'u.json': '[{"user": "user:b", "relation": "member", "object": "team:a"}]',
    });
    expect(found.tuples).toHaveLength(1);
    expect(found.tests[0]?.tuples).toHaveLength(1);
  });

  it('need not name whom a wildcard covers', async () => {
    const rest = (expected: string): string => `tuples:
  - {user: "user:*", relation: viewer, object: "document:1"}
  - {user: "user:ann", relation: blocked, object: "document:1"}
  - {user: "user:bob", relation: blocked, object: "document:2"}
tests: [{list_users: [{object: "document:1", user_filter: [{type: user}], assertions: {viewer: {users: ${expected}}}}]}]`;
    expect(await failures(read(world(rest('["user:*"]'))))).toEqual([]);
    expect(await failures(read(world(rest('["user:bob"]'))))).toMatchObject([
      { missing: [], unexpected: ['user:*'] },
    ]);
    expect(await failures(read(world(rest('["user:*", "user:ann"]'))))).toMatchObject([
      { missing: ['user:ann'] },
    ]);
  });

  it.each([
    ['tuples: [{user: "team:a", relation: member, object: "team:b"}]', /the type of the subject/],
    ['tuples: [{user: "user:*", relation: member, object: "team:b"}]', /the type of the subject/],
    ['tuples: [{user: "user:a", relation: viewer, object: "folder:b"}]', /it is computed/],
    ['tuples: [{user: ann, relation: member, object: "team:b"}]', /"ann" is not type:id/],
    [
      'tuples: [{user: "user:a", relation: member, object: "team:b", condition: {name: x}}]',
      /^unsup/,
    ],
    ['tests: [{check: [{object: "team:a", assertions: {}}]}]', /exactly one of user and users/],
    ['tests: [{check: [{user: "user:a", object: "team:a", assertions: {owner: true}}]}]', /owner/],
    ['tests: [{check: [{user: "user:a", object: "team:a", context: {x: 1}}]}]', /^unsupported/],
  ])('refuses %s', (rest, expected) => {
    expect(codeOf(world(rest))).toMatch(expected);
  });

  const model = (relations: string): string =>
    `model: |\n  model\n    schema 1.1\n  type user\n  type t\n    relations\n${relations.replace(/^/gm, '      ')}\n`;
  it.each([
    ['define a: [user]\ndefine b: a or a and a', /line 7: "or" and "and" side by side/],
    ['define a: [user]\ndefine b: a but not a but not a', /line 7: "but" and "but"/],
    ['define a: b', /line 6: t#a: the relation b is not declared/],
    ['define a: [user, ghost]', /the type ghost is not declared/],
    ['define a: [user#x]', /the relation x is not declared in user/],
    ['define a: [user]\ndefine a: [user]', /line 7: the relation a is declared twice/],
    ['define a: [user]\ndefine b: x from a', /no type of a declares the relation x/],
    ['define a: [t] or b\ndefine b: a from a', /a is computed/],
    ['define a: [user] or [t]', /a relation has one list of types/],
    ['define a: [user with late]', /^unsupported: model: line 6: conditions are not supported/],
    [`define a: ${'('.repeat(5000)}`, /nested too deeply/],
    ['define a: [user] €', /line 6: expected "type", got "€"/],
  ])('refuses the model %s with its line', (relations, expected) => {
    expect(codeOf(model(relations))).toMatch(expected);
  });

  it('refuses modules and other schemas', () => {
    expect(codeOf('{model: "module core\\ntype user"}')).toMatch(/^unsupported.*modular/);
    expect(codeOf('{model_file: fga.mod}')).toMatch(/^unsupported/);
    expect(codeOf('{model: "model\\n schema 1.0\\ntype user"}')).toMatch(/^unsupported.*"1.0"/);
  });
});

describe("SpiceDB's validation files", () => {
  const SCHEMA = `use expiration
definition acme/user {}
/* Members of a team are also those of the teams in it. */
definition team { relation member: acme/user | team#member with expiration }
definition doc {
  relation team: team
  relation reader: acme/user | acme/user:*
  relation banned: acme/user
  permission read = reader - banned // a ban wins
  permission all_teams: acme/user = team.all(member)
  permission any_team = team->member + nil
}
`;
  const world = (rest: string): string => `schema: |\n${indent(SCHEMA)}\n${rest}`;

  it('reads relationships, assertions and who is expected', async () => {
    const found = read(
      world(`relationships: |
  // public, but for eve
  doc:1#reader@acme/user:*
  doc:1#banned@acme/user:eve#...
  doc:1#team@team:a
  doc:1#team@team:b
  team:a#member@acme/user:ann
  team:b#member@team:a#member
  team:a#member@acme/user:bob
  team:b#member@acme/user:cid[expiration:1970-01-01T00:00:00Z]
  doc:2#team@team:b
assertions:
  assertTrue: ["doc:1#read@acme/user:stranger", "doc:1#all_teams@acme/user:ann", "doc:2#any_team@team:a#member"]
  assertFalse: ["doc:1#read@acme/user:eve", "doc:1#any_team@acme/user:cid", "doc:3#all_teams@acme/user:ann"]
validation:
  doc:1#read: ["[acme/user:* - {acme/user:eve}] is <doc:1#reader>"]
  doc:2#any_team:
    - "[acme/user:ann] is <team:a#member>"
    - "[acme/user:bob] is <team:a#member>"
    - "[team:a#member] is <team:b#member>"
`),
    );
    expect(found.format).toBe('spicedb');
    expect(await failures(found)).toEqual([]);
  });

  it('finds who is missing and who is too much in a validation', async () => {
    const rest = 'relationships: "team:a#member@acme/user:ann"\nvalidation:\n  team:a#member:\n';
    expect(
      await failures(read(world(`${rest}    - "[acme/user:bob] is <team:a#member>"`))),
    ).toMatchObject([{ missing: ['acme/user:bob'], unexpected: ['acme/user:ann'] }]);
  });

  it.each([
    ['relationships: "nonsense"', /"nonsense" is not a relationship/],
    ['relationships: "doc:1#read@acme/user:a"', /it is computed/],
    ['relationships: "doc:1#reader@team:a"', /the type of the subject/],
    ['relationships: "doc:1#reader@acme/user:a[late]"', /^unsupported: .*caveats/],
    ['assertions: {assertTrue: ["doc:1#read@acme/user:a with {}"]}', /^unsupported: .*caveats/],
    ['assertions: {assertCaveated: ["doc:1#read@acme/user:a"]}', /^unsupported: .*caveats/],
    ['assertions: {assertTrue: ["doc:1#raed@acme/user:a"]}', /raed is not declared in doc/],
    ['validation: {"doc:1": []}', /is not type:id#relation/],
    ['validation: {"doc:1#read": ["acme/user:a"]}', /is not \[subject\]/],
  ])('refuses %s', (rest, expected) => {
    expect(codeOf(world(rest))).toMatch(expected);
  });

  it.each([
    ['caveat late(x int) { x > 1 }', /^unsupported: .*line 1: caveats/],
    ['definition a { relation r: a with late }', /^unsupported: .*caveats/],
    ['definition a { permission p = self }', /^unsupported: .*"self"/],
    ['use self\ndefinition a {}', /^unsupported: .*use self/],
    ['partial a {}', /^unsupported: .*partials/],
    ['definition a { relation r: a permission p = r->p->p }', /^unsupported: .*arrow of an arrow/],
    ['definition a { permission p = r.most(p) }', /expected "any" or "all"/],
    ['definition a { relation r: a permission p = q->p }', /the relation q is not declared/],
    ['definition a {} definition a {}', /the definition a is there twice/],
    ['definition a { relation r: a relation r: a }', /the name r is there twice/],
    ['definition a {', /expected "permission", got the end/],
  ])('refuses the schema %s with its line', (schema, expected) => {
    expect(codeOf(JSON.stringify({ schema }))).toMatch(expected);
  });
});
