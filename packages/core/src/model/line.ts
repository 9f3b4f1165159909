/** Waiting in order, for any number of waiters: a `Set` would be searched from its deleted start again and again. */

/** First in, first out; anyone may leave in between. */
export interface Line<T> {
  readonly size: number;
  /** Joins at the end; the result leaves. */
  join(item: T): () => void;
  /** Takes out the first. */
  shift(): T | undefined;
}

interface Place<T> {
  item: T | undefined;
}

const COMPACT = 1024;

/** An empty line. */
export const createLine = <T>(): Line<T> => {
  let places: Place<T>[] = [];
  let head = 0;
  let size = 0;
  const advance = (): Place<T> => {
    const place = places[head]!;
    head += 1;
    if (head >= COMPACT && head * 2 > places.length) {
      places = places.slice(head);
      head = 0;
    }
    return place;
  };
  const take = (place: Place<T>): T | undefined => {
    const { item } = place;
    if (item !== undefined) size -= 1;
    place.item = undefined;
    return item;
  };
  return {
    get size() {
      return size;
    },
    join: (item) => {
      const place: Place<T> = { item };
      places.push(place);
      size += 1;
      return () => {
        take(place);
      };
    },
    shift: () => {
      while (head < places.length) {
        const item = take(advance());
        if (item !== undefined) return item;
      }
      return undefined;
    },
  };
};
