/** Whether two lists of measurements differ by more than chance: ranks, so that a few slow answers say nothing. */

export interface Shift {
  /** How probably one of the first list is above one of the second: 0.5 where the lists do not differ. */
  readonly effect: number;
  /** How often lists mixed at random differ as much. */
  readonly chance: number;
}

function effectOf(values: readonly number[], count: number): number {
  const order = values.map((value, i) => ({ value, i })).sort((a, b) => a.value - b.value);
  let rankSum = 0;
  order.forEach(({ i }, rank) => {
    if (i < count) rankSum += rank + 1;
  });
  const others = values.length - count;
  return (rankSum - (count * (count + 1)) / 2) / (count * others);
}

/** Compares two lists by a permutation test over `rounds` mixtures. */
export function rankShift(
  first: readonly number[],
  second: readonly number[],
  rounds: number = 500,
): Shift {
  const all = [...first, ...second];
  const effect = effectOf(all, first.length);
  let asMuch = 0;
  for (let round = 0; round < rounds; round++) {
    for (let i = all.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      const [a = 0, b = 0] = [all[i], all[j]];
      all[i] = b;
      all[j] = a;
    }
    if (Math.abs(effectOf(all, first.length) - 0.5) >= Math.abs(effect - 0.5)) asMuch++;
  }
  return { effect, chance: asMuch / rounds };
}
