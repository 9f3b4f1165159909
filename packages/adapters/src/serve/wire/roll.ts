/**
 * `/roll/submit` and `/roll/result`: ROLL's remote reward system. Answers are handed in and asked for every two seconds, the
 * latter as GET with a JSON body.
 */
import { bodyOf, idOf, isFields, textOf, type Fields } from "../fields.ts";
import { askedPrompt } from "../prompt.ts";
import type { MemberResult, Submission, WireFormat, WireReply } from "../types.ts";
import { centred } from "./get-reward.ts";

const submissionOf = (fields: Fields): Submission => {
  const names = ["project_id", "experiment_id", "global_step", "data_id"].map((name) => idOf(fields, name) ?? "");
  const data = idOf(fields, "data_id");
  const member = idOf(fields, "rollout_id");
  const info = fields["reward_info"];
  const label = isFields(info) && "ground_truth" in info ? info["ground_truth"] : info;
  return {
    prompt: askedPrompt(textOf(fields, "prompt"), { label, ...(data === undefined ? {} : { id: data }) }),
    response: textOf(fields, "response"),
    // One step's group: the same record in the next step is another group.
    ...(data === undefined ? {} : { group: JSON.stringify(names) }),
    ...(member === undefined ? {} : { member }),
  };
};

/** `dimention_reward_score` is spelled as the client spells it; its values must be objects. */
const resultReply = (result: MemberResult | null | undefined): WireReply => {
  if (result === undefined) return { body: { errcode: 404, errmsg: "unknown reward_request_id: submit it again" } };
  if (result === null) return { body: { errcode: 1, errmsg: "running" } };
  return {
    body: {
      errcode: 0,
      errmsg: result.value === null ? `unscorable: ${result.why ?? ""}` : "",
      reward_score: centred(result),
      dimention_reward_score: {
        r1reward: { score: centred(result), judge_failed: Number(result.value === null), debug_info: {} },
      },
    },
  };
};

/** ROLL's remote reward system. */
export const rollFormat: WireFormat = {
  name: "roll",
  routes: [
    { method: "POST", path: "/roll/submit" },
    { method: "GET", path: "/roll/result" },
    { method: "POST", path: "/roll/result" },
  ],
  // Nothing is held. The client polls for 305 s.
  hold: { holdMs: 0, groupMs: 200_000, maxSheds: 0, retryAfterMs: 2000 },
  decode({ path, body }) {
    const fields = bodyOf(body);
    if (path === "/roll/result") {
      return { kind: "poll", ticket: textOf(fields, "reward_request_id"), encode: resultReply };
    }
    const encode = (ticket: string): WireReply => ({ body: { errcode: 0, errmsg: "", reward_request_id: ticket } });
    return { kind: "submit", submission: submissionOf(fields), encode };
  },
  refuse: (status, message) => ({ errcode: status, errmsg: message }),
};
