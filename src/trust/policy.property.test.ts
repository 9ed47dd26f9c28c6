/** Properties of the policy language over generated expressions and texts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Expression,
  evaluatePolicy,
  parsePolicy,
  peerEnvironment,
  printPolicy,
} from './policy.ts';

const peer = {
  identifier: 'Iabc',
  attributes: { component: 'web', a: 'true' },
  hasCredential: true,
};
const env = peerEnvironment(peer, 'outlet');

const name = fc
  .stringMatching(/^[A-Za-z!$%&*/<=>?~_^][A-Za-z0-9!$%&*/<=>?~_^.+\-@]{0,8}$/)
  .filter((n) => n !== 'true' && n !== 'false')
  .map((n): Expression => ({ kind: 'name', name: `subject.${n}` }));
const literal = fc.oneof(
  fc.string({ unit: 'binary' }).map((value): Expression => ({ kind: 'literal', value })),
  fc.boolean().map((value): Expression => ({ kind: 'literal', value })),
  fc.maxSafeInteger().map((n): Expression => ({ kind: 'literal', value: n || 0, isFloat: false })),
  fc.integer().map((n): Expression => ({ kind: 'literal', value: n / 8 || 0, isFloat: true })),
);
const { expression } = fc.letrec<{ expression: Expression }>((tie) => {
  const call = (operator: 'and' | '=' | 'not' | 'if' | 'member?', min: number, max: number) =>
    fc
      .array(tie('expression'), { minLength: min, maxLength: max })
      .map((args): Expression => ({ kind: 'call', operator, args }));
  const sequence = fc
    .array(name, { maxLength: 3 })
    .map((items): Expression => ({ kind: 'sequence', items }));
  return {
    expression: fc.oneof(
      { depthSize: 'small' },
      ...[name, literal, sequence],
      ...[
        call('and', 0, 3),
        call('=', 2, 3),
        call('not', 1, 1),
        call('if', 3, 3),
        call('member?', 2, 2),
      ],
    ),
  };
});

describe('properties', () => {
  it('what prints parses as the same policy', () =>
    fc.assert(
      fc.property(expression, (e) => {
        expect(parsePolicy(printPolicy({ expression: e }))).toEqual({ expression: e });
      }),
    ));
  it('an expression and its negation are never both allowed, and neither throws', () =>
    fc.assert(
      fc.property(expression, (e) => {
        const negated: Expression = { kind: 'call', operator: 'not', args: [e] };
        const both = [e, negated].map((x) => evaluatePolicy({ expression: x }, env).allowed);
        expect(both).not.toEqual([true, true]);
      }),
    ));
  it('any text is a policy or a clear refusal', () => {
    const word = fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      'and',
      'or',
      'not',
      '=',
      'a',
      '"',
      '\\',
      '1',
      ' ',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word).map((w) => w.join(' ')),
    );
    fc.assert(
      fc.property(text, (t) => {
        try {
          evaluatePolicy(parsePolicy(t), env);
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
