// Critiques drawn at temperature 1, and which pairs they are worth reinforcing on.
import { statedWinner } from "@r1reward/core";
import { shapesProtocol } from "@r1reward/core/shapes";
import { measure } from "./recipe.mjs";

/**
 * `draws` critiques of each pair, in the order in which it is stored. `params` are the engine's.
 * → for each pair: [{ winner (null where there is none to read), right, stated (by the thought), length (tokens) }]
 */
export const drawCritiques = async (model, params, { pairs, draws, seed }) => {
  const requests = pairs.map((pair, n) => ({
    prompt: { id: pair.id, prompt: shapesProtocol.prompt(pair), truth: pair.human },
    group: pair.id,
    seeds: Array.from({ length: draws }, (_, k) => 1_000_003 * seed + 1009 * n + k),
  }));
  const critiques = pairs.map(() => []);
  const settings = { temperature: 1, maxTokens: measure.maxTokens };
  for await (const { place, text, finishReason, tokens } of model.policy.sample(params, requests, settings)) {
    const [n, k] = place;
    const { verdict, reasoning } = shapesProtocol.parse({ text, finishReason });
    const winner = verdict.kind === "winner" ? verdict.winner : null;
    critiques[n][k] = {
      winner,
      right: winner === pairs[n].human,
      stated: statedWinner(reasoning),
      length: tokens.length,
    };
  }
  return critiques;
};

/** Weights on the engine, by name. */
export const onEngine = (engine, weights) =>
  Object.fromEntries(Object.entries(weights).map(([name, { data, shape }]) => [name, engine.tensor(data, shape)]));

/**
 * The paper reinforces on what its teacher found hard. Here the judge tells by itself: pairs it gets right in some of `draws` critiques and
 * wrong in others, as the rest has nothing to teach (all rewards of a group are the same).
 * → [index of the pair]
 */
export const mixedPairs = async (model, weights, { pairs, draws, seed }) => {
  const params = onEngine(model.policy.engine, weights);
  const critiques = await drawCritiques(model, params, { pairs, draws, seed });
  model.policy.engine.dispose(params);
  const hits = critiques.map((row) => row.filter(({ right }) => right).length);
  return [...hits.keys()].filter((n) => hits[n] > 0 && hits[n] < draws);
};
