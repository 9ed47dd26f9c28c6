/** What the Jsonnet subset computes, what it refuses, and that no text makes it hang or crash. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { compileJsonnet, type Inputs } from './index.ts';

function run(source: string, inputs: Inputs = {}): unknown {
  return compileJsonnet(source).evaluate(inputs);
}

const MAPPER = `
local claims = { email_verified: false } + std.extVar('claims');
{
  identity: {
    traits: {
      [if 'email' in claims && claims.email_verified then 'email' else null]: claims.email,
      name: { first: std.get(claims, 'given_name', 'nobody') },
    },
    verified_addresses: std.prune([
      if 'email' in claims && claims.email_verified then { via: 'email', value: claims.email },
    ]),
  },
}`;

describe('a mapper of claims', () => {
  test('gives the e-mail when the provider has verified it', () => {
    const claims = { email: 'a@example.org', email_verified: true, given_name: 'Ada' };
    expect(run(MAPPER, { external: { claims } })).toEqual({
      identity: {
        traits: { email: 'a@example.org', name: { first: 'Ada' } },
        verified_addresses: [{ via: 'email', value: 'a@example.org' }],
      },
    });
  });
  test('leaves the field out when its name is null', () => {
    expect(run(MAPPER, { external: { claims: { email: 'a@example.org' } } })).toEqual({
      identity: { traits: { name: { first: 'nobody' } }, verified_addresses: [] },
    });
  });
  test('a hook body is a function of ctx', () => {
    const body = "function(ctx) { id: ctx.identity.id, hi: 'Hello %s' % ctx.identity.traits.name }";
    const ctx = { identity: { id: '1', traits: { name: 'Ada' } } };
    expect(run(body, { named: { ctx } })).toEqual({ id: '1', hi: 'Hello Ada' });
  });
  test('a claim named __proto__ is a field like others', () => {
    const claims: unknown = JSON.parse('{"__proto__": {"admin": true}}');
    expect(JSON.stringify(run("std.extVar('claims')", { external: { claims } }))).toBe(
      '{"__proto__":{"admin":true}}',
    );
    expect(
      run("std.objectHas(std.extVar('claims'), 'constructor')", { external: { claims } }),
    ).toBe(false);
  });
});

test.each<[string, unknown]>([
  ['1 + 2 * 3 - 4 / 2', 5],
  ['"a" + 1 + [1, {a: null}] + {} + []', 'a1[1, {"a": null}]{ }[ ]'],
  ['@"c:\\d""e" + \'x\\u0041\\n\'', 'c:\\d"exA\n'],
  ['|||\n  one\n    two\n\n  three\n|||', 'one\n  two\n\nthree\n'],
  ['local f(x, y=x) = x + y; [f(1), f(1, y=5)]', [2, 6]],
  ['({a: 1, b: self.a} + {a: 2}).b', 2],
  ['{a: {b: 1}} + {a+: {c: $.z}, z:: 3}', { a: { b: 1, c: 3 } }],
  ['{a: 1} + {a: super.a + 1}', { a: 2 }],
  ['{local x = 1, a: x, f(y):: y + 1, b: self.f(2)}', { a: 1, b: 3 }],
  ['[x * y for x in [1, 2, 3] if x != 2 for y in [1, 10]]', [1, 10, 3, 30]],
  ['{[k]: k + "!" for k in ["a", "b"]}', { a: 'a!', b: 'b!' }],
  ['{a: error "never", b: 1}.b', 1],
  ['[1, 2, 3, 4][1:3] + [1, 2, 3, 4][::2] + ["abc"[1:]]', [2, 3, 1, 3, 'bc']],
  ['std.join(",", std.map(std.asciiUpper, ["a", "b"]))', 'A,B'],
  ['std.foldl(function(s, x) s + x, std.filter(function(x) x > 1, [1, 2, 3]), 0)', 5],
  ['std.prune({a: null, b: {c: []}, d: [null, 1]})', { d: [1] }],
  [
    '[std.length("\u{1f600}a"), std.substr("hello", 1, 3), std.split("a,b", ",")]',
    [2, 'ell', ['a', 'b']],
  ],
  ['std.parseJson(\'{"a": [1]}\').a[0] // end\n# and /* more */', 1],
  ['{assert self.a > 0 : "small", a: 1}', { a: 1 }],
  ['"%(x)s-%(y)d%%" % {x: "q", y: 3}', 'q-3%'],
  ['[] == [] && {a: 1} == {a: 1} && "a" < "b" && !([1, 2] < [1])', true],
  ['"%05d|%-4s|%+.2f|%x|%g|%c" % [42, "a", 2.5, 255, 0.00001, "z"]', '00042|a   |+2.50|ff|1e-05|z'],
  [
    '[0.1 + "", 1e20 + "", -0 + "", 1e-7 + ""]',
    ['0.10000000000000001', '100000000000000000000', '-0', '9.9999999999999995e-08'],
  ],
  ['std.manifestJsonEx({a: [1, {}]}, " ")', '{\n "a": [\n  1,\n  {\n\n  }\n ]\n}'],
  ['std.mergePatch({a: {b: 1, c: 2}, d: 3}, {a: {b: null}, d: null, e: 4})', { a: { c: 2 }, e: 4 }],
  [
    '[std.set([3, 1, 3]), std.setUnion([1, 2], [2, 3]), std.setDiff([1, 2], [2])]',
    [[1, 3], [1, 2, 3], [1]],
  ],
  [
    '[std.range(2, 4), std.reverse([1, 2]), std.flatMap(function(x) [x, x], [1])]',
    [
      [2, 3, 4],
      [2, 1],
      [1, 1],
    ],
  ],
  [
    '[std.md5("a"), std.base64("a"), std.base64Decode("YQ==")]',
    ['0cc175b9c0f1b6a831c399e269772661', 'YQ==', 'a'],
  ],
  ['std.sort([{n: 2}, {n: 1}], function(x) x.n)[0].n', 1],
  ['std.foldr(function(x, rest) [x] + rest, [1, 2], [])', [1, 2]],
])('%s is what the language says', (source, expected) => {
  expect(run(source)).toEqual(expected);
});

test.each<[string, string]>([
  ['std.filter(function(x) 1, [1])', 'a condition is number, not boolean'],
  ['"%s" % {a: 1}', 'names its fields'],
  ['"%2000s" % 1', 'wider than is allowed'],
  ['std.repeat("abc", 1e9)', 'too much output'],
  ['std.range(1, 1e12)', 'too much output'],
  ['{\n  a: import "x" }', 'line 2, column 6: `import` is not supported'],
  ['{ a: std.native("x") }', 'line 1, column 6: `std.native` is not supported'],
  ['1 << 2', 'line 1, column 3: `<<` is not supported'],
  ['local std = 1; std', 'can not be given another meaning'],
  ['local a = a; a', 'a value needs itself'],
  ['local f(x) = f(x + 1); f(1)', 'nested too deeply while evaluating'],
  ['error "no e-mail"', 'error: no e-mail'],
  ['{assert false : "wrong", a: 1}', 'assertion failed: wrong'],
  ['function(x) x', 'argument `x` is missing'],
  ['{a: 1, a: 2}', 'there twice'],
  ['std.extVar("x")', 'no variable of that name'],
  ['1 / 0', 'divided by zero'],
  ['1 /* open', 'a comment is not closed'],
  [`${'['.repeat(5000)}`, 'nested too deeply'],
  ['local d(s, n) = if n == 0 then s else d(s + s, n - 1); d("aaaaaaaa", 40)', 'too much output'],
  ['local d(o, n) = if n == 0 then o else d(o + o, n - 1); d({a+: {}}, 12)', 'nested too deeply'],
  ['local r = std.map(function(x) x, std.split("a" + "%s" % "b", "")); r', 'not empty'],
])('%s is refused with its place', (source, reason) => {
  expect(() => run(source)).toThrow(reason);
  expect(() => run(source)).toThrow(PosternError);
});

test('the words of an error are a fact of the refusal', () => {
  expect(() => run('error "cancel"')).toThrow(
    expect.objectContaining({ facts: { thrown: 'cancel' } }),
  );
});

const PIECES = `{ } [ ] ( ) , . ; : :: ::: +: = == != < > <= >= + - * / % ! && || ||| $ ' " @ a b x 1 0 1e9 self super
  null true false local if then else for in function error assert std.map std.length std.join std.prune std.get`;

describe('whatever the text', () => {
  const outcome = (source: string): void => {
    try {
      run(source, { external: { claims: {} } });
    } catch (error) {
      // Only the one refusal is allowed: a stack overflow or a type error of the program itself is a defect.
      if (!(error instanceof PosternError)) throw error;
    }
  };
  test('it comes to an end with a value or a refusal', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), outcome), {
      numRuns: 1000,
    });
    const word = fc.constantFrom(...PIECES.split(/\s+/));
    const words = fc.array(word, { maxLength: 40 }).map((list) => list.join(' '));
    fc.assert(fc.property(words, outcome), { numRuns: 5000 });
  });
  test('long chains and repeats are bounded too', () => {
    for (const piece of [
      'a.',
      '1+',
      '-',
      '!',
      '{a:',
      '(',
      '[',
      'if 1 then ',
      '/*',
      '|||\n',
      "'a'+",
      'local a=1;',
      '{}+',
    ]) {
      outcome(piece.repeat(20_000));
      outcome(`${piece.repeat(20_000)}1`);
    }
    outcome(`[1 for x in [1]${' if true'.repeat(20_000)}]`);
    outcome(`1${'+1'.repeat(20_000)}`);
  });
});
