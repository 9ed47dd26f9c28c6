import { describe, expect, it } from 'vitest';
import { HookAnswerFault, hookMessages, identityChanges } from './answer.ts';

describe("a web hook's answer", () => {
  it('without a bottom is a fault of the hook, whatever is asked of it', () => {
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
    for (const read of [identityChanges, hookMessages])
      for (const text of [deep, `{"identity":{"traits":${deep}}}`, `{"messages":[${deep}]}`])
        expect(() => read(text)).toThrow(HookAnswerFault);
  });
  it('of ordinary depth is read', () => {
    const traits = { name: { first: 'Ann' }, tags: [['a']] };
    expect(identityChanges(JSON.stringify({ identity: { traits } }))).toEqual({ traits });
  });
});
