/**
 * Budgets of attempts, kept in the store so that a restart or another server gives nobody new ones. A budget is a token
 * bucket. INVARIANT: a person is never locked out by others' attempts: what is counted against an account from everywhere
 * does not count for networks from which that person signed in before.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';

const MILLI = 1_000;
const SWEEP_ROWS = 500;

export interface Budget {
  /** What it counts, such as `login account`. */
  readonly name: string;
  /** Whom it counts for; hashed before it is stored. */
  readonly subject: string;
  /** Attempts that may come at once. */
  readonly burst: number;
  /** After how long a whole burst is there again. */
  readonly refillMs: number;
}

/** The network of an address: an IPv4 address itself, the first 64 bits of an IPv6 one. */
export function networkOf(ipAddress: string): string {
  const plain = ipAddress.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%')[0]?.split('::') ?? [];
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0');
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}

function keyOf({ name, subject }: Budget): string {
  return `${name} ${createHash('sha256').update(subject).digest('base64url')}`;
}

export class Budgets {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(o: { readonly store: Store; readonly clock: Clock }) {
    this.#store = o.store;
    this.#clock = o.clock;
  }

  /**
   * Takes one attempt from each budget, in one transaction, before the attempt is made. Answers 0 when all had one, else
   * the milliseconds until the first that lacks one has it again; nothing is taken then.
   */
  take(budgets: readonly Budget[]): Promise<number> {
    const nowMs = this.#clock.now();
    return this.#store.write(async (trx) => {
      const left: { budget: Budget; milli: number }[] = [];
      for (const budget of budgets) {
        const row = await trx
          .selectFrom('account_budgets')
          .selectAll()
          .where('key', '=', keyOf(budget))
          .executeTakeFirst();
        const full = budget.burst * MILLI;
        const grown = row === undefined ? 0 : ((nowMs - row.at_ms) / budget.refillMs) * full;
        const milli = Math.min(full, (row?.left_milli ?? full) + Math.max(0, Math.floor(grown)));
        if (milli < MILLI) return Math.ceil(((MILLI - milli) / full) * budget.refillMs);
        left.push({ budget, milli });
      }
      for (const { budget, milli } of left)
        await trx
          .insertInto('account_budgets')
          .values({ key: keyOf(budget), left_milli: milli - MILLI, at_ms: nowMs })
          .onConflict((oc) =>
            oc.column('key').doUpdateSet({ left_milli: milli - MILLI, at_ms: nowMs }),
          )
          .execute();
      return 0;
    });
  }

  /** Gives whole budgets back, as a success does. */
  async reset(budgets: readonly Budget[]): Promise<void> {
    await this.#store.write(async (trx) => {
      await trx.deleteFrom('account_budgets').where('key', 'in', budgets.map(keyOf)).execute();
    });
  }

  /** Removes budgets that are long full again; answers how many. */
  async sweep(keptMs: number): Promise<number> {
    const before = this.#clock.now() - keptMs;
    return this.#store.write(async (trx) => {
      const old = trx
        .selectFrom('account_budgets')
        .select('key')
        .where('at_ms', '<', before)
        .limit(SWEEP_ROWS);
      const gone = await trx
        .deleteFrom('account_budgets')
        .where('key', 'in', old)
        .executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }
}
