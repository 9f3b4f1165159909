/** Which data when, as pure functions of seed and position: nothing random is kept between steps, so a resumed run cannot differ. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { sequenceSeed } from "../sample/random.ts";

/** What a stream of random numbers is for; streams of different purposes never meet. */
const PURPOSE = { data: 1, minibatch: 2, sample: 3 } as const;

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

/** Indices of the `count` items from `position` on, each pass over the n items in an order of its own. */
export const dataAt = (
  data: { readonly seed: number; readonly n: number },
  position: number,
  count: number,
): number[] => {
  const taken: number[] = [];
  let order: readonly number[] = [];
  for (let at = position; at < position + count; at++) {
    if (order.length === 0 || at % data.n === 0) {
      order = permutation(data.n, sequenceSeed(data.seed, PURPOSE.data, Math.floor(at / data.n)));
    }
    taken.push(order[at % data.n] as number);
  }
  return taken;
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
