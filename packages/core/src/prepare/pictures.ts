/** When two names of pictures mean the same picture. */

const LOOKS = /^looks:([0-9a-f]{16})$/;
const BITS = 64;

/** Most bits of 64 in which two encodings of one picture may differ. */
const MOST_BITS = 3;

const bitsOf = (name: string): bigint | undefined => {
  const hex = LOOKS.exec(name)?.[1];
  return hex === undefined ? undefined : BigInt(`0x${hex}`);
};

const distance = (a: bigint, b: bigint): number => {
  let count = 0;
  for (let left = a ^ b; left > 0n; left &= left - 1n) count += 1;
  return count;
};

/** The same name, or two hashes of looks (`looks:` and 16 hex digits) that differ in at most 3 of 64 bits. */
export const samePicture = (a: string, b: string): boolean => {
  if (a === b) return true;
  const [one, other] = [bitsOf(a), bitsOf(b)];
  return one !== undefined && other !== undefined && distance(one, other) <= MOST_BITS;
};

/** Keys of which two names of one picture share at least one: of four parts, three differing bits leave one alone. */
const pictureKeys = (name: string): readonly string[] => {
  const bits = bitsOf(name);
  if (bits === undefined) return [name];
  const part = BigInt(BITS / (MOST_BITS + 1));
  return Array.from({ length: MOST_BITS + 1 }, (_, at) => {
    const value = (bits >> (BigInt(at) * part)) & ((1n << part) - 1n);
    return `looks${at}:${value.toString(16)}`;
  });
};

/** Which entries have a picture that may be one of these? */
export interface PictureIndex {
  add(names: readonly string[], entry: number): void;
  /** Entries to be compared with `samePicture`, each once. */
  likely(names: readonly string[]): readonly number[];
}

const keysOf = (names: readonly string[]): ReadonlySet<string> => new Set(names.flatMap(pictureKeys));

/** An empty index of pictures. */
export const pictureIndex = (): PictureIndex => {
  const byKey = new Map<string, number[]>();
  return {
    add(names, entry) {
      for (const key of keysOf(names)) {
        const known = byKey.get(key);
        if (known === undefined) byKey.set(key, [entry]);
        else known.push(entry);
      }
    },
    likely: (names) => [...new Set([...keysOf(names)].flatMap((key) => byKey.get(key) ?? []))],
  };
};
