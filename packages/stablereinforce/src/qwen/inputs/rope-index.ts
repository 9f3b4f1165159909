/**
 * Positions of multimodal RoPE: three rows (time, height, width) for each token.
 *
 * transformers has changed its mind about videos; about text and images it has not. With `i` the time step and
 * `interval` = tokens per second × seconds per step:
 *
 * | transformers | time of step i                                              | the text after a video begins at |
 * |--------------|-------------------------------------------------------------|----------------------------------|
 * | 4.49         | ⌊i · seconds · tokens per second⌋                           | largest position + 1             |
 * | 4.5x to 4.57 | seconds cut to an integer first: half a second becomes 0    | largest position + 1             |
 * | 5.23         | ⌊i · interval⌋                                              | start + longer side in blocks    |
 *
 * `currentRope` is 5.23 (`modeling_qwen2_5_vl.py`, `get_rope_index`), `firstRope` 4.49, with which the paper's model was
 * trained and evaluated. They agree unless a video's last step lies further than its longer side.
 */
import { ConfigError } from "@r1reward/core";
import { ShapeError } from "../../errors.ts";
import { mediaTokenCount } from "./processor.ts";
import type { Grid } from "./types.ts";

/** What versions of transformers disagree about. */
export interface RopeRule {
  /** Time of a step of a video, relative to its start. */
  readonly time: (step: number, secondsPerGrid: number, tokensPerSecond: number) => number;
  /** How far after the start of a video the next token stands; `grid` counts blocks, `last` is the last step's time. */
  readonly span: (grid: Grid, last: number) => number;
}

const { fround } = Math;

/** transformers 5: text continues after the longer side of a video, however long it lasts. */
export const currentRope: RopeRule = {
  time: (step, seconds, perSecond) => Math.trunc(fround(step * fround(perSecond * fround(seconds)))),
  span: ([, h, w]) => Math.max(h, w),
};

/** transformers 4.49: text continues after the largest position. */
export const firstRope: RopeRule = {
  time: (step, seconds, perSecond) => Math.trunc(fround(fround(step * fround(seconds)) * perSecond)),
  span: ([, h, w], last) => Math.max(h, w, last + 1),
};

/** A tokenised prompt with its grids. */
export interface RopeIndexInput {
  /** `[P]` */
  readonly tokens: Int32Array;
  /** Of images and videos, in order of appearance. */
  readonly grids: readonly Grid[];
  readonly imageTokenId: number;
  readonly videoTokenId: number;
  /** Seconds from one time step to the next, for each video: temporal patch size / frames per second. */
  readonly secondsPerGrid?: readonly number[] | undefined;
  /** Default 2. */
  readonly mergeSize?: number | undefined;
  /** Of the vision configuration. Default 2. */
  readonly tokensPerSecond?: number | undefined;
  /** Default `currentRope`. */
  readonly rule?: RopeRule | undefined;
}

/** Positions, and how far the token after the prompt is off. */
export interface RopeIndex {
  /** `[3, P]` time, height, width. */
  readonly positions: Int32Array;
  /** Largest position + 1 − P. */
  readonly ropeDelta: number;
}

interface Span {
  readonly grid: Grid;
  readonly timeOf: (step: number) => number;
}

interface Writer {
  readonly positions: Int32Array;
  readonly length: number;
  largest: number;
}

const writeText = (writer: Writer, from: number, to: number, start: number): void => {
  const { positions, length } = writer;
  for (let i = from; i < to; i++) {
    const position = start + i - from;
    positions[i] = positions[length + i] = positions[2 * length + i] = position;
  }
  writer.largest = Math.max(writer.largest, start + to - from - 1);
};

const writeSpan = (writer: Writer, from: number, start: number, { grid: [t, h, w], timeOf }: Span): void => {
  const { positions, length } = writer;
  let at = from;
  for (let step = 0; step < t; step++) {
    const time = timeOf(step);
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++, at++) {
        positions[at] = start + time;
        positions[length + at] = start + row;
        positions[2 * length + at] = start + column;
      }
    }
  }
  writer.largest = Math.max(writer.largest, start + Math.max(timeOf(t - 1), h - 1, w - 1));
};

/** End of the run of equal tokens that begins at `from`. */
const runEnd = (tokens: Int32Array, from: number): number => {
  let end = from + 1;
  while (end < tokens.length && tokens[end] === tokens[from]) end++;
  return end;
};

const checkedSeconds = (seconds: number | undefined, video: number): number => {
  if (seconds !== undefined && Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new ConfigError(`secondsPerGrid[${video}]: expected a positive number, got ${String(seconds)}`);
};

/** Hands out the grids one after another, each with the times of its steps. */
const spanReader = (input: RopeIndexInput, rule: RopeRule) => {
  const { grids, secondsPerGrid, mergeSize = 2, tokensPerSecond = 2, videoTokenId } = input;
  let [media, videos] = [0, 0];
  return (token: number, run: number): Span => {
    const grid = grids[media];
    if (grid === undefined) throw mismatch(`at most ${grids.length} images and videos`, `${media + 1}`);
    const count = mediaTokenCount(grid, mergeSize);
    if (run !== count) throw mismatch(`${count} pads for grid ${media} (${grid.join("×")})`, `${run}`);
    media++;
    const blocks: Grid = [grid[0], grid[1] / mergeSize, grid[2] / mergeSize];
    if (token !== videoTokenId) return { grid: blocks, timeOf: (step) => step };
    const seconds = secondsPerGrid === undefined ? 1 : checkedSeconds(secondsPerGrid[videos], videos);
    videos++;
    return { grid: blocks, timeOf: (step) => rule.time(step, seconds, tokensPerSecond) };
  };
};

const mismatch = (expected: string, actual: string): ShapeError => new ShapeError("tokens", { expected, actual });

/**
 * Positions of a prompt. Text advances all three rows by one a token; an image or video holds a grid of positions.
 *
 * @throws ShapeError when pads and grids do not fit; ConfigError for a video without its seconds
 */
export const getRopeIndex = (input: RopeIndexInput): RopeIndex => {
  const { tokens, grids, imageTokenId, videoTokenId, rule = currentRope } = input;
  const length = tokens.length;
  const writer: Writer = { positions: new Int32Array(3 * length), length, largest: -1 };
  const nextSpan = spanReader(input, rule);
  let [start, seen, textFrom] = [0, 0, 0];
  for (let i = 0; i < length;) {
    const token = tokens[i]!;
    if (token !== imageTokenId && token !== videoTokenId) {
      i++;
      continue;
    }
    writeText(writer, textFrom, i, start);
    start += i - textFrom;
    textFrom = runEnd(tokens, i);
    const span = nextSpan(token, textFrom - i);
    writeSpan(writer, i, start, span);
    start += rule.span(span.grid, span.timeOf(span.grid[0] - 1));
    seen++;
    i = textFrom;
  }
  writeText(writer, textFrom, length, start);
  if (seen !== grids.length) throw mismatch(`pads for ${grids.length} images and videos`, `${seen}`);
  return { positions: writer.positions, ropeDelta: writer.largest + 1 - length };
};
