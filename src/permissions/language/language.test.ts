/** The permission language: what it takes, what it says about the rest, and that nothing makes it throw or hang. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Rewrite } from '../model.ts';
import { compileModel, formatModel } from './index.ts';

const wrap = (
  permit: string,
  related = 'a: U[] b: U[] c: U[] p: (N | SubjectSet<G, "m">)[]',
): string =>
  `class U implements Namespace { related: { x: U[] } }
   class G implements Namespace { related: { m: N[] } permits = { q: (ctx) => this.related.m.includes(ctx.subject) } }
   class N implements Namespace { related: { ${related} } permits = { q: (ctx: Context): boolean => ${permit} } }`;
const rewriteOf = (permit: string): Rewrite | undefined =>
  compileModel(wrap(permit)).model?.namespaces.get('N')?.relations.get('q')?.rewrite;
const errorsOf = (source: string): string[] =>
  compileModel(source)
    .problems.filter((p) => p.severity === 'error')
    .map((p) => p.message);
const rel = (relation: string): Rewrite => ({ kind: 'computed', relation });
const has = (r: string): string => `this.related.${r}.includes(ctx.subject)`;

describe('the permission language', () => {
  it('reads classes with relations of every type form', () => {
    const { model, problems } = compileModel(`
      import { Namespace, Context } from "@ory/permission-namespace-types"
      // a comment
      export class User implements Namespace {};
      class Group implements Namespace {
        related: {
          one: User[], two: (User | SubjectSet<Group, "one">)[];
          three: Array<User | Group>
          "four five": SubjectSet<Group, 'one'>[]
          six: (User | Wildcard<User>)[] /* and more */
        }
      }`);
    expect(problems).toEqual([]);
    const relations = model?.namespaces.get('Group')?.relations;
    const type = (namespace: string, relation = '', isWildcard = false) => ({
      ...{ namespace, relation, isWildcard },
    });
    expect(relations?.get('two')?.types).toEqual([type('User'), type('Group', 'one')]);
    expect(relations?.get('three')?.types).toEqual([type('User'), type('Group')]);
    expect(relations?.get('four five')?.types).toEqual([type('Group', 'one')]);
    expect(relations?.get('six')?.types).toEqual([type('User'), type('User', '', true)]);
  });

  it('binds && and || alike from left to right, and warns of the mixture', () => {
    const permit = `${has('a')} || ${has('b')} && ${has('c')}`;
    expect(rewriteOf(permit)).toEqual({
      kind: 'and',
      children: [{ kind: 'or', children: [rel('a'), rel('b')] }, rel('c')],
    });
    expect(compileModel(wrap(permit)).problems).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('left to right') },
    ]);
    expect(compileModel(wrap(`(${has('a')} || ${has('b')}) && ${has('c')}`)).problems).toEqual([]);
  });

  it('makes one group of a run of one operator, also across parentheses', () => {
    expect(rewriteOf(`${has('a')} || (${has('b')} || (${has('c')}))`)).toEqual({
      kind: 'or',
      children: [rel('a'), rel('b'), rel('c')],
    });
    expect(rewriteOf(`((${has('a')}))`)).toEqual(rel('a'));
  });

  it('reads negation, brackets for names, and traversals with whole expressions', () => {
    expect(rewriteOf(`!(${has('a')} && this.related["b"].includes(ctx.subject))`)).toEqual({
      kind: 'not',
      child: { kind: 'and', children: [rel('a'), rel('b')] },
    });
    const related = 'a: U[] p: N[]';
    const permit =
      'this.related.p.traverse((x) => x.permits.q(ctx) || x.related.a.includes(ctx.subject) && !x.related.p.traverse(y => y.permits.r(ctx)))';
    const source = wrap(`${permit}, r: (ctx) => ${has('a')}`, related);
    expect(errorsOf(source)).toEqual([]);
    expect(compileModel(source).model?.namespaces.get('N')?.relations.get('q')?.rewrite).toEqual({
      kind: 'traverse',
      relation: 'p',
      through: {
        kind: 'and',
        children: [
          { kind: 'or', children: [rel('q'), rel('a')] },
          { kind: 'not', child: { kind: 'traverse', relation: 'p', through: rel('r') } },
        ],
      },
    });
  });

  it.each([
    ['class A implements Namespace { related: { b: C[] } }', 'namespace "C" was not declared'],
    [
      'class A implements Namespace { related: { b: SubjectSet<A, "z">[] } }',
      'namespace "A" did not declare relation "z"',
    ],
    [wrap(has('zz')), 'namespace "N" did not declare relation "zz"'],
    [
      wrap('this.related.a.traverse(x => x.permits.q(ctx))'),
      'relation "q" was not declared in namespace "U"',
    ],
    ['class A implements Namespace { x }', `expected 'permits' or 'related', got "x"`],
    ['class A implements Namespace ( }', 'expected "{", got "("'],
    [wrap('this.related.a.foo(x)'), `expected 'traverse' or 'includes', got "foo"`],
    [wrap(`${has('a')} ${has('b')}`), 'expected ",", got "this"'],
    [
      wrap(`${'('.repeat(10)}${has('a')}${')'.repeat(10)}`),
      'expression nested too deeply; maximal nesting depth is 10',
    ],
    ['class A /* open', 'unclosed comment'],
    ['class "A', 'unclosed string literal'],
    ['class A implements Namespace { # }', 'unexpected token #'],
    [
      'class A implements Namespace {} class A implements Namespace {}',
      'namespace "A" is declared twice',
    ],
    ['class A implements Namespace { related: { b: A[] b: A[] } }', 'declares "b" twice'],
    [wrap('this.related.p.traverse(x => this.permits.q(ctx))'), 'expected "x", got "this"'],
  ])('says what is wrong: %s', (source, message) => {
    expect(errorsOf(source)[0]).toContain(message);
  });

  it('tells all that is not declared, each with its place', () => {
    const source = 'class A implements Namespace {\n  related: { b: C[]\n  d: (E | A)[] }\n}';
    expect(compileModel(source).problems).toEqual([
      {
        ...{ severity: 'error', message: 'namespace "C" was not declared' },
        ...{ start: { line: 2, column: 17 }, end: { line: 2, column: 18 } },
      },
      {
        ...{ severity: 'error', message: 'namespace "E" was not declared' },
        ...{ start: { line: 3, column: 7 }, end: { line: 3, column: 8 } },
      },
    ]);
  });

  it.each([
    ['!this.permits.q(ctx)', 'N.q -> !N.q'],
    [`${has('a')} && !this.related.p.traverse(x => x.permits.q(ctx))`, 'negates itself'],
    ['!this.permits.r(ctx), r: (ctx) => this.permits.q(ctx)', 'N.q -> !N.r -> N.q'],
  ])('refuses a permit that negates itself: %s', (permit, message) => {
    expect(errorsOf(wrap(permit)).join()).toContain(message);
  });
  it('takes negation without a cycle, and cycles without negation', () => {
    expect(errorsOf(wrap(`${has('a')} && !${has('b')}`))).toEqual([]);
    expect(errorsOf(wrap('this.related.p.traverse(x => x.permits.q(ctx))'))).toEqual([]);
  });

  it('never throws, and takes no longer than the source is long', () => {
    const start = performance.now();
    for (const c of ['(', '!', '/*', '"', "'", '{', 'class A implements Namespace {', '&&', '\n'])
      for (const prefix of ['', 'class A implements Namespace { permits = { a: (ctx) => '])
        compileModel(prefix + c.repeat(65_536 / c.length));
    expect(performance.now() - start).toBeLessThan(5_000);
    const words = fc.constantFrom(
      ...[
        'class',
        'A',
        'B',
        'implements',
        'Namespace',
        '{',
        '}',
        'related',
        'permits',
        ':',
        '=',
        ',',
      ],
      ...[
        '=>',
        '(',
        ')',
        'ctx',
        'this',
        '.',
        'includes',
        'traverse',
        'subject',
        '||',
        '&&',
        '!',
        '[',
      ],
      ...[']', '<', '>', '|', 'SubjectSet', 'Array', ';', '"x"', '//c\n', '\u{1f984}', '\0'],
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 60 }), (list) => {
        compileModel(list.join(' '));
      }),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void compileModel(text)));
  });
});

/** Random expressions, printed with all parentheses. */
const expression: fc.Arbitrary<{ text: string; rewrite: Rewrite }> = fc.letrec<{
  e: { text: string; rewrite: Rewrite };
}>((tie) => ({
  e: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('a', 'b', 'c').map((r) => ({ text: has(r), rewrite: rel(r) })),
    tie('e').map(({ text, rewrite }) => ({
      text: `!(${text})`,
      rewrite: { kind: 'not' as const, child: rewrite },
    })),
    fc
      .tuple(fc.constantFrom('or' as const, 'and' as const), tie('e'), tie('e'))
      .map(([kind, l, r]) => {
        const parts = (x: Rewrite): readonly Rewrite[] =>
          x.kind === kind && 'children' in x ? x.children : [x];
        return {
          text: `(${l.text}) ${kind === 'or' ? '||' : '&&'} (${r.text})`,
          rewrite: { kind, children: [...parts(l.rewrite), ...parts(r.rewrite)] },
        };
      }),
  ),
})).e;

describe('a formatted source', () => {
  it('is the same model, and formatting it again changes nothing', () => {
    fc.assert(
      fc.property(expression, ({ text, rewrite }) => {
        const source = wrap(text);
        expect(rewriteOf(text)).toEqual(rewrite);
        const formatted = formatModel(source);
        expect(formatModel(formatted)).toBe(formatted);
        expect(compileModel(formatted).model).toEqual(compileModel(source).model);
      }),
    );
  });
  it('has one member a line and keeps its comments', () => {
    expect(
      formatModel(
        'class A implements Namespace{related:{a:A[],b:(A|SubjectSet<A,"a">)[] // both\n}\n// now\npermits={c:(ctx:Context):boolean=>!this.related.a.includes(ctx.subject)||this.related["b"].traverse((x)=>x.permits.c(ctx))}}',
      ),
    ).toBe(`class A implements Namespace {
  related: {
    a: A[],
    b: (A | SubjectSet<A, "a">)[] // both
  }
  // now
  permits = {
    c: (ctx: Context): boolean => !this.related.a.includes(ctx.subject) || this.related["b"].traverse((x) => x.permits.c(ctx))
  }
}
`);
  });
  it('is refused when it is not in the language', () => {
    expect(() => formatModel('class {')).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
});
