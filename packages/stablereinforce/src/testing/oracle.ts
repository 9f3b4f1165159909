/** Arrays and loops: what every kernel is checked against. Imports nothing. */

/** Numbers in row-major order with a shape. */
export interface Grid {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Elements of a shape. */
export const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** All positions of a shape in row-major order. */
export const positions = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>((all, n) => all.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])), [[]]);

/** Row-major index of a position. */
export const offset = (shape: readonly number[], at: readonly number[]): number =>
  shape.reduce((sum, n, i) => sum * n + (at[i] ?? 0), 0);

/** The number at a position; axes of length 1 and missing leading axes repeat. */
export const pick = (x: Grid, at: readonly number[]): number => {
  const own = at.slice(at.length - x.shape.length).map((i, axis) => (x.shape[axis] === 1 ? 0 : i));
  return x.data[offset(x.shape, own)] ?? Number.NaN;
};

/** A grid filled position by position. */
export const build = (shape: readonly number[], f: (at: number[]) => number): Grid => ({
  shape,
  data: positions(shape).map(f),
});

/** The shape that two shapes broadcast to. */
export const broadcast = (a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length);
  const padded = [a, b].map((s) => [...Array.from({ length: rank - s.length }, () => 1), ...s]);
  return Array.from({ length: rank }, (_, i) => Math.max(padded[0]?.[i] ?? 1, padded[1]?.[i] ?? 1));
};

/** f over one grid. */
export const map1 =
  (f: (x: number) => number) =>
  ([x]: readonly Grid[]): Grid =>
    build((x as Grid).shape, (at) => f(pick(x as Grid, at)));

/** f over two grids, broadcast. */
export const map2 =
  (f: (a: number, b: number) => number) =>
  ([a, b]: readonly Grid[]): Grid =>
    build(broadcast((a as Grid).shape, (b as Grid).shape), (at) => f(pick(a as Grid, at), pick(b as Grid, at)));

/** f over the numbers along some axes; without `keep` the axes go. */
export const along =
  (axes: readonly number[], f: (xs: number[]) => number, keep = false) =>
  ([x]: readonly Grid[]): Grid => {
    const grid = x as Grid;
    const kept = grid.shape.map((n, i) => (axes.includes(i) ? 1 : n));
    const whole = build(kept, (at) => {
      const inner = positions(axes.map((axis) => grid.shape[axis] ?? 1));
      return f(
        inner.map((spot) =>
          pick(
            grid,
            at.map((i, axis) => (axes.includes(axis) ? (spot[axes.indexOf(axis)] ?? 0) : i)),
          ),
        ),
      );
    });
    return { shape: keep ? kept : grid.shape.filter((_, i) => !axes.includes(i)), data: whole.data };
  };

/** f over whole rows of the last axis, giving rows of the same length. */
export const rows =
  (f: (row: number[]) => number[]) =>
  ([x]: readonly Grid[]): Grid => {
    const grid = x as Grid;
    const length = grid.shape.at(-1) ?? 1;
    const out: number[] = [];
    for (let i = 0; i < grid.data.length; i += length) out.push(...f(grid.data.slice(i, i + length)));
    return { shape: grid.shape, data: out };
  };

/** a·b over the last two axes, leading axes broadcast. */
export const matmul = ([a, b]: readonly Grid[]): Grid => {
  const [x, y] = [a as Grid, b as Grid];
  const outer = broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const inner = x.shape.at(-1) ?? 0;
  return build([...outer, x.shape.at(-2) ?? 1, y.shape.at(-1) ?? 1], (at) => {
    const [lead, row, column] = [at.slice(0, -2), at.at(-2) ?? 0, at.at(-1) ?? 0];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += pick(x, [...lead, row, k]) * pick(y, [...lead, k, column]);
    return sum;
  });
};

/** Axes in another order. */
export const permute =
  (perm: readonly number[]) =>
  ([x]: readonly Grid[]): Grid => {
    const grid = x as Grid;
    return build(
      perm.map((axis) => grid.shape[axis] ?? 1),
      (at) =>
        pick(
          grid,
          grid.shape.map((_, axis) => at[perm.indexOf(axis)] ?? 0),
        ),
    );
  };
