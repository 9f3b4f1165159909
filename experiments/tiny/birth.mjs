// Born with an induction circuit. "red first … So red" → " first": a head of the first layer tells each token what stood before it, and
// a head of the second looks for tokens with that before them and copies them (Olsson et al. 2022, arXiv 2209.11895). A transformer of
// this size needs over a thousand steps to find this, and everything a critique does is made of it. Only where training begins is
// chosen here: all of it is trained.
const STRENGTH = 5.7; // of the biases: about 4 nats between a token and its neighbours
const FAST = 6; // so many of the fastest rotary frequencies tell neighbours apart
const SLOW = 8; // from this frequency on, rotation over a prompt is small: what is compared by content stands there

/** Numbers around 0 with deviation 1, the same on every machine: sums of twelve uniform ones. */
const normals = (seed) => {
  let state = seed >>> 0;
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state / 2 ** 32;
    }
    return sum;
  };
};

const matrix = (rows, columns, draw) =>
  Array.from({ length: rows }, () => Float32Array.from({ length: columns }, () => draw() / Math.sqrt(columns)));

/** Which tokens a query of head `back − 1` attends to, by distance alone: with rotary positions, biases say it. */
const setBiases = (query, key, { size, theta }) => {
  for (let d = 0; d < FAST; d += 1) {
    const frequency = theta ** ((-2 * d) / size);
    key[d] = STRENGTH;
    for (const back of [1, 2]) {
      const at = (back - 1) * size + d;
      query[at] = STRENGTH * Math.cos(back * frequency);
      query[at + size / 2] = -STRENGTH * Math.sin(back * frequency);
    }
  }
};

/** Writes `scale · rows` into the rows of a weight `[out, in]` from `first` on. */
const setRows = ({ data, shape }, first, rows, scale = 1) =>
  rows.forEach((row, i) => row.forEach((x, column) => (data[(first + i) * shape[1] + column] = scale * x)));

/** Writes `scale · rowsᵀ` into the columns of a weight `[out, in]` from `first` on. */
const setColumns = ({ data, shape }, first, rows, scale) =>
  rows.forEach((row, i) => row.forEach((x, at) => (data[at * shape[1] + first + i] = scale * x)));

/** Rows in the slow dimensions of a head of `size`: the others are 0 and match nothing. */
const inSlow = (rows, size) => rows.map((row, d) => (d % (size / 2) < SLOW ? new Float32Array(row.length) : row));

/** Weights `fresh` with heads that look 1 and 2 tokens back in the first layer, and a head that copies in the second. */
export const withInduction = (fresh, { hiddenSize, heads, kvHeads, ropeTheta }) => {
  const size = hiddenSize / heads;
  if (heads / kvHeads !== 2) throw new Error("expected two query heads for each key head");
  const weights = Object.fromEntries(
    Object.entries(fresh).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
  );
  const of = (layer, which, what = "weight") => weights[`model.layers.${layer}.self_attn.${which}_proj.${what}`];
  const draw = normals(7);
  const [token, before, beforeThat, copied] = Array.from({ length: 4 }, () => matrix(size, hiddenSize, draw));
  // First layer, heads 0 and 1: the tokens 1 and 2 back, as `token` sees them, are written where `before` and `beforeThat` read.
  setBiases(of(0, "q", "bias").data, of(0, "k", "bias").data, { size, theta: ropeTheta });
  setRows(of(0, "v"), 0, token);
  setColumns(of(0, "o"), 0, before, 0.05);
  setColumns(of(0, "o"), size, beforeThat, 0.05);
  // Second layer, head 0: this token against the one before each other token; what is found is copied.
  setRows(of(1, "q"), 0, inSlow(token, size), 1.7);
  setRows(of(1, "k"), 0, inSlow(before, size), 1.7);
  setRows(of(1, "v"), 0, copied);
  setColumns(of(1, "o"), 0, copied, 0.2);
  return weights;
};
