import { describe, expect, it } from 'vitest';
import {
  compileIdentitySchema,
  type IdentitySchema,
  normaliseIdentifier,
} from './identity-schema.ts';
import { linearPattern } from './linear-pattern.ts';

const schemaOf = (properties: object, more: object = {}): IdentitySchema =>
  compileIdentitySchema('x', {
    type: 'object',
    properties: { traits: { type: 'object', properties, ...more } },
  });
/** Ids of the messages, by node. */
const wrong = (schema: IdentitySchema, traits: object): string[] =>
  schema.problems(traits as never).map((p) => `${p.node} ${p.message.id}`);
const tookMs = (work: () => unknown): number => {
  const beganMs = performance.now();
  work();
  return performance.now() - beganMs;
};
const LONG = 250_000;

describe('a pattern of an identity schema', () => {
  it('is held against a text in time that grows with its length, however it is written', () => {
    for (const source of ['^(a+)+$', '^(a|aa)+$', '(a*)*b', '^([a-z]+)*$', '^(a|a?)+$']) {
      const pattern = linearPattern(source);
      // A backtracking engine would need 2^30 steps for the first of these already.
      for (const length of [30, 1_000, LONG]) {
        const text = `${'a'.repeat(length)}!`;
        expect(
          tookMs(() => pattern.test(text)),
          `${source} ${length}`,
        ).toBeLessThan(5_000);
      }
    }
    expect(linearPattern('^(a+)+$').test('aaa')).toBe(true);
    expect(linearPattern('^(a+)+$').test('aaa!')).toBe(false);
  });

  it('may stand anywhere in the text, and is read as Go and as JavaScript read it', () => {
    expect(linearPattern('b').test('abc')).toBe(true);
    expect(linearPattern('(?i)^ANN$').test('ann')).toBe(true);
    expect(linearPattern('^\\p{L}+\\z').test('Zoë')).toBe(true);
    expect(linearPattern('^\\u00e9$').test('é')).toBe(true);
    expect(linearPattern('^[\\w.+-]+@example\\.org$').test('a.b+c@example.org')).toBe(true);
  });

  it('works as the keywords pattern and patternProperties', () => {
    const schema = schemaOf({ slug: { type: 'string', pattern: '(?i)^[a-z]{2,5}$' } });
    expect(wrong(schema, { slug: 'ABC' })).toEqual([]);
    expect(wrong(schema, { slug: 'A' })).toEqual(['traits.slug 4000004']);
    const open = schemaOf({}, { patternProperties: { '^x_': { type: 'number' } } });
    expect(wrong(open, { x_a: 1, y: 'y' })).toEqual([]);
    expect(wrong(open, { x_a: 'text' })).toEqual(['traits.x_a 4000026']);
  });

  it.each([
    ['(?=a)b', 'slug/pattern'],
    ['^(?!admin)', 'slug/pattern'],
    ['(?<=a)b', 'slug/pattern'],
    ['(a)\\1', 'slug/pattern'],
    ['((a{1000}){1000}){1000}', 'slug/pattern'],
    ['(', 'slug/pattern'],
    ['x'.repeat(5_000), 'slug/pattern'],
  ])('%s is refused when the schema is read, with its key and advice', (pattern, key) => {
    const compile = (): unknown => schemaOf({ slug: { type: 'string', pattern } });
    expect(compile).toThrow(key);
    expect(compile).toThrow(/identity schema "x".*RE2/);
  });
  it('is refused as a key of patternProperties too, and is no pattern where it is data', () => {
    expect(() => schemaOf({}, { patternProperties: { '(?=a)': {} } })).toThrow('patternProperties');
    expect(() =>
      schemaOf({ pattern: { type: 'string', default: { pattern: '(?=' } } }),
    ).not.toThrow();
  });
});

describe('a trait without end', () => {
  const schema = schemaOf({
    email: {
      ...{ type: 'string', format: 'email' },
      'ory.sh/kratos': { credentials: { password: { identifier: true } } },
    },
    slug: { type: 'string', pattern: '^(a+)+$' },
    short: { type: 'string', maxLength: 3, pattern: '^b$' },
    wide: { type: 'string', maxLength: 10_000 },
    site: { type: 'string', format: 'uri' },
    tags: { type: 'array', uniqueItems: true, items: { type: ['string', 'object'] } },
    deep: { type: 'object', properties: { name: { type: 'string' } } },
  });
  it('is told to be too long, by itself, in the shape of a flow', () => {
    expect(schema.problems({ slug: 'a'.repeat(LONG) })).toEqual([
      {
        node: 'traits.slug',
        message: expect.objectContaining({
          ...{ id: 4000017, context: { max_length: 4_096, actual_length: LONG } },
        }),
      },
    ]);
    expect(wrong(schema, { short: 'abcd' })).toEqual(['traits.short 4000017']);
    expect(wrong(schema, { wide: 'x'.repeat(10_000) })).toEqual([]);
    expect(wrong(schema, { wide: 'x'.repeat(10_001) })).toEqual(['traits.wide 4000017']);
    expect(wrong(schema, { email: `${'a'.repeat(1_100)}@b.c` })).toEqual(['traits.email 4000017']);
    expect(wrong(schema, { deep: { name: 'x'.repeat(5_000) } })).toEqual([
      'traits.deep.name 4000017',
    ]);
    expect(wrong(schema, { unknown: ['x'.repeat(5_000)] })).toEqual(['traits.unknown.0 4000017']);
    expect(wrong(schema, { tags: Array.from({ length: 1_001 }, () => ({})) })).toEqual([
      'traits.tags 4000001',
    ]);
  });
  it('is counted in characters, as a schema does', () => {
    expect(wrong(schema, { short: '\u{1f600}'.repeat(3) })).toEqual(['traits.short 4000004']);
    expect(wrong(schema, { wide: '\u{1f600}'.repeat(10_000) })).toEqual([]);
  });

  const HOSTILE = [
    ...['a', 'a-', 'a.', 'a@', 'a:', '/', '%20', '{a}', '0', '1:', '~0', '\u00a1-', 'A', ' '],
    ...['http://a:', 'a@a.', '12:00:00.0', 'P1'],
  ];
  it('costs little with any format and any end', () => {
    const formats = [
      'date',
      'time',
      'date-time',
      'duration',
      'uri',
      'uri-reference',
      'url',
      'email',
    ];
    formats.push('uri-template', 'hostname', 'ipv4', 'ipv6', 'regex', 'uuid', 'json-pointer');
    formats.push('relative-json-pointer', 'iso-time', 'iso-date-time', 'byte', 'tel', 'phone');
    for (const format of formats) {
      const strict = schemaOf({ v: { type: 'string', format, maxLength: 1_000_000 } });
      for (const part of HOSTILE)
        for (const [head, end] of [
          ['', ''],
          ['', '!"'],
          ['http://a', '"'],
          ['a@', '!'],
          ['P', 'x'],
        ])
          for (const length of [2_000, LONG]) {
            const v = `${head}${part.repeat(length / part.length)}${end}`;
            const ms = tookMs(() => strict.problems({ v }));
            expect(ms, `${format} ${head}${part}… ${length}`).toBeLessThan(1_000);
          }
    }
  }, 60_000);
  it('makes no name that is normalised for long', () => {
    const marks = `a${'\u0300\u0316'.repeat(30_000)}`;
    expect(tookMs(() => normaliseIdentifier(marks))).toBeLessThan(500);
    expect(normaliseIdentifier(marks)).toBe('');
    expect(normaliseIdentifier(`${'x'.repeat(1_000)}@B.c`)).toBe(`${'x'.repeat(1_000)}@b.c`);
  });
});
