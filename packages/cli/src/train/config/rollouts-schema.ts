/** What a run can be told of a server that samples its replies. No preset has one, so defaults are here. */
import { z } from "zod";
import { above0, count, said, server } from "./fields.ts";

const loading = {
  every: said(count.default(1), "steps between loadings; 1 samples every batch with the newest weights"),
  folder: said(
    z.string().min(1).optional(),
    "where the weights are written, one folder each and the one before removed; rl/served in the run's folder by default",
  ),
  serverFolder: said(
    z.string().min(1).optional(),
    "that folder's path on the server's machine, where it is another one",
  ),
};

const reload = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: said(z.literal("sglang"), "the whole model, by POST /update_weights_from_disk"),
    ...loading,
  }),
  z.strictObject({
    kind: said(
      z.literal("vllm-lora"),
      "the adapters of model.lora, by POST /v1/load_lora_adapter, each under a new name",
    ),
    ...loading,
  }),
  z.strictObject({
    kind: said(z.literal("post"), "a POST to an address of yours"),
    url: said(z.url({ protocol: /^https?$/ }), "its address; an answer below 300 means that the weights are loaded"),
    body: said(z.record(z.string(), z.unknown()), "its JSON; {folder}, {name} and {model} in texts are filled in"),
    weights: said(
      z.enum(["model", "adapter"]).default("model"),
      "what is written: the whole model, or model.lora's adapters",
    ),
    ...loading,
  }),
]);

const rolloutServer = server.extend({
  url: said(z.string().min(1), "OpenAI-compatible server that samples, e.g. http://localhost:8000/v1"),
  apiKeyEnv: said(z.string().min(1).default("R1REWARD_API_KEY"), "environment variable with the server's key"),
  concurrency: said(count.default(64), "requests under way at once"),
  timeoutSeconds: said(above0.max(86_400).default(600), "longest wait for one reply, all tries included"),
  extraBody: said(
    z.record(z.string(), z.unknown()).default({ return_tokens_as_token_ids: true }),
    "more fields of every request; by default vLLM is asked for token ids, and others ignore it",
  ),
  truncate: said(
    above0.nullable().default(2),
    "importance weights of a token, trainer over server, are cut off here; null corrects nothing",
  ),
  reload: said(
    reload.nullable().default(null),
    "how the server gets the trained weights; null: never, and the correction grows with every step",
  ),
});

/** `rl.rollouts`. */
export const rollouts = said(
  z.strictObject({ server: rolloutServer }).nullable().optional(),
  "replies are sampled by a server; left out or null: by the trainer itself",
);
