/** From a scene to pixels: 4 × 4 samples per pixel, whole numbers throughout, so the bytes are the same everywhere. */
import { regionOf, UNIT, type Region } from "./geometry.ts";
import { textReach } from "./glyphs.ts";
import { between, pick, streamOf, type RandomStream } from "./random.ts";
import type { Rgb, ShapesStyle } from "./style.ts";
import type { Scene, SceneLabel, SceneShape } from "./vocabulary.ts";

/** Width and height of every picture, in pixels. */
export const SHAPES_IMAGE_SIZE = 112;

const SIZE = SHAPES_IMAGE_SIZE;

interface Box {
  readonly x: number;
  readonly y: number;
  /** Half a side, in sixteenths. */
  readonly reach: number;
}

const near = (random: RandomStream, [r, g, b]: Rgb, by: number): Rgb => [
  r + between(random, -by, by),
  g + between(random, -by, by),
  b + between(random, -by, by),
];

const clamp = (value: number): number => Math.max(0, Math.min(255, value));

const paintBackground = (pixels: Uint8Array, style: ShapesStyle, random: RandomStream): void => {
  const tint = near(random, style.background, style.tint);
  let at = 0;
  for (let y = 0; y < SIZE; y += 1) {
    const light = Math.round((style.slope * (SIZE - 1 - 2 * y)) / (2 * SIZE));
    for (let x = 0; x < SIZE; x += 1) {
      for (const channel of tint) pixels[at++] = clamp(channel + light);
    }
  }
};

/**
 * Of 16 samples, how many lie in the region? Where the middle and the outermost four agree, the others are not asked: that
 * is most pixels.
 */
const coverage = (region: Region, left: number, top: number): number => {
  const middle = region(left + 8, top + 8);
  const same =
    region(left + 2, top + 2) === middle &&
    region(left + 14, top + 2) === middle &&
    region(left + 2, top + 14) === middle &&
    region(left + 14, top + 14) === middle;
  if (same) return middle ? 16 : 0;
  let count = 0;
  for (let dy = 2; dy < UNIT; dy += 4) {
    for (let dx = 2; dx < UNIT; dx += 4) if (region(left + dx, top + dy)) count += 1;
  }
  return count;
};

const paint = (pixels: Uint8Array, region: Region, { x, y, reach }: Box, colour: Rgb): void => {
  const low = (middle: number): number => Math.max(0, Math.floor((middle - reach) / UNIT));
  const high = (middle: number): number => Math.min(SIZE - 1, Math.floor((middle + reach) / UNIT));
  for (let row = low(y); row <= high(y); row += 1) {
    for (let column = low(x); column <= high(x); column += 1) {
      const count = coverage(region, column * UNIT, row * UNIT);
      if (count === 0) continue;
      const at = 3 * (row * SIZE + column);
      for (let c = 0; c < 3; c += 1) {
        const before = pixels[at + c]!;
        pixels[at + c] = before + Math.round(((clamp(colour[c]!) - before) * count) / 16);
      }
    }
  }
};

const addNoise = (pixels: Uint8Array, { noise }: ShapesStyle, random: RandomStream): void => {
  for (let at = 0; at < pixels.length; at += 3) {
    const by = noise * (random.below(3) - 1);
    for (let c = 0; c < 3; c += 1) pixels[at + c] = clamp(pixels[at + c]! + by);
  }
};

/** Middle of what stands in a cell, in sixteenths of a pixel. */
const middleOf = ({ cell, shift }: Pick<SceneShape, "cell" | "shift">, style: ShapesStyle) => ({
  x: (SIZE * UNIT) / 2 + ((cell % 3) - 1) * style.pitch + Math.round((shift[0] * style.jitter) / 8),
  y: (SIZE * UNIT) / 2 + (Math.floor(cell / 3) - 1) * style.pitch + Math.round((shift[1] * style.jitter) / 8),
});

const paintShape = (pixels: Uint8Array, shape: SceneShape, style: ShapesStyle, random: RandomStream): void => {
  const radius = style.radius[shape.size];
  const place = { ...middleOf(shape, style), radius, turn: pick(random, style.turns) };
  const colour = near(random, style.palette[shape.colour], style.shadeJitter);
  const reach = Math.ceil(1.35 * radius) + (style.stroke ?? 0);
  paint(pixels, regionOf(shape.shape, place, style.stroke), { ...place, reach }, colour);
};

const paintLabel = (pixels: Uint8Array, label: SceneLabel, style: ShapesStyle): void => {
  const height = style.textHeight[label.text.length > 1 ? 1 : 0];
  const place = { ...middleOf(label, style), height };
  const reach = textReach(label.text, height);
  paint(pixels, style.font(label.text, place), { ...place, reach }, style.ink);
};

/**
 * Draws a scene: RGB bytes `[112, 112, 3]`, row by row. The same scene and style give the same bytes on every platform.
 */
export const renderScene = (scene: Scene, style: ShapesStyle): Uint8Array => {
  const pixels = new Uint8Array(SIZE * SIZE * 3);
  const random = streamOf("render", style.name, scene.noise);
  paintBackground(pixels, style, random);
  for (const shape of scene.shapes) paintShape(pixels, shape, style, random);
  if (scene.label !== undefined) paintLabel(pixels, scene.label, style);
  addNoise(pixels, style, random);
  return pixels;
};
