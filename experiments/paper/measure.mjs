// What is measured of a judge: greedy accuracy in both orders, and of critiques drawn at temperature 1 their accuracy one by one, what k
// votes decide, the share of pairs with at least one right among k, agreement of thought and answer, and length.
import { passAtK } from "@r1reward/core";
import { shapesPair, shapesProtocol } from "@r1reward/core/shapes";
import { evaluatePolicy } from "@r1reward/stablereinforce";
import { drawCritiques } from "../tiny/critiques.mjs";
import { measure } from "../tiny/recipe.mjs";

const mean = (xs) => xs.reduce((sum, x) => sum + x, 0) / xs.length;

const pairsOf = (seed, n) => Array.from({ length: n }, (_, index) => shapesPair({ seed, index, split: "test" }).pair);

/** A majority of the first k is right; a tie counts half, an unreadable critique for nobody. */
const majority = (critiques, truth, k) => {
  const first = critiques.slice(0, k);
  const [mine, other] = [truth, 1 - truth].map((w) => first.filter(({ winner }) => winner === w).length);
  return mine === other ? 0.5 : Number(mine > other);
};

/** → the numbers of one judge. `params` are the engine's. */
export const measureJudge = async (model, params, { seed, pairs, voted, votes }) => {
  const greedy = await evaluatePolicy({
    model,
    weights: params,
    pairs: pairsOf(seed, pairs),
    protocol: shapesProtocol,
    maxTokens: measure.maxTokens,
    batch: 128,
  });
  const some = pairsOf(seed, voted);
  const critiques = await drawCritiques(model, params, { pairs: some, draws: votes, seed });
  const all = critiques.flat();
  const decided = all.filter(({ winner, stated }) => winner !== null && stated !== null);
  const ks = Array.from({ length: votes }, (_, i) => i + 1);
  const hits = critiques.map((row) => row.filter(({ right }) => right).length);
  return {
    accuracy: greedy.accuracy,
    single: greedy.averageAccuracy,
    format: greedy.format,
    sampled: mean(all.map(({ right }) => Number(right))),
    agreement: decided.length === 0 ? null : mean(decided.map(({ winner, stated }) => Number(winner === stated))),
    length: mean(all.map(({ length }) => length)),
    votes: ks.map((k) => mean(critiques.map((row, n) => majority(row, some[n].human, k)))),
    passAtK: ks.map((k) => mean(hits.map((c) => passAtK(votes, c, k)))),
  };
};
