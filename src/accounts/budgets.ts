/**
 * Budgets of attempts, kept in the store so that a restart or another server gives nobody new ones. A budget is a token
 * bucket. INVARIANT: a person is never locked out by others' attempts: what is counted against an account from everywhere
 * does not count for networks from which that person signed in before.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Transaction } from 'kysely';
import type { Clock } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';

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

/** An address as it is counted: IPv4 also where it is written as IPv6 (RFC 4291 section 2.5.5.2). */
function plainOf(ipAddress: string): string {
  const plain = ipAddress.replace(/^::ffff:(?=\d+\.)/i, '');
  const [, high, low] =
    /^(?:::|(?:0{1,4}:){5})ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(plain) ?? [];
  if (high === undefined || low === undefined) return plain;
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.');
}

/** The network of an address: an IPv4 address itself, the first 64 bits of an IPv6 one. */
export function networkOf(ipAddress: string): string {
  const plain = plainOf(ipAddress);
  return isIPv6(plain) ? groupsOf(plain).slice(0, 4).join(':') : plain;
}

/** The first 48 bits of an IPv6 address, as much as one customer is given; undefined for IPv4. */
export function siteOf(ipAddress: string): string | undefined {
  const plain = plainOf(ipAddress);
  return isIPv6(plain) ? groupsOf(plain).slice(0, 3).join(':') : undefined;
}

function groupsOf(plain: string): string[] {
  const [head = '', tail] = plain.split('%')[0]?.split('::') ?? [];
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0');
  return [...front, ...zeros, ...back].map((group) => group.replace(/^0+(?=.)/, '').toLowerCase());
}

function keyOf({ name, subject }: Budget): string {
  return `${name} ${createHash('sha256').update(subject).digest('base64url')}`;
}

/** How many thousandths of an attempt are left now. */
function leftOf(
  { burst, refillMs }: Budget,
  row: { readonly left_milli: number; readonly at_ms: number } | undefined,
  nowMs: number,
): number {
  const full = burst * MILLI;
  if (row === undefined) return full;
  const grown = Math.floor(((nowMs - row.at_ms) / refillMs) * full);
  return Math.min(full, row.left_milli + Math.max(0, grown));
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
    const wanted = budgets.map((budget) => ({ key: keyOf(budget), budget }));
    return this.#store.write(async (trx) => {
      const keys = wanted.map(({ key }) => key);
      const known = await trx
        .selectFrom('account_budgets')
        .selectAll()
        .where('key', 'in', keys)
        .execute();
      const rows = new Map(known.map((row) => [row.key, row]));
      const left = wanted.map(({ key, budget }) => ({
        key,
        budget,
        milli: leftOf(budget, rows.get(key), nowMs),
      }));
      const spent = left.find(({ milli }) => milli < MILLI);
      if (spent !== undefined) {
        const { budget, milli } = spent;
        return Math.ceil(((MILLI - milli) / (budget.burst * MILLI)) * budget.refillMs);
      }
      await trx
        .insertInto('account_budgets')
        .values(left.map(({ key, milli }) => ({ key, left_milli: milli - MILLI, at_ms: nowMs })))
        .onConflict((oc) =>
          oc.column('key').doUpdateSet((eb) => ({
            left_milli: eb.ref('excluded.left_milli'),
            at_ms: eb.ref('excluded.at_ms'),
          })),
        )
        .execute();
      return 0;
    });
  }

  /** Gives back what a success gives: whole budgets, or the one attempt that was taken. */
  async giveBack(
    trx: Transaction<Database>,
    spent: readonly (Budget & { readonly givesBack: 'all' | 'one' })[],
  ): Promise<void> {
    const whole = spent.filter((b) => b.givesBack === 'all').map(keyOf);
    if (whole.length > 0)
      await trx.deleteFrom('account_budgets').where('key', 'in', whole).execute();
    const single = spent.filter((b) => b.givesBack === 'one');
    if (single.length > 0)
      await trx
        .updateTable('account_budgets')
        .set((eb) => ({ left_milli: eb('left_milli', '+', MILLI) }))
        .where((eb) =>
          eb.or(
            single.map((b) =>
              eb('key', '=', keyOf(b)).and('left_milli', '<=', (b.burst - 1) * MILLI),
            ),
          ),
        )
        .execute();
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
