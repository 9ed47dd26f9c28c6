/** What a node remembers of answers about relations, and for how long. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type PeerQuestion, RelationAnswers } from './relations.ts';

const QUESTION = { namespace: 'db', object: 'prod', relation: 'access' };
const ASKED: PeerQuestion = { ...QUESTION, peer: 'Iabc' };

describe('answers about relations', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
  afterEach(() => vi.useRealTimers());

  it('are none before the server was asked', () => {
    const answers = new RelationAnswers(async () => [true]);
    expect(answers.isFresh('Iabc', [QUESTION])).toBe(false);
    expect(answers.freshOf('Iabc')(QUESTION)).toBeUndefined();
  });
  it('serve what is new for a second, and what is live for 30', async () => {
    const answers = new RelationAnswers(async () => [true]);
    await answers.refresh([ASKED]);
    expect(answers.freshOf('Iabc')(QUESTION)).toBe(true);
    vi.advanceTimersByTime(1_001);
    expect(answers.freshOf('Iabc')(QUESTION)).toBeUndefined();
    expect(answers.of('Iabc')(QUESTION)).toBe(true);
    vi.advanceTimersByTime(29_000);
    expect(answers.of('Iabc')(QUESTION)).toBeUndefined();
  });
  it('are of one peer and one object alone', async () => {
    const answers = new RelationAnswers(async () => [true]);
    await answers.refresh([ASKED]);
    expect(answers.of('Ixyz')(QUESTION)).toBeUndefined();
    expect(answers.of('Iabc')({ ...QUESTION, object: 'test' })).toBeUndefined();
  });
  it('stay when the server can not be asked, and go when it no longer says', async () => {
    let reply: () => Promise<(boolean | null)[]> = async () => [true];
    const answers = new RelationAnswers(() => reply());
    await answers.refresh([ASKED]);
    reply = () => Promise.reject(new Error('away'));
    await answers.refresh([ASKED]);
    expect(answers.of('Iabc')(QUESTION)).toBe(true);
    reply = async () => [null];
    await answers.refresh([ASKED]);
    expect(answers.of('Iabc')(QUESTION)).toBeUndefined();
  });
  it('do not wait for a server that is silent', async () => {
    const answers = new RelationAnswers(() => new Promise(() => undefined));
    const done = answers.refresh([ASKED]);
    await vi.advanceTimersByTimeAsync(2_000);
    await done;
    expect(answers.of('Iabc')(QUESTION)).toBeUndefined();
  });
});
