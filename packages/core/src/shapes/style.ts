/** How scenes are drawn. A style is a value; two are ready to use, and a third is a copy with other numbers. */
import { UNIT, UPRIGHT, type Turn } from "./geometry.ts";
import { dotFont, lineFont, type GlyphFont } from "./glyphs.ts";
import type { ColourName, SizeName } from "./vocabulary.ts";

/** Red, green and blue, 0 … 255. */
export type Rgb = readonly [number, number, number];

/** Everything that decides how a scene looks; lengths in sixteenths of a pixel. */
export interface ShapesStyle {
  readonly name: string;
  readonly palette: Readonly<Record<ColourName, Rgb>>;
  /** Each channel of a shape is off its palette by up to this much. */
  readonly shadeJitter: number;
  /** Width of the line along the edge; `null` fills the shape. */
  readonly stroke: number | null;
  readonly radius: Readonly<Record<SizeName, number>>;
  readonly turns: readonly Turn[];
  /** Distance between the middles of neighbouring cells, and how far a shape may stand from the middle of its own. */
  readonly pitch: number;
  readonly jitter: number;
  readonly background: Rgb;
  /** Each channel of a background is off by up to this much. */
  readonly tint: number;
  /** Difference in brightness between the top and the bottom of the picture. */
  readonly slope: number;
  /** Each pixel is this much brighter or darker, or neither. */
  readonly noise: number;
  readonly ink: Rgb;
  readonly font: GlyphFont;
  /** Height of a text of one character, and of a longer one. */
  readonly textHeight: readonly [number, number];
}

/** Filled upright shapes on a light background: what a judge is trained on. */
export const plainStyle: ShapesStyle = {
  name: "plain",
  palette: {
    red: [214, 40, 40],
    green: [44, 150, 62],
    blue: [38, 84, 210],
    yellow: [240, 200, 16],
    purple: [134, 58, 170],
    orange: [242, 122, 24],
  },
  shadeJitter: 10,
  stroke: null,
  radius: { small: 7 * UNIT, large: 14 * UNIT },
  turns: [UPRIGHT],
  pitch: 37 * UNIT,
  jitter: 3 * UNIT,
  background: [240, 240, 238],
  tint: 8,
  slope: 0,
  noise: 4,
  ink: [30, 30, 34],
  font: dotFont,
  textHeight: [28 * UNIT, 21 * UNIT],
};

/** Outlined turned shapes in other shades on a dark background, other places, another font: drawn to be unlike `plain`. */
export const oodStyle: ShapesStyle = {
  name: "ood",
  palette: {
    red: [255, 84, 84],
    green: [96, 224, 112],
    blue: [104, 160, 255],
    yellow: [255, 238, 100],
    purple: [200, 116, 255],
    orange: [255, 164, 62],
  },
  shadeJitter: 8,
  stroke: 3 * UNIT,
  radius: { small: 7 * UNIT, large: 14 * UNIT },
  // 10, 15, 20 and 25 degrees either way: never so far that a square stands on its corner.
  turns: [
    [1008, 178],
    [1008, -178],
    [989, 265],
    [989, -265],
    [962, 350],
    [962, -350],
    [928, 433],
    [928, -433],
  ],
  pitch: 35 * UNIT,
  jitter: 3 * UNIT,
  background: [44, 46, 58],
  tint: 12,
  slope: 24,
  noise: 6,
  ink: [236, 236, 228],
  font: lineFont,
  textHeight: [24 * UNIT, 20 * UNIT],
};

/** The styles that have a name. */
export const shapesStyles = { plain: plainStyle, ood: oodStyle } as const;

/** Name of a ready style. */
export type ShapesStyleName = keyof typeof shapesStyles;
