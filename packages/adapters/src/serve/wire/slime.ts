/** `/slime`: slime's and miles' `remote_rm`. One answer per request, over a pool of 64 connections per trainer. */
import { bodyOf, textOf } from "../fields.ts";
import { askedPrompt } from "../prompt.ts";
import type { MemberResult, WireFormat } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { withoutEndings } from "../prompt.ts";
import { centred } from "./get-reward.ts";

/** The object for `--reward-key`: the reward under the trainer's own name for it. */
const objectFor = (key: string, result: MemberResult) => ({
  judge_failed: Number(result.value === null),
  score: (centred(result) + 1) / 2,
  reward: centred(result),
  [key]: centred(result),
});

/** slime's remote reward model. */
export const slimeFormat: WireFormat = {
  name: "slime",
  routes: [
    { method: "POST", path: "/slime" },
    { method: "POST", path: "/rm" },
  ],
  // 64 connections, 120 s each including the wait for a connection; 10 tries, 1, 2, 4, … 30 s apart, then the rollout dies.
  hold: { holdMs: 90_000, groupMs: 75_000, maxHeld: 40, maxSheds: 5, retryAfterMs: 900 },
  decode({ body, query }) {
    const fields = bodyOf(body);
    const { prompt } = fields;
    if (typeof prompt !== "string" && !Array.isArray(prompt)) throw badRequest("prompt: expected text or messages");
    const key = query.get("key");
    const submission = {
      prompt: askedPrompt(prompt, { label: fields["label"] }),
      response: withoutEndings(textOf(fields, "response")),
    };
    return {
      kind: "judge",
      submissions: [submission],
      encode: ({ results: [result] }) => ({
        body: key === undefined ? centred(result!) : objectFor(key, result!),
      }),
    };
  },
};
