/**
 * NeMo-Gym resources server: `/verify` meets siblings by their cohort ids, `/compare` gets a whole group; the rest is what
 * the agents and the collector call besides.
 */
import { bodyOf, idOf, isFields, jsonOf, listOf, type Fields } from "../fields.ts";
import { askedPrompt } from "../prompt.ts";
import type { ComparisonSummary, MemberResult, Outcome, Submission, WireFormat, WireReply, Work } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { centred } from "./get-reward.ts";

const contentText = (content: unknown): string => {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => (isFields(part) && typeof part["text"] === "string" ? part["text"] : ""))
    .join("");
};

/** What a Responses API object says to the user; its reasoning is not judged. */
export const outputText = (response: unknown): string => {
  const output = isFields(response) ? response["output"] : undefined;
  if (typeof output === "string") return output;
  if (!Array.isArray(output)) return "";
  return output
    .filter((item: unknown) => isFields(item) && (item["type"] === "message" || item["type"] === undefined))
    .map((item: unknown) => contentText((item as Fields)["content"]))
    .join("");
};

/** Criteria that the judge is given with the question. */
const principled = (text: string, principle: unknown): string =>
  typeof principle === "string" && principle !== "" ? `${text}\n\nJudge by this principle: ${principle}` : text;

const promptOf = (input: unknown, fields: Fields) => {
  const prompt = askedPrompt(input, { label: fields["label"] ?? fields["expected_answer"], images: fields["images"] });
  const { principle } = fields;
  return { ...prompt, text: principled(prompt.text, principle), raw: principled(prompt.raw, principle) };
};

const groupOf = (fields: Fields): string | undefined => {
  const group = idOf(fields, "_ng_group_id");
  if (group !== undefined) return JSON.stringify(["group", group, idOf(fields, "_ng_group_attempt") ?? "0"]);
  const task = idOf(fields, "_ng_task_index") ?? idOf(fields, "prompt_id");
  return task === undefined ? undefined : JSON.stringify(["task", task]);
};

/** A failure keeps the answer and leaves it out of training: the zero is a placeholder. */
const masked = (fields: Fields, { why }: MemberResult) => ({
  reward: 0,
  mask_sample: true,
  failure_kind: "judge_failed",
  failure_reason: why ?? "judge-failed",
  instance_config: { ...(isFields(fields["instance_config"]) ? fields["instance_config"] : {}), mask_sample: true },
});

const verify = (fields: Fields): Work => {
  const params = fields["responses_create_params"];
  if (!isFields(params) || params["input"] === undefined) {
    throw badRequest("responses_create_params.input: expected text or messages");
  }
  if (!isFields(fields["response"])) throw badRequest("response: expected a Responses API object");
  const group = groupOf(fields);
  const member = idOf(fields, "_ng_rollout_index");
  const submission: Submission = {
    prompt: promptOf(params["input"], fields),
    response: outputText(fields["response"]),
    ...(group === undefined ? {} : { group }),
    ...(member === undefined ? {} : { member }),
  };
  const encode = ({ results: [result] }: Outcome): WireReply => ({
    body: {
      ...fields,
      ...(result!.value === null
        ? masked(fields, result!)
        : { reward: result!.value, reward_components: { r1reward: result!.value } }),
    },
  });
  return { kind: "judge", submissions: [submission], encode };
};

/** The outcome on the scales that the caller's reports are made for: scores 1 to 5, ranking 1 (first) to 6 (second). */
const comparison = ({ i, j, p }: ComparisonSummary) => ({
  response_i: i,
  response_j: j,
  judge_idx: 0,
  score_1: p === null ? 3 : 1 + 4 * p,
  score_2: p === null ? 3 : 5 - 4 * p,
  ranking: p === null ? 3.5 : 6 - 5 * p,
});

const compareReply = ({ results }: Outcome): WireReply => {
  const group = results[0]?.group;
  if (results.length > 1 && results.some(({ value }) => value === null)) {
    return { status: 503, body: { detail: "the group could not be judged" } };
  }
  const pairs = (group?.comparisons ?? []).filter(({ i, j }) => i >= 0 && j >= 0);
  return {
    body: {
      rewards: results.map(centred),
      comparison_results: pairs.map(comparison),
      metrics:
        group === undefined
          ? {}
          : { calls: group.calls, failed: group.failed, unreadable: group.unreadable, spread: group.spread ?? 0 },
    },
  };
};

const compare = (fields: Fields, digest: string): Work => {
  const prompt = promptOf(fields["conversation_history"] ?? [], fields);
  const responses = listOf(fields, "response_objs");
  if (responses.length > 256) throw badRequest("response_objs: expected at most 256");
  const submissions = responses.map((response, at) => ({
    prompt,
    response: outputText(response),
    group: digest,
    member: String(at),
    size: responses.length,
  }));
  return { kind: "judge", submissions, encode: compareReply };
};

/** Means over everything, and per task. */
const aggregate = (fields: Fields): Work => {
  const rows = listOf(fields, "verify_responses").filter(isFields);
  const tasks = new Map<string, number[]>();
  for (const row of rows) {
    const { reward } = row;
    if (typeof reward !== "number" || row["mask_sample"] === true) continue;
    const task = JSON.stringify(jsonOf(row["_ng_task_index"]));
    tasks.set(task, [...(tasks.get(task) ?? []), reward]);
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = [...tasks.values()].flat();
  const metrics = all.length === 0 ? {} : { "mean/reward": mean(all) };
  const groups = [...tasks].map(([task, values]) => ({
    _ng_task_index: JSON.parse(task) as unknown,
    "mean/reward": mean(values),
  }));
  const body = { group_level_metrics: groups, agent_metrics: metrics, key_metrics: metrics };
  return { kind: "reply", reply: { body } };
};

/** NeMo-Gym's resources server. */
export const nemoGymFormat: WireFormat = {
  name: "nemo-gym",
  routes: [
    { method: "POST", path: "/verify" },
    { method: "POST", path: "/compare" },
    { method: "POST", path: "/seed_session" },
    { method: "POST", path: "/aggregate_metrics" },
    { method: "GET", path: "/reverify_mode" },
  ],
  // Its own agents have no timeout. A trainer that gives up after 30 s (axolotl) needs a shorter hold.
  hold: { holdMs: 900_000, groupMs: 300_000, maxSheds: 0, retryAfterMs: 500 },
  decode(request) {
    const { path, body } = request;
    if (path === "/reverify_mode") return { kind: "reply", reply: { body: "unknown" } };
    if (path === "/seed_session") return { kind: "reply", reply: { body: {} } };
    const fields = bodyOf(body);
    if (path === "/aggregate_metrics") return aggregate(fields);
    return path === "/compare" ? compare(fields, request.digest) : verify(fields);
  },
  refuse: (_status, message) => ({ detail: message }),
};
