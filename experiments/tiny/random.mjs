// Chance that is the same on every machine.

/** A stream of whole numbers, the same for the same seed and index. */
export const mixed = (seed, index) => {
  let state = (Math.imul(index + 1, 2654435761) ^ Math.imul(seed + 1, 668265263)) >>> 0;
  return (n) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return (state >>> 8) % n;
  };
};

/** The items in an order that `below` draws. */
export const shuffled = (items, below) => {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i -= 1) {
    const j = below(i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
};
