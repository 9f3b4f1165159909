/** What a grade means in numbers. */
import type { Grade } from "./vocabulary.ts";

/** How hard the scenes and values of a grade are. */
export interface Level {
  readonly grade: Grade;
  /** Shapes beside those that the question is about: at least, at most. */
  readonly fillers: readonly [number, number];
  /** Does the wrong value stand in the picture as well? */
  readonly shown: boolean;
  /** Is the wrong value a neighbour of the right one (count, place, colour, character)? */
  readonly near: boolean;
  /** Of 100 shapes whose size is free, how many are small. */
  readonly small: number;
  /** Of 100 other shapes, how many share the form or the colour with one that is asked about. */
  readonly alike: number;
}

/** The four grades. */
export const LEVELS: Readonly<Record<Grade, Level>> = {
  1: { grade: 1, fillers: [0, 1], shown: false, near: false, small: 15, alike: 0 },
  2: { grade: 2, fillers: [0, 2], shown: true, near: false, small: 40, alike: 25 },
  3: { grade: 3, fillers: [1, 2], shown: true, near: true, small: 60, alike: 60 },
  4: { grade: 4, fillers: [2, 3], shown: true, near: true, small: 85, alike: 90 },
};

/** Most shapes in a scene. */
export const MOST_SHAPES = 5;
