/** Which data when, as pure functions of seed and position: nothing random is kept between steps, so a resumed run cannot differ. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { sequenceSeed } from "../sample/random.ts";

/** What a stream of random numbers is for; streams of different purposes never meet. */
const PURPOSE = { data: 1, minibatch: 2, sample: 3, length: 4 } as const;

/** 0 … n−1 in an order that the seed decides (Fisher and Yates). */
export const permutation = (n: number, seed: number): readonly number[] => {
  const random = xoroshiro128plus(seed);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
};

/**
 * `(position, count)` → indices of so many items from there on, each pass over the n items in an order of its own. The order of the last
 * pass asked for is remembered, as hundreds of thousands of items take longer to shuffle than to train on a batch of them is worth.
 */
export const dataOrder = (data: { readonly seed: number; readonly n: number }) => {
  let last: { readonly pass: number; readonly order: readonly number[] } = { pass: -1, order: [] };
  const at = (position: number): number => {
    const pass = Math.floor(position / data.n);
    if (last.pass !== pass) last = { pass, order: permutation(data.n, sequenceSeed(data.seed, PURPOSE.data, pass)) };
    return last.order[position % data.n] as number;
  };
  return (position: number, count: number): number[] => Array.from({ length: count }, (_, i) => at(position + i));
};

/**
 * Rows cut into batches of like length, the batches in an order that the seed decides: what is padded is less, and long batches are not
 * always the last ones. Rows of one length keep their order.
 */
export const lengthOrder = (
  lengths: readonly number[],
  batch: number,
  [seed, group]: readonly [seed: number, group: number],
): number[][] => {
  const sorted = [...lengths.keys()].sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  const batches = Math.ceil(lengths.length / batch);
  const order = permutation(batches, sequenceSeed(seed, PURPOSE.length, group));
  return order.map((i) => sorted.slice(i * batch, (i + 1) * batch));
};

/** Rollouts 0 … n−1 cut into minibatches, in another order for every step and pass. */
export const minibatches = (
  n: number,
  size: number,
  seed: readonly [seed: number, step: number, pass: number],
): number[][] => {
  const [base, step, pass] = seed;
  const order = permutation(n, sequenceSeed(base, PURPOSE.minibatch, step, pass));
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => order.slice(i * size, (i + 1) * size));
};

/** The seed of one reply. */
export const replySeed = (seed: number, step: number, place: readonly [prompt: number, sample: number]): number =>
  sequenceSeed(seed, PURPOSE.sample, step, ...place);
