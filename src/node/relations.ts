/**
 * What the server said about peers and relations, for policies that ask `(check …)`. An answer is good for a second for
 * what is new; what is live keeps its last yes for 30 seconds while the server is out of reach. Nothing is guessed: what
 * was not answered is undefined, and denies.
 */
import type { RelationAnswer, RelationQuestion } from '../trust/index.ts';

const FRESH_MS = 1_000;
const KEPT_MS = 30_000;
/** A server that does not answer by then is out of reach. */
const ANSWER_MS = 2_000;
const ANSWERS_MAX = 10_000;

export interface PeerQuestion extends RelationQuestion {
  /** The peer's identifier. */
  readonly peer: string;
}
/** Asks the server; answers in the order of the questions, null for what it would not answer. */
export type AskServer = (
  questions: readonly PeerQuestion[],
) => Promise<readonly (boolean | null)[]>;

const keyOf = (q: PeerQuestion): string =>
  JSON.stringify([q.peer, q.namespace, q.object, q.relation]);

export class RelationAnswers {
  readonly #ask: AskServer;
  readonly #answers = new Map<string, { readonly allowed: boolean; readonly atMs: number }>();

  constructor(ask: AskServer) {
    this.#ask = ask;
  }

  #find(peer: string, q: RelationQuestion, withinMs: number): boolean | undefined {
    const known = this.#answers.get(keyOf({ ...q, peer }));
    return known !== undefined && performance.now() - known.atMs <= withinMs
      ? known.allowed
      : undefined;
  }

  /** Whether all are answered freshly enough for something new. */
  isFresh(peer: string, questions: readonly RelationQuestion[]): boolean {
    return questions.every((q) => this.#find(peer, q, FRESH_MS) !== undefined);
  }

  /** Answers for what is live: the last ones, while they may be kept. */
  of(peer: string): RelationAnswer {
    return (q) => this.#find(peer, q, KEPT_MS);
  }
  /** Answers for what is new. */
  freshOf(peer: string): RelationAnswer {
    return (q) => this.#find(peer, q, FRESH_MS);
  }

  async #answersTo(
    questions: readonly PeerQuestion[],
  ): Promise<readonly (boolean | null)[] | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), ANSWER_MS);
    });
    try {
      return await Promise.race([this.#ask(questions), late]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks all of them again. When the server can't be asked, the answers of before stay. */
  async refresh(questions: readonly PeerQuestion[]): Promise<void> {
    if (questions.length === 0) return;
    const unique = [...new Map(questions.map((q) => [keyOf(q), q])).values()];
    const askedMs = performance.now();
    const answers = await this.#answersTo(unique);
    if (answers === undefined) return;
    unique.forEach((q, i) => {
      const key = keyOf(q);
      const allowed = answers[i];
      this.#answers.delete(key);
      // From when it was asked: an answer that took long is as old as the question.
      if (typeof allowed === 'boolean') this.#answers.set(key, { allowed, atMs: askedMs });
    });
    for (const [oldest] of this.#answers) {
      if (this.#answers.size <= ANSWERS_MAX) break;
      this.#answers.delete(oldest);
    }
  }
}
