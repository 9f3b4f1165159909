/** What a scene of the shapes world can hold, and the words for it. Everything else in this folder speaks these words. */

/** Forms that can be drawn. */
export const SHAPE_NAMES = ["circle", "square", "triangle", "star", "cross"] as const;
/** A form. */
export type ShapeName = (typeof SHAPE_NAMES)[number];

/** Colours that a person tells apart at a glance, in either style. */
export const COLOUR_NAMES = ["red", "green", "blue", "yellow", "purple", "orange"] as const;
/** A colour. */
export type ColourName = (typeof COLOUR_NAMES)[number];

/** Two sizes: a large shape is about twice as wide as a small one. */
export const SIZE_NAMES = ["small", "large"] as const;
/** A size. */
export type SizeName = (typeof SIZE_NAMES)[number];

/** The nine places of the 3 × 3 arrangement in reading order; no name holds for two places. */
export const CELL_NAMES = [
  "top left",
  "top middle",
  "top right",
  "middle left",
  "middle",
  "middle right",
  "bottom left",
  "bottom middle",
  "bottom right",
] as const;

/** Characters a label can have: none that another one looks like at this size. */
export const DIGITS = ["2", "3", "4", "5", "6", "7", "8", "9"] as const;
/** Letters a label can have. */
export const LETTERS = ["A", "C", "E", "F", "H", "K", "L", "T", "X"] as const;

/** How hard a pair is: number of objects, how near the wrong value lies, sizes. */
export type Grade = 1 | 2 | 3 | 4;
/** All grades, easiest first. */
export const GRADES = [1, 2, 3, 4] as const;

/** Which part of the world a scene belongs to; told by a hash of what it holds, so no scene is in two. */
export type ShapesSplit = "train" | "val" | "test";

/** What can be said about one shape. */
export interface Looks {
  readonly shape: ShapeName;
  readonly colour: ColourName;
  readonly size: SizeName;
}

/** One shape of a scene. */
export interface SceneShape extends Looks {
  /** Index into `CELL_NAMES`. */
  readonly cell: number;
  /** How far it stands from the middle of its cell, right and down, in eighths of what the style allows: −8 … 8. */
  readonly shift: readonly [number, number];
}

/** A short text of a scene; it is no shape and is not counted as one. */
export interface SceneLabel {
  readonly text: string;
  readonly cell: number;
  readonly shift: readonly [number, number];
}

/** Anything that stands in a scene. */
export type SceneEntry = SceneShape | SceneLabel;

/** Everything in a picture, in reading order. With a style it determines every pixel. */
export interface Scene {
  readonly shapes: readonly SceneShape[];
  readonly label?: SceneLabel | undefined;
  /** Seed of noise, tint and turning: a whole number in [0, 2^32). */
  readonly noise: number;
}

/** The name of a cell. */
export const cellName = (cell: number): string => CELL_NAMES[cell]!;

/** A cell with its preposition: `at the top left`, `in the middle`. */
export const atCell = (cell: number): string => (cell === 4 ? "in the middle" : `at the ${cellName(cell)}`);

/** `small red star`. */
export const looksText = ({ size, colour, shape }: Looks): string => `${size} ${colour} ${shape}`;

/** All that stands in a scene, in reading order. */
export const sceneEntries = ({ shapes, label }: Scene): readonly SceneEntry[] =>
  [...shapes, ...(label === undefined ? [] : [label])].sort((a, b) => a.cell - b.cell);

/** `top left large red circle`, `bottom right text 7`: the place first, so that a model knows where to look before it says what it sees. */
export const entryText = (entry: SceneEntry): string =>
  `${cellName(entry.cell)} ${"text" in entry ? `text ${entry.text}` : looksText(entry)}`;

/** What a scene holds, without noise and shifts: the same for two pictures that a person would describe alike. */
export const sceneContent = ({ shapes, label }: Scene): string => {
  const entries = shapes.map((shape) => `${shape.cell} ${looksText(shape)}`);
  if (label !== undefined) entries.push(`${label.cell} "${label.text}"`);
  return entries.sort().join("; ");
};
