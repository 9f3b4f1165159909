/** Two fonts of our own for labels: bold dots on 5 × 7 and thin slanted lines on 4 × 6. */
import { nearLine, UNIT, type Point, type Region } from "./geometry.ts";

/** Where a text stands: its middle and its height, in sixteenths of a pixel. */
export interface TextPlacement {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** Draws one line of text as a region. */
export type GlyphFont = (text: string, placement: TextPlacement) => Region;

/** Seven rows of five dots each, `#` is ink. */
const DOTS: Readonly<Record<string, string>> = {
  "2": ".###. #...# ....# ...#. ..#.. .#... #####",
  "3": "####. ....# ....# .###. ....# ....# ####.",
  "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
  "5": "##### #.... ####. ....# ....# #...# .###.",
  "6": ".###. #.... #.... ####. #...# #...# .###.",
  "7": "##### ....# ...#. ..#.. ..#.. ..#.. ..#..",
  "8": ".###. #...# #...# .###. #...# #...# .###.",
  "9": ".###. #...# #...# .#### ....# ....# .###.",
  A: "..#.. .#.#. #...# #...# ##### #...# #...#",
  C: ".#### #.... #.... #.... #.... #.... .####",
  E: "##### #.... #.... ####. #.... #.... #####",
  F: "##### #.... #.... ####. #.... #.... #....",
  H: "#...# #...# #...# ##### #...# #...# #...#",
  K: "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
  L: "#.... #.... #.... #.... #.... #.... #####",
  T: "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
  X: "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
};

/** Lines through points on a grid 4 wide and 6 high: digits `xy`, lines apart by a blank. */
const LINES: Readonly<Record<string, string>> = {
  "2": "01103041420646",
  "3": "01103041423323 334445361605",
  "4": "300444 3036",
  "5": "400002324345361605",
  "6": "413010010516364544331304",
  "7": "004016",
  "8": "13020110304142331304051636454433",
  "9": "423313020110304145361605",
  A: "062046 1434",
  C: "4130100105163645",
  E: "40000646 0333",
  F: "400006 0333",
  H: "0006 4046 0343",
  K: "0006 4003 1346",
  L: "000646",
  T: "0040 2026",
  X: "0046 4006",
};

const unknownGlyph = (character: string): never => {
  throw new RangeError(`label: expected one of ${Object.keys(DOTS).join("")}, got ${JSON.stringify(character)}`);
};

/** The bold font: filled dots, five wide and seven high, one dot between characters. */
export const dotFont: GlyphFont = (text, { x, y, height }) => {
  const dot = Math.floor(height / 7);
  const left = x - Math.floor(((6 * text.length - 1) * dot) / 2);
  const top = y - Math.floor((7 * dot) / 2);
  const rows = [...text].map((character) => (DOTS[character] ?? unknownGlyph(character)).split(" "));
  return (px, py) => {
    const column = Math.floor((px - left) / dot);
    const row = Math.floor((py - top) / dot);
    if (column < 0 || row < 0 || row > 6) return false;
    return rows[Math.floor(column / 6)]?.[row]?.[column % 6] === "#";
  };
};

const THIN = 20; // sixteenths of a pixel on either side of a line

/** The other font: lines, slanted, joined up, four wide and six high, one and a half apart. */
export const lineFont: GlyphFont = (text, { x, y, height }) => {
  const step = height / 6;
  const left = x - ((5.5 * text.length - 1.5) * step) / 2;
  const pointAt = (column: number, row: number): Point => [
    Math.round(left + (column + (3 - row) / 6) * step),
    Math.round(y + (row - 3) * step),
  ];
  const lines = [...text].flatMap((character, place) =>
    (LINES[character] ?? unknownGlyph(character))
      .split(" ")
      .map((line) => (line.match(/../g) ?? []).map((pair) => pointAt(Number(pair[0]) + 5.5 * place, Number(pair[1])))),
  );
  const regions = lines.map((points) => nearLine(points, THIN));
  return (px, py) => regions.some((region) => region(px, py));
};

/** Half the width of a text of a given height, with some room: what has to be looked at when it is painted. */
export const textReach = (text: string, height: number): number => Math.ceil((height * text.length) / 2) + 2 * UNIT;
