/**
 * Outlines of shapes and tests for points, in whole numbers of sixteenths of a pixel: no rounding differs between platforms.
 */
import type { ShapeName } from "./vocabulary.ts";

/** Sixteenths of a pixel: x to the right, y down. */
export type Point = readonly [x: number, y: number];

/** Does a point belong to what is painted? */
export type Region = (x: number, y: number) => boolean;

/** Sixteenths per pixel. */
export const UNIT = 16;

/** Corners for a radius of 1000; areas are about those of a circle, stars a little wider. */
const CORNERS: Readonly<Record<Exclude<ShapeName, "circle">, readonly Point[]>> = {
  square: [
    [-860, -860],
    [860, -860],
    [860, 860],
    [-860, 860],
  ],
  triangle: [
    [0, -1120],
    [1080, 780],
    [-1080, 780],
  ],
  // Five outer corners at 1200 and five inner ones at 500, 36 degrees apart.
  star: [
    [0, -1200],
    [294, -405],
    [1141, -371],
    [476, 155],
    [705, 971],
    [0, 500],
    [-705, 971],
    [-476, 155],
    [-1141, -371],
    [-294, -405],
  ],
  cross: [
    [-370, -1060],
    [370, -1060],
    [370, -370],
    [1060, -370],
    [1060, 370],
    [370, 370],
    [370, 1060],
    [-370, 1060],
    [-370, 370],
    [-1060, 370],
    [-1060, -370],
    [-370, -370],
  ],
};

/** An angle as its cosine and sine in 1024ths, written out so that no platform computes them. */
export type Turn = readonly [cos: number, sin: number];

/** No turn. */
export const UPRIGHT: Turn = [1024, 0];

/** Where and how large a shape stands. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  /** Sixteenths of a pixel. */
  readonly radius: number;
  readonly turn: Turn;
}

const cornersAt = (shape: Exclude<ShapeName, "circle">, { x, y, radius, turn }: Placement): readonly Point[] =>
  CORNERS[shape].map(([u, v]) => [
    x + Math.round(((u * turn[0] - v * turn[1]) * radius) / 1_024_000),
    y + Math.round(((u * turn[1] + v * turn[0]) * radius) / 1_024_000),
  ]);

/** Inside a polygon, by counting the edges that a ray to the right crosses. */
const insidePolygon = (corners: readonly Point[]): Region => {
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  return (x, y) => {
    let inside = false;
    let from = xs.length - 1;
    for (let to = 0; to < xs.length; from = to, to += 1) {
      const fromY = ys[from]!;
      const toY = ys[to]!;
      if (fromY > y === toY > y) continue;
      const side = (xs[to]! - xs[from]!) * (y - fromY) - (x - xs[from]!) * (toY - fromY);
      if (toY > fromY ? side > 0 : side < 0) inside = !inside;
    }
    return inside;
  };
};

/** Within `reach` of the segment from a to b. */
const nearSegment = ([ax, ay]: Point, [bx, by]: Point, reach: number): Region => {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const near = reach * reach;
  return (x, y) => {
    const px = x - ax;
    const py = y - ay;
    const along = px * dx + py * dy;
    if (along <= 0) return px * px + py * py <= near;
    if (along >= length) return (x - bx) * (x - bx) + (y - by) * (y - by) <= near;
    const across = px * dy - py * dx;
    return across * across <= near * length;
  };
};

/** Within `reach` sixteenths of a line through the points. */
export const nearLine = (points: readonly Point[], reach: number): Region => {
  const segments = points.slice(1).map((to, at) => nearSegment(points[at]!, to, reach));
  return (x, y) => {
    for (let at = 0; at < segments.length; at += 1) if (segments[at]!(x, y)) return true;
    return false;
  };
};

/** The region of a shape: filled, or only a line of `stroke` sixteenths along its edge. */
export const regionOf = (shape: ShapeName, placement: Placement, stroke: number | null): Region => {
  const { x: cx, y: cy, radius } = placement;
  if (shape === "circle") {
    const outer = radius * radius;
    const inner = stroke === null ? -1 : (radius - stroke) ** 2;
    return (x, y) => {
      const distance = (x - cx) * (x - cx) + (y - cy) * (y - cy);
      return distance <= outer && distance > inner;
    };
  }
  const corners = cornersAt(shape, placement);
  if (stroke === null) return insidePolygon(corners);
  return nearLine([...corners, corners[0]!], Math.round(stroke / 2));
};
