/**
 * How alike a password and an identifier are: edit distance (Levenshtein) and longest common substring. Pure. Both
 * take time in proportion to the product of the lengths: the caller bounds them.
 */

/** The fewest insertions, deletions and replacements that turn one text into the other, in code points. */
export function editDistance(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  let previous = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (const [i, x] of left.entries()) {
    const current = [i + 1];
    for (const [j, y] of right.entries())
      current.push(
        Math.min(
          (previous[j] ?? 0) + (x === y ? 0 : 1),
          (previous[j + 1] ?? 0) + 1,
          (current[j] ?? 0) + 1,
        ),
      );
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** The length of the longest run of code points that stands in both texts. */
export function commonSubstringLength(a: string, b: string): number {
  const right = [...b];
  let longest = 0;
  let previous: number[] = [];
  for (const x of a) {
    const current = right.map((y, j) => (x === y ? (previous[j - 1] ?? 0) + 1 : 0));
    longest = current.reduce((most, length) => Math.max(most, length), longest);
    previous = current;
  }
  return longest;
}
