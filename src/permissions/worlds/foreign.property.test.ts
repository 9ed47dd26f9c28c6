import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readWorld, runWorld } from './index.ts';

const NAMES = ['a', 'b', 'c'] as const;
type Tree =
  | { readonly name: (typeof NAMES)[number] }
  | { readonly op: '+' | '&' | '-'; readonly left: Tree; readonly right: Tree };

const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    fc.record({ name: fc.constantFrom(...NAMES) }),
    fc.record({
      op: fc.constantFrom('+' as const, '&' as const, '-' as const),
      left: tie('tree'),
      right: tie('tree'),
    }),
  ),
})).tree;

/** How tightly SpiceDB's operators bind. */
const RANK = { '-': 0, '&': 1, '+': 2 } as const;

/** Prints with no more parentheses than the precedence asks for. */
function spicedb(t: Tree, outer = -1, isRight = false): string {
  if ('name' in t) return t.name;
  const rank = RANK[t.op];
  const text = `${spicedb(t.left, rank)} ${t.op} ${spicedb(t.right, rank, true)}`;
  return rank < outer || (isRight && rank === outer) ? `(${text})` : text;
}

/** Prints with all parentheses: OpenFGA has no precedence. */
function openfga(t: Tree, isInner = false): string {
  if ('name' in t) return t.name;
  const word = { '+': 'or', '&': 'and', '-': 'but not' }[t.op];
  const text = `${openfga(t.left, true)} ${word} ${openfga(t.right, true)}`;
  return isInner ? `(${text})` : text;
}

function truth(t: Tree, held: ReadonlySet<string>): boolean {
  if ('name' in t) return held.has(t.name);
  const [left, right] = [truth(t.left, held), truth(t.right, held)];
  return t.op === '+' ? left || right : left && (t.op === '&') === right;
}

const SUBSETS = Array.from({ length: 8 }, (_, i) => NAMES.filter((_name, n) => (i >> n) & 1));
const idOf = (held: readonly string[]): string => `u${held.join('')}`;
const environment = {
  compile: () => ({ model: undefined, problems: [] }),
  readFile: () => '',
};
async function failed(world: Readonly<Record<string, unknown>>): Promise<number> {
  return (await runWorld(readWorld(JSON.stringify(world), environment), 0)).failed;
}

it('understands expressions of both languages as their sets', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (t) => {
      const held = SUBSETS.flatMap((s) => s.map((name) => [name, idOf(s)] as const));
      const is = (s: readonly string[]): boolean => truth(t, new Set(s));
      const question = (s: readonly string[]): string => `t:x#p@user:${idOf(s)}`;
      const relations = NAMES.map((n) => `relation ${n}: user`).join('\n');
      expect(
        await failed({
          schema: `definition user {}\ndefinition t {\n${relations}\npermission p = ${spicedb(t)}\n}`,
          relationships: held.map(([name, id]) => `t:x#${name}@user:${id}`).join('\n'),
          assertions: {
            assertTrue: SUBSETS.filter(is).map(question),
            assertFalse: SUBSETS.filter((s) => !is(s)).map(question),
          },
        }),
      ).toBe(0);
      const defines = NAMES.map((n) => `define ${n}: [user]`).join('\n');
      expect(
        await failed({
          model: `model\nschema 1.1\ntype user\ntype t\nrelations\n${defines}\ndefine p: ${openfga(t)}`,
          tuples: held.map(([relation, id]) => ({ user: `user:${id}`, relation, object: 't:x' })),
          tests: [
            {
              check: SUBSETS.map((s) => ({
                user: `user:${idOf(s)}`,
                object: 't:x',
                assertions: { p: is(s) },
              })),
            },
          ],
        }),
      ).toBe(0);
    }),
  );
});

it('never fails otherwise than with a clear refusal, whatever the text', async () => {
  const word = fc.constantFrom(
    ...['model', 'schema', '1.1', 'type', 'relations', 'define', 'a', 'b', ':', '[', ']', '(', ')'],
    ...['or', 'and', 'but not', 'from', '#', '*', ',', 'definition', '{', '}', 'permission', '='],
    ...['relation', '|', '+', '&', '-', '->', '.', 'all', 'nil', '//', '/*', '\n', '\u{1f600}'],
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word), async (words) => {
      const text = words.join(' ');
      for (const world of [{ schema: text }, { model: `model schema 1.1 type a ${text}` }])
        try {
          await failed(world);
        } catch (error) {
          expect(error).toMatchObject({ name: 'PosternError' });
        }
    }),
  );
});
