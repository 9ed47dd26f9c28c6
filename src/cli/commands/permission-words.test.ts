import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Subject, Tuple } from '../../permissions/light.ts';
import { expandText, shownTuple, traceText } from './permission-print.ts';
import {
  readInstantMs,
  readPlaceWords,
  readTupleJson,
  readTupleLines,
  readTupleWords,
  subjectQuery,
  tupleJson,
} from './permission-words.ts';

const TUPLE: Tuple = { namespace: 'Doc', object: 'a:b', relation: 'view', subject: { id: 'ann' } };

describe('a question', () => {
  it('is three words, four as older versions had it, or one', () => {
    expect(readTupleWords(['ann', 'view', 'Doc:a:b'])).toEqual(TUPLE);
    expect(readTupleWords(['ann', 'view', 'Doc', 'a:b'])).toEqual(TUPLE);
    expect(readTupleWords(['Doc:a:b#view@ann'])).toEqual(TUPLE);
    expect(readTupleWords(['(Group:g#m)', 'view', 'Doc:']).subject).toEqual({
      set: { namespace: 'Group', object: 'g', relation: 'm' },
    });
  });
  it.each([[['a', 'b']], [['a', 'b', 'c']], [['x']], [['Doc:a#b']], [['a', 'b', 'c', 'd', 'e']]])(
    'is not %j',
    (words) => {
      expect(() => readTupleWords(words)).toThrow(expect.objectContaining({ exitCode: 64 }));
    },
  );
  it('about a place is two words, three, or one', () => {
    const place = { namespace: 'Doc', object: 'a', relation: 'view' };
    expect(readPlaceWords(['view', 'Doc:a'])).toEqual(place);
    expect(readPlaceWords(['view', 'Doc', 'a'])).toEqual(place);
    expect(readPlaceWords(['Doc:a#view'])).toEqual(place);
    expect(() => readPlaceWords(['Doc:a'])).toThrow('#RELATION');
    expect(() => readPlaceWords(['view', 'Doc'])).toThrow('NAMESPACE:OBJECT');
  });
  it('names a set by all three keys, also where they are empty', () => {
    const set = { namespace: 'Group', object: '', relation: '' };
    expect(subjectQuery({ set })).toEqual([
      ['subject_set.namespace', 'Group'],
      ['subject_set.object', ''],
      ['subject_set.relation', ''],
    ]);
  });
});

describe('tuples in files', () => {
  it('are the same after they were written as JSON and read', () => {
    const name = fc.string({ unit: 'binary' });
    const subject: fc.Arbitrary<Subject> = fc.oneof(
      fc.record({ id: name }),
      fc.record({ set: fc.record({ namespace: name, object: name, relation: name }) }),
    );
    const tuple = fc.record({ namespace: name, object: name, relation: name, subject });
    fc.assert(
      fc.property(fc.array(tuple), (tuples) => {
        expect(readTupleJson(JSON.stringify(tuples.map(tupleJson)), 'f')).toEqual(tuples);
      }),
    );
  });
  it('may begin with a byte order mark, and may be one alone', () => {
    expect(readTupleJson(`\uFEFF${JSON.stringify(tupleJson(TUPLE))}`, 'f')).toEqual([TUPLE]);
  });
  it('may be a page as `get` prints it', () => {
    const page = { relation_tuples: [tupleJson(TUPLE)], is_last_page: true, next_page_token: '' };
    expect(readTupleJson(JSON.stringify(page), 'f')).toEqual([TUPLE]);
  });
  it('name the place of what is wrong', () => {
    expect(() => readTupleJson('{', 'f.json')).toThrow('f.json is not JSON');
    expect(() => readTupleJson('[{}]', 'f')).toThrow('f[0]: exactly one of subject_id');
    expect(() => readTupleJson('[{"subject_id":"a"}]', 'f')).toThrow('f[0]: "namespace"');
    const both = '{"subject_id":"a","subject_set":{"namespace":"n"}}';
    expect(() => readTupleJson(both, 'f')).toThrow('exactly one of');
    expect(() => readTupleLines('a:b#c@d\nx\n', 'f')).toThrow('f: line 2');
  });
  it('one a line pass over blanks and comments', () => {
    expect(readTupleLines(' Doc:a:b#view@ann \r\n\n// no\n', 'f')).toEqual([TUPLE]);
  });
  it('expire at an instant with a zone', () => {
    expect(readInstantMs('1970-01-01T01:00:00+01:00', 'f')).toBe(0);
    expect(() => readInstantMs('1970-01-01T01:00:00', 'f')).toThrow('is not an instant');
    const expiring = { ...TUPLE, expiresAtMs: 1000 };
    expect(readTupleJson(JSON.stringify(tupleJson(expiring)), 'f')).toEqual([expiring]);
  });
});

describe('what is shown', () => {
  it('is a tuple in the text notation', () => {
    expect(shownTuple(tupleJson(TUPLE))).toBe('Doc:a:b#view@ann');
  });
  it('is the tree of an expand, its leaves by name', () => {
    const set = { namespace: 'Group', object: 'g', relation: 'm' };
    const tree = {
      type: 'union',
      tuple: { subject_set: { ...set, object: 'a' } },
      children: [
        {
          type: 'union',
          tuple: { subject_set: set },
          children: [{ type: 'leaf', tuple: { subject_id: 'x' } }],
        },
        { type: 'leaf', tuple: { subject_id: '' } },
        { type: 'leaf', tuple: { subject_id: 'y' } },
      ],
    };
    expect(expandText(tree)).toBe('union Group:a#m\n├─ union Group:g#m\n│  └─ x\n├─ leaf\n└─ y');
  });
  it('says where a tree goes on', () => {
    const leaf = (object: string, truncated: string): unknown => ({
      type: 'leaf',
      tuple: { subject_set: { namespace: 'G', object, relation: 'm' } },
      truncated,
    });
    const tree = {
      type: 'union',
      tuple: { subject_set: { namespace: 'G', object: 'a', relation: 'm' } },
      truncated: 'size',
      children: [leaf('b', 'depth'), leaf('a', 'cycle'), leaf('c', 'as nobody knows')],
    };
    expect(expandText(tree).split('\n')).toEqual([
      'union G:a#m  (more than is shown)',
      '├─ G:b#m  (more below: --max-depth)',
      '├─ G:a#m  (shown above)',
      '└─ G:c#m',
    ]);
  });
  it.each([
    ['type', { subject_id: 'ann' }],
    ['kind', { id: 'ann' }],
  ])('is a trace with its answers, as deep as it can be read, by its %s', (key, ann) => {
    const place = { namespace: 'Doc', object: 'a', relation: 'view' };
    const node = (kind: string, allowed: boolean | null, children: unknown[] = []): unknown => ({
      [key]: kind,
      ...place,
      allowed,
      children,
    });
    const trace = node('relation', false, [
      node('and', false, [
        node('computed', true, [{ ...(node('relation', true) as object), stored: ann }]),
        node('not', false, [node('traverse', null)]),
      ]),
    ]);
    expect(traceText(trace)).toBe(
      [
        '✘ Doc:a#view',
        '└─ ✘ all of',
        '   ├─ ✔ Doc:a#view  stored: ann',
        '   └─ ✘ not',
        '      └─ ? each of Doc:a#view  not known',
      ].join('\n'),
    );
    let deep: unknown = node('relation', true);
    for (let i = 0; i < 20_000; i++) deep = node('traverse', true, [deep]);
    expect(traceText(deep)).toMatch(/… deeper; --output json shows all$/);
  });
});
