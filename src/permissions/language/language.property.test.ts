/** Properties of the permission language: random models come back from their text, and no text does harm. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import type { Model, Namespace, Relation, Rewrite, SubjectType } from '../model.ts';
import { compileModel } from './compile.ts';
import { formatModel } from './format.ts';
import { lex } from './lexer.ts';

const NAMES = [
  'a',
  'b_1',
  'class',
  'ctx',
  'Array',
  'SubjectSet',
  'Wildcard',
  '__proto__',
  'x y',
  'it"s',
  "it's",
  '//',
  '#:@',
];
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 });

const quote = (name: string): string => (name.includes('"') ? `'${name}'` : `"${name}"`);
const printType = ({ namespace, relation, isWildcard }: SubjectType): string => {
  if (isWildcard) return `Wildcard<${quote(namespace)}>`;
  return relation === '' ? quote(namespace) : `SubjectSet<${quote(namespace)}, ${quote(relation)}>`;
};
/** Prints every group in parentheses. */
function printRewrite(r: Rewrite, subject: string): string {
  switch (r.kind) {
    case 'computed':
      return `${subject}.related[${quote(r.relation)}].includes(ctx.subject)`;
    case 'not':
      return `!${printRewrite(r.child, subject)}`;
    case 'traverse':
      return `${subject}.related[${quote(r.relation)}].traverse(${subject}x => ${printRewrite(r.through, `${subject}x`)})`;
    default: {
      const inner = r.children
        .map((c) => printRewrite(c, subject))
        .join(r.kind === 'or' ? '||' : '&&');
      return `(${inner})`;
    }
  }
}
function printModel({ namespaces }: Model): string {
  let text = '';
  for (const { name, relations } of namespaces.values()) {
    text += `class ${quote(name)} implements Namespace {`;
    for (const r of relations.values())
      text +=
        r.rewrite === undefined
          ? `related: { ${quote(r.name)}: (${r.types.map(printType).join('|')})[] }`
          : `permits = { ${quote(r.name)}: (ctx) => ${printRewrite(r.rewrite, 'this')}, }`;
    text += '}\n';
  }
  return text;
}

/** Every namespace has relations and permits of the same names, so that whatever is traversed is declared. */
const models: fc.Arbitrary<Model> = fc
  .tuple(names, names, fc.uniqueArray(fc.constantFrom('p', 'q', 'this'), { maxLength: 2 }))
  .chain(([spaces, relations, permits]) => {
    const relation = fc.constantFrom(...relations);
    const type = fc.record({
      namespace: fc.constantFrom(...spaces),
      relation: fc.constant(''),
      isWildcard: fc.boolean(),
    });
    const types = fc.uniqueArray(type, { minLength: 1, maxLength: 4, selector: printType });
    const { rewrite } = fc.letrec<{ rewrite: Rewrite; operand: Rewrite; computed: Rewrite }>(
      (tie) => ({
        computed: fc.record({ kind: fc.constant('computed' as const), relation }),
        operand: fc.oneof(
          { depthSize: 'xsmall' },
          tie('computed'),
          tie('computed').map((child): Rewrite => ({ kind: 'not', child })),
          fc.record({ kind: fc.constant('traverse' as const), relation, through: tie('rewrite') }),
          tie('rewrite'),
        ),
        rewrite: fc.oneof(
          { depthSize: 'xsmall' },
          tie('computed'),
          fc
            .record({
              kind: fc.constantFrom('or' as const, 'and' as const),
              children: fc.array(tie('operand'), { minLength: 2, maxLength: 3 }),
            })
            .map(flatten),
        ),
      }),
    );
    const namespace = fc.tuple(
      fc.array(types, { minLength: relations.length, maxLength: relations.length }),
      fc.array(rewrite, { minLength: permits.length, maxLength: permits.length }),
    );
    return fc
      .array(namespace, { minLength: spaces.length, maxLength: spaces.length })
      .map((contents) => ({
        namespaces: new Map(
          contents.map(([all, rewrites], i): [string, Namespace] => {
            const entries: Relation[] = [
              ...all.map((t, j) => ({ name: relations[j] ?? '', types: t })),
              ...rewrites.map((r, j) => ({ name: permits[j] ?? '', types: [], rewrite: r })),
            ];
            const name = spaces[i] ?? '';
            return [name, { name, relations: new Map(entries.map((e) => [e.name, e])) }];
          }),
        ),
      }));
  });

/** A group as the language has it: without children of its own kind. */
function flatten(r: Rewrite & { kind: 'or' | 'and' }): Rewrite {
  return { ...r, children: r.children.flatMap((c) => (c.kind === r.kind ? c.children : [c])) };
}

const runs = { numRuns: 300 };

describe('the permission language', () => {
  it('reads every printed model as it was', () => {
    fc.assert(
      fc.property(models, (model) => {
        expect(compileModel(printModel(model))).toEqual({ model, problems: [] });
      }),
      runs,
    );
  });
  it('is formatted without a change of its meaning, and only once', () => {
    fc.assert(
      fc.property(models, (model) => {
        const formatted = formatModel(printModel(model));
        expect(compileModel(formatted)).toEqual({ model, problems: [] });
        expect(formatModel(formatted)).toBe(formatted);
      }),
      runs,
    );
  });

  /** Puts space and comments between the tokens of a source. */
  const strewn = fc
    .tuple(
      models,
      fc.infiniteStream(
        fc.constantFrom(
          '',
          '',
          '',
          ' ',
          '\n',
          '\n\n',
          ' /* c */',
          '/*\n*/',
          '\n/*d*/\n',
          '// e\n',
          '\n  // f \r\n',
          ' \n\n// g\n\n',
        ),
      ),
    )
    .map(([model, separators]) => {
      const source = printModel(model);
      let text = '';
      for (const { kind, start, end } of lex(source).tokens) {
        const quoted = kind === 'StringLiteral' ? 1 : 0;
        const separator: string = separators.next().value ?? '';
        text += `${separator || ' '}${source.slice(start - quoted, end + quoted)}`;
      }
      return { model, text: `${text}\n` };
    });
  it('keeps all comments in their order when it is formatted', () => {
    const commentsOf = (source: string): string[] =>
      lex(source).comments.map((c) => c.text.trimEnd());
    fc.assert(
      fc.property(strewn, ({ model, text }) => {
        const formatted = formatModel(text);
        expect(commentsOf(formatted)).toEqual(commentsOf(text));
        expect(compileModel(formatted)).toEqual({ model, problems: [] });
        expect(formatModel(formatted)).toBe(formatted);
      }),
      { numRuns: 1000 },
    );
  });
});

/** Compiles and formats; nothing but `invalid` may come of it. */
function digest(source: string): void {
  const { model, problems } = compileModel(source);
  expect(model === undefined).toBe(problems.some((p) => p.severity === 'error'));
  const lines = source.split('\n');
  for (const { start, end, message } of problems) {
    expect(message).not.toBe('');
    expect(start.line).toBeLessThanOrEqual(end.line);
    expect(end.line).toBeLessThanOrEqual(lines.length);
    for (const { line, column } of [start, end]) {
      expect(column).toBeGreaterThan(0);
      expect(column).toBeLessThanOrEqual((lines[line - 1]?.length ?? 0) + 1);
    }
  }
  try {
    const formatted = formatModel(source);
    expect(formatModel(formatted)).toBe(formatted);
    expect(compileModel(formatted).model).toEqual(model);
  } catch (reason) {
    if (!(reason instanceof PosternError) || reason.code !== 'invalid') throw reason;
    expect(model).toBeUndefined();
  }
}

describe('a hostile source', () => {
  it('of random characters does no harm', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), digest), runs);
  });
  const pieces = [
    'class',
    'A',
    'implements',
    'Namespace',
    '{',
    '}',
    'related',
    ':',
    'permits',
    '=',
    '(',
    ')',
    '[',
    ']',
  ]
    .concat([
      '<',
      '>',
      '|',
      '||',
      '&&',
      '!',
      '=>',
      '.',
      ',',
      ';',
      'this',
      'ctx',
      'subject',
      'includes',
      'traverse',
    ])
    .concat([
      '"',
      "'",
      '/*',
      '*/',
      '//',
      '\n',
      ' ',
      'SubjectSet',
      'Wildcard',
      'Array',
      '\0',
      'ü',
      '\ud800',
    ]);
  it('of random words does no harm', () => {
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((p) => p.join(' '));
    fc.assert(
      fc.property(text, (t) => digest(`class A implements Namespace { ${t}`)),
      runs,
    );
  });
  it('that is nearly right does no harm', () => {
    const edit = fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 5 }),
      piece: fc.constantFrom('', ...pieces),
    });
    fc.assert(
      fc.property(models, fc.array(edit, { minLength: 1, maxLength: 3 }), (model, edits) => {
        let source = printModel(model);
        for (const { at, length, piece } of edits) {
          const place = at % source.length;
          source = source.slice(0, place) + piece + source.slice(place + length);
        }
        digest(source);
      }),
      { numRuns: 1000 },
    );
  });
});
