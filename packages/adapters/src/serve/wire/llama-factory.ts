/** `/v1/score/evaluation`: LLaMA-Factory's PPO with `reward_model_type: api`. Texts are whole conversations. */
import { bodyOf, listOf } from "../fields.ts";
import { askedPrompt, splitQuery } from "../prompt.ts";
import type { BadEntry, Submission, WireFormat } from "../types.ts";
import { batched } from "./batch.ts";
import { centred } from "./get-reward.ts";

/** LLaMA-Factory's reward API. */
export const llamaFactoryFormat: WireFormat = {
  name: "llama-factory",
  routes: [{ method: "POST", path: "/v1/score/evaluation" }],
  // The client waits as long as it takes, and does not look at the status.
  hold: { holdMs: 300_000, groupMs: 120_000, maxSheds: 0, retryAfterMs: 1000 },
  decode({ body, digest, groupSize }) {
    const fields = bodyOf(body);
    const entries = listOf(fields, "messages").map((text, at): Submission | BadEntry => {
      if (typeof text !== "string") return { bad: `messages[${at}]: expected text` };
      const { prompt, answer } = splitQuery(text);
      return { prompt: askedPrompt(prompt), response: answer };
    });
    const model = typeof fields["model"] === "string" ? fields["model"] : "r1reward";
    return {
      kind: "judge",
      submissions: batched(entries, { digest, groupSize }),
      encode: ({ results }) => ({
        body: {
          id: `scoreval-${digest.slice(0, 32)}`,
          object: "score.evaluation",
          model,
          scores: results.map(centred),
        },
      }),
    };
  },
};
