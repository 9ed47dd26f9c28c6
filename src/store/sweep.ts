/** Removing what has expired: many small transactions, so that nobody who writes waits long. */

/** Of one sweep; at 500 rows a turn, more than a server that answers thousands of requests a second leaves in a minute. */
const TURNS_MAX = 400;

/** Repeats a turn, which answers how many rows it removed, until there is nothing left; answers how many in all. */
export async function sweepInTurns(turn: () => Promise<number>): Promise<number> {
  let count = 0;
  for (let i = 0; i < TURNS_MAX; i++) {
    const removed = await turn();
    if (removed === 0) break;
    count += removed;
  }
  return count;
}
