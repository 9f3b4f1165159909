/** Did you mean? */

/** Edits (insert, delete, replace, exchange of neighbours) between two words. */
export const distance = (a: string, b: string): number => {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const before = rows[i - 1] as number[];
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const costs = [(before[j] as number) + 1, (row[j - 1] as number) + 1, (before[j - 1] as number) + same];
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        costs.push(((rows[i - 2] as number[])[j - 2] as number) + 1);
      row.push(Math.min(...costs));
    }
    rows.push(row);
  }
  return (rows[a.length] as number[])[b.length] as number;
};

const bare = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, "");

/** The known word that a word was probably meant to be; `null` when none is near. */
export const nearest = (word: string, known: readonly string[]): string | null => {
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(bare(word), bare(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.max(1, Math.floor(bare(word).length / 3)) ? best.candidate : null;
};

/** `: did you mean "x"?`, or nothing. */
export const didYouMean = (word: string, known: readonly string[]): string => {
  const found = nearest(word, known);
  return found === null ? "" : `; did you mean ${JSON.stringify(found)}?`;
};
