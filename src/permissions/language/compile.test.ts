/** The meaning of sources; what is wrong with them is in test/corpus/opl. */
import { describe, expect, it } from 'vitest';
import type { Relation } from '../model.ts';
import { compileModel } from './compile.ts';

/** The relation `p` of class `C` with this expression over relations a, b, c, d; problems without places. */
function permit(expression: string): { rewrite: Relation['rewrite']; problems: string[] } {
  const source = `class C implements Namespace {
    related: { a: C[]; b: C[]; c: C[]; d: C[] }
    permits = { p: (ctx) => ${expression}, q: (ctx: Context): boolean => this.related.a.includes(ctx.subject) }
  }`;
  const { model, problems } = compileModel(
    source.replaceAll(/\$(\w)/g, 'this.related.$1.includes(ctx.subject)'),
  );
  return {
    rewrite: model?.namespaces.get('C')?.relations.get('p')?.rewrite,
    problems: problems.map((p) => `${p.severity}: ${p.message}`),
  };
}
const MIXED =
  'warning: && and || bind equally, from left to right, unlike in TypeScript: add parentheses to say what is meant';
const a = { kind: 'computed', relation: 'a' };
const b = { kind: 'computed', relation: 'b' };
const c = { kind: 'computed', relation: 'c' };
const d = { kind: 'computed', relation: 'd' };
const or = (...children: unknown[]): unknown => ({ kind: 'or', children });
const and = (...children: unknown[]): unknown => ({ kind: 'and', children });
const not = (child: unknown): unknown => ({ kind: 'not', child });
const through = (relation: string, t: unknown): unknown => ({
  kind: 'traverse',
  relation,
  through: t,
});

describe('an expression of a permit', () => {
  it.each([
    ['$a', a],
    ['($a)', a],
    ['this.permits.q(ctx)', { kind: 'computed', relation: 'q' }],
    ['this.permits["q"](ctx)', { kind: 'computed', relation: 'q' }],
    ["this.related['a'].includes(ctx.subject,)", a],
    ['$a || $b || ($c || $d)', or(a, b, c, d)],
    ['(($a && $b)) && $c', and(a, b, c)],
    ['($a || $b) && ($c || $d)', and(or(a, b), or(c, d))],
    ['!$a && $b', and(not(a), b)],
    ['!($a)', not(or(a))],
    ['!($a && $b)', not(and(a, b))],
    ['!(!$a)', not(or(not(a)))],
    [
      'this.related.a.traverse(x => x.permits.q(ctx))',
      through('a', { kind: 'computed', relation: 'q' }),
    ],
    ['this.related.a.traverse((x) => x.related.b.includes(ctx.subject,),)', through('a', b)],
    [
      'this.related.a.traverse((x) => (x.related.b.includes(ctx.subject) || !x.permits.q(ctx)) && x.related["c"].traverse(y => y.related.d.includes(ctx.subject)))',
      through('a', and(or(b, not({ kind: 'computed', relation: 'q' })), through('c', d))),
    ],
  ])('%s', (source, rewrite) => {
    expect(permit(source)).toEqual({ rewrite, problems: [] });
  });
  it.each([
    ['$a || $b && $c', and(or(a, b), c)],
    ['$a && $b || $c && $d', and(or(and(a, b), c), d)],
    ['$a || ($b || $c && $d)', or(a, and(or(b, c), d))],
    [
      'this.related.a.traverse(x => x.permits.q(ctx) || x.permits.q(ctx) && x.permits.q(ctx))',
      undefined,
    ],
  ])('binds from left to right with a warning: %s', (source, rewrite) => {
    const found = permit(source);
    expect(found.problems).toEqual([MIXED]);
    if (rewrite !== undefined) expect(found.rewrite).toEqual(rewrite);
  });
  it('nests as deep as in Keto', () => {
    const nested = (n: number): string => `${'('.repeat(n)}$a${')'.repeat(n)}`;
    const tooDeep = ['error: expression nested too deeply; maximal nesting depth is 10'];
    expect(permit(nested(9)).problems).toEqual([]);
    expect(permit(nested(10)).problems).toEqual(tooDeep);
    expect(permit(`${'!('.repeat(4)}!$a${')'.repeat(4)}`).problems).toEqual([]);
    expect(permit(`${'!('.repeat(5)}$a${')'.repeat(5)}`).problems).toEqual(tooDeep);
    const hops = (n: number): string =>
      `this.related.a.traverse(x => ${'x.related.a.traverse(x => '.repeat(n - 1)}x.permits.q(ctx)${')'.repeat(n)}`;
    expect(permit(hops(10)).problems).toEqual([]);
    expect(permit(hops(11)).problems).toEqual(tooDeep);
  });
});

describe('a model', () => {
  it('has the types of relations, each once', () => {
    const { model, problems } = compileModel(`import { x } from 'class'
      export class User implements Namespace {};
      class "G g" implements Namespace { related: { m: Array<User | SubjectSet<"G g", "m">>, "": User[] } }`);
    expect(problems.map((p) => p.message)).toEqual(['The name of a relation is empty']);
    expect(model).toBeUndefined();
  });
  it('keeps wildcards, sets and plain types apart', () => {
    const { model } = compileModel(`class Wildcard implements Namespace {}
      class D implements Namespace { related: {
        r: (Wildcard | Wildcard<Wildcard> | SubjectSet<D, s> | Wildcard)[]
        s: Wildcard[], t: Array<Wildcard<D>>; u: Wildcard<D>[] } }`);
    const plain = { namespace: 'Wildcard', relation: '', isWildcard: false };
    const all = { namespace: 'D', relation: '', isWildcard: true };
    const relations = model?.namespaces.get('D')?.relations;
    expect(relations?.get('r')?.types).toEqual([
      plain,
      { ...plain, isWildcard: true },
      { namespace: 'D', relation: 's', isWildcard: false },
    ]);
    expect(relations?.get('s')?.types).toEqual([plain]);
    expect(relations?.get('t')?.types).toEqual([all]);
    expect(relations?.get('u')?.types).toEqual([all]);
  });
  it('is there when there are warnings alone, and empty of an empty source', () => {
    expect(compileModel('')).toEqual({ model: { namespaces: new Map() }, problems: [] });
    expect(permit('$a || $b && $c').rewrite).toBeDefined();
  });
  it('keeps names that are special elsewhere', () => {
    const { model, problems } = compileModel(`class __proto__ implements Namespace { related: {
      constructor: __proto__[], '"#:@"': SubjectSet<__proto__, "constructor">[] } }`);
    expect(problems).toEqual([]);
    expect([...(model?.namespaces.get('__proto__')?.relations.keys() ?? [])]).toEqual([
      'constructor',
      '"#:@"',
    ]);
  });
  it('has no names that no tuple can carry', () => {
    for (const name of ['a\0', '\ud800', 'x'.repeat(200_000)]) {
      const { model, problems } = compileModel(
        `class "${name}" implements Namespace { related: { "${name}": "${name}"[] } }`,
      );
      expect(model).toBeUndefined();
      expect(problems.map((p) => p.start.column)).toEqual([8, name.length + 45]);
    }
  });
  it('is not read behind a byte order mark', () => {
    expect(compileModel('\ufeffclass A implements Namespace {}').problems).toEqual([
      {
        severity: 'error',
        message: 'fatal: at "\\ufeffclass A implements …": unexpected token \ufeff',
        start: { line: 1, column: 1 },
        end: { line: 1, column: 2 },
      },
    ]);
  });
  it('has no group whose operators alternate so often that it nests without bound', () => {
    const alternating = (n: number): string =>
      Array.from({ length: n + 2 }, () => '$a').reduce(
        (left, right, i) => `${left} ${i % 2 === 0 ? '&&' : '||'} ${right}`,
      );
    expect(permit(alternating(100)).problems).toEqual([MIXED]);
    expect(permit(alternating(101)).problems).toEqual([
      MIXED,
      'error: && and || alternate more than 100 times: add parentheses',
    ]);
  });

  it('refuses a source whose terms times namespaces go beyond bounds, quickly', () => {
    const count = 4_000;
    const names = Array.from({ length: count }, (_, i) => `T${i}`);
    const classes = names.map((n) => `class ${n} implements Namespace { related: { r: ${n}[] } }`);
    const terms = names.map(() => 'q.related.r.includes(ctx.subject)').join(' || ');
    const source = `${classes.join('\n')}
class B implements Namespace {
  related: { p: (${names.join(' | ')})[] }
  permits = { v: (ctx) => this.related.p.traverse((q) => ${terms}) }
}`;
    const startMs = performance.now();
    const { model, problems } = compileModel(source);
    expect(model).toBeUndefined();
    expect(problems.map((p) => p.message)).toEqual([expect.stringContaining('asks for too much')]);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});
