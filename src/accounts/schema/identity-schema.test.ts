import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SCHEMA } from '../config/config.ts';
import { compileIdentitySchema, normaliseIdentifier } from './identity-schema.ts';

const schema = compileIdentitySchema('default', DEFAULT_SCHEMA);
const wide = compileIdentitySchema('wide', {
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        emails: {
          type: 'array',
          items: {
            type: 'string',
            format: 'email',
            'ory.sh/kratos': {
              credentials: { password: { identifier: true } },
              verification: { via: 'email' },
            },
          },
        },
        phone: {
          type: 'string',
          format: 'tel',
          'ory.sh/kratos': {
            credentials: { code: { identifier: true, via: 'sms' } },
            recovery: { via: 'sms' },
          },
        },
        age: { type: 'integer', minimum: 18 },
        news: { type: 'boolean' },
        born: { type: 'string', format: 'date', title: 'Date of birth' },
      },
      required: ['age'],
    },
  },
});

describe('an identity schema', () => {
  it('gives nodes in its order, with types, labels and what is required', () => {
    expect(schema.nodes('default').map((n) => Reflect.get(n.attributes, 'name'))).toEqual([
      'traits.email',
      'traits.name.first',
      'traits.name.last',
    ]);
    expect(schema.nodes('default')[0]).toMatchObject({
      attributes: { type: 'email', required: true, autocomplete: 'email' },
      meta: { label: { id: 1070002, text: 'Email', context: { name: 'traits.email' } } },
    });
    expect(wide.nodes('profile').map((n) => Reflect.get(n.attributes, 'type'))).toEqual([
      'tel',
      'number',
      'checkbox',
      'date',
    ]);
  });

  it('finds identifiers and addresses, also in lists', () => {
    const traits = { emails: [' A@x.org', 'b@x.org'], phone: '+4912345678', age: 20 };
    expect(wide.identifiers('password', traits)).toEqual(['a@x.org', 'b@x.org']);
    expect(wide.codeAddresses(traits)).toEqual([{ value: '+4912345678', via: 'sms' }]);
    expect(wide.verifiable(traits).map((a) => a.value)).toEqual(['a@x.org', 'b@x.org']);
    expect(wide.recovery(traits)).toEqual([{ value: '+4912345678', via: 'sms' }]);
  });

  it('tells each problem beside its field, by the ids that clients know', () => {
    const ids = (traits: Parameters<typeof wide.problems>[0]): [string, number][] =>
      wide.problems(traits).map((p) => [p.node, p.message.id]);
    expect(ids({})).toEqual([['traits.age', 4000002]]);
    expect(ids({ age: 17 })).toEqual([['traits.age', 4000018]]);
    expect(ids({ age: 'x' })).toEqual([['traits.age', 4000026]]);
    expect(ids({ age: 20, emails: ['x'] })).toEqual([['traits.emails.0', 4000040]]);
    expect(ids({ age: 20, phone: '12' })).toEqual([['traits.phone', 4000041]]);
    expect(schema.problems({ email: 'a@x.org', is_admin: true }).map((p) => p.message.id)).toEqual([
      4000001,
    ]);
  });

  it('reads a form by its types, and drops nothing silently', () => {
    const fields = new Map([
      ['traits.age', '20'],
      ['traits.news', 'true'],
      ['traits.phone', ''],
      ['traits.other.x', 'y'],
      ['method', 'password'],
    ]);
    expect(wide.fromForm(fields)).toEqual({ age: 20, news: true, other: { x: 'y' } });
    const evil = schema.fromForm(
      new Map([
        ['traits.__proto__.x', 'y'],
        ['traits.constructor', 'z'],
      ]),
    );
    expect(Object.getPrototypeOf(evil)).toBe(Object.prototype);
    expect('x' in {}).toBe(false);
  });

  it('normalises identifiers once and for all', () => {
    expect(normaliseIdentifier(' Ａnn\u200b@Example.org ')).toBe('ann@example.org');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const once = normaliseIdentifier(text);
        expect(normaliseIdentifier(once.normalize('NFKC'))).toBe(once);
      }),
    );
  });

  it('refuses what is no schema', () => {
    expect(() => compileIdentitySchema('x', 5)).toThrow('not a JSON object');
    expect(() => compileIdentitySchema('x', { type: 'nonsense' })).toThrow('is not valid');
  });
});
