/**
 * The server's own API, for hooks that can say what they know: groups or single members with ids, images, references and
 * a deadline. Unscorable is `null` here.
 */
import { bodyOf, countOf, idOf, isFields, listOf, textOf, type Fields } from "../fields.ts";
import { askedPrompt } from "../prompt.ts";
import type {
  HoldPolicy,
  MemberResult,
  Outcome,
  PairResult,
  Submission,
  WireFormat,
  WireReply,
  WireRequest,
  Work,
} from "../types.ts";
import { badRequest } from "../wire-error.ts";

const MAX_DEADLINE_MS = 3_600_000;

/** Half the deadline to collect siblings, the rest to finish judging. */
const holdOf = (fields: Fields): Partial<HoldPolicy> => {
  const deadline = countOf(fields, "deadline_ms", MAX_DEADLINE_MS);
  return deadline === undefined ? {} : { holdMs: deadline, groupMs: Math.round(deadline / 2) };
};

const promptOf = (fields: Fields) => {
  const prompt = fields["prompt"] ?? fields["messages"] ?? fields["question"];
  if (typeof prompt !== "string" && !Array.isArray(prompt)) throw badRequest("prompt: expected text or messages");
  const id = idOf(fields, "data_id");
  return askedPrompt(prompt, {
    label: fields["ground_truth"] ?? fields["label"],
    images: fields["images"] ?? fields["image"],
    ...(id === undefined ? {} : { id }),
  });
};

const shared = (fields: Fields) => {
  const { reference } = fields;
  return {
    prompt: promptOf(fields),
    ...(typeof reference === "string" && reference.trim() !== "" ? { reference } : {}),
  };
};

const textsOf = (fields: Fields): readonly string[] =>
  listOf(fields, "responses").map((text, at) => {
    if (typeof text === "string") return text;
    throw badRequest(`responses[${at}]: expected text`);
  });

/** Members of one group; `name` is what it is called when the client does not say. */
const membersOf = (fields: Fields, name: string): readonly Submission[] => {
  const responses = textsOf(fields);
  const given = countOf(fields, "n", 256);
  if (responses.length > (given ?? 256)) throw badRequest(`responses: expected at most ${given ?? 256}`);
  const ids = listOf(fields, "member_ids");
  const group = idOf(fields, "group_id");
  // Without an id the group is this request's own, and so is its size.
  const size = group === undefined ? responses.length : (given ?? responses.length);
  const base = shared(fields);
  return responses.map((response, at) => {
    const member =
      typeof ids[at] === "string" ? ids[at] : group === undefined || size === responses.length ? String(at) : undefined;
    return { ...base, response, size, group: group ?? name, ...(member === undefined ? {} : { member }) };
  });
};

const memberBody = ({ value, why, flags, uncertainty }: MemberResult) => ({
  reward: value,
  status: value === null ? "unscorable" : "scored",
  why,
  flags,
  uncertainty,
});

const groupBody = (fields: Fields, results: readonly MemberResult[]) => {
  const group = results[0]?.group;
  const partial = results.some(({ flags }) => flags.includes("partial"));
  return {
    group_id: fields["group_id"] ?? null,
    rewards: results.map(({ value }) => value),
    status: results.every(({ value }) => value === null) ? "unscorable" : partial ? "partial" : "complete",
    members: results.map(memberBody),
    comparisons: group?.comparisons ?? [],
    calls: group?.calls ?? 0,
    order_bias: group?.orderBias ?? null,
    flip_rate: group?.flipRate ?? null,
    spread: group?.spread ?? null,
  };
};

const single = (fields: Fields): Work => {
  const group = idOf(fields, "group_id");
  const member = idOf(fields, "member_id");
  const size = countOf(fields, "n", 256);
  const submission: Submission = {
    ...shared(fields),
    response: textOf(fields, "response"),
    ...(group === undefined ? {} : { group }),
    ...(member === undefined ? {} : { member }),
    ...(size === undefined ? {} : { size }),
  };
  const encode = ({ results: [result] }: Outcome): WireReply => ({
    body: {
      group_id: group ?? null,
      member_id: member ?? null,
      ...memberBody(result!),
      members: result!.group.members,
      order_bias: result!.group.orderBias,
    },
  });
  return { kind: "judge", submissions: [submission], hold: holdOf(fields), encode };
};

const groupsOf = (fields: Fields): readonly Fields[] =>
  listOf(fields, "groups").map((group, at) => {
    if (isFields(group)) return group;
    throw badRequest(`groups[${at}]: expected an object`);
  });

const rewards = (fields: Fields, request: WireRequest, streamed: boolean): Work => {
  if (!("groups" in fields)) return single(fields);
  const groups = groupsOf(fields);
  const members = groups.map((group, at) => membersOf(group, `${request.digest}#${at}`));
  const owner = members.flatMap((list, group) => list.map((_, member) => ({ group, member })));
  const starts = members.map((_, at) => members.slice(0, at).reduce((sum, list) => sum + list.length, 0));
  const encode = ({ results }: Outcome): WireReply => {
    const bodies = groups.map((group, at) =>
      groupBody(group, results.slice(starts[at]!, starts[at]! + members[at]!.length)),
    );
    return { body: { groups: bodies } };
  };
  const line = (result: MemberResult, index: number) => {
    const { group, member } = owner[index]!;
    return { group, group_id: groups[group]!["group_id"] ?? null, member, ...memberBody(result) };
  };
  const stream = streamed ? { stream: line } : {};
  return { kind: "judge", submissions: members.flat(), hold: holdOf(fields), encode, ...stream };
};

const winnerOf = ({ probability: p }: PairResult): number | null => (p === null || p === 0.5 ? null : p > 0.5 ? 0 : 1);

const compare = (fields: Fields): Work => {
  const [a, b, ...more] = textsOf(fields);
  if (a === undefined || b === undefined || more.length > 0) throw badRequest("responses: expected two texts");
  const encode = ({ pairs: [pair] }: Outcome): WireReply => ({
    body: { ...pair!, failed: undefined, winner: winnerOf(pair!) },
  });
  return { kind: "judge", pairs: [{ prompt: promptOf(fields), responses: [a, b] }], hold: holdOf(fields), encode };
};

/** The server's own API. */
export const nativeFormat: WireFormat = {
  name: "native",
  routes: [
    { method: "POST", path: "/v1/rewards" },
    { method: "POST", path: "/v1/rewards:stream" },
    { method: "POST", path: "/v1/compare" },
  ],
  hold: { holdMs: 120_000, groupMs: 60_000, maxSheds: 0, retryAfterMs: 100 },
  decode(request) {
    const fields = bodyOf(request.body);
    if (request.path === "/v1/compare") return compare(fields);
    return rewards(fields, request, request.path === "/v1/rewards:stream");
  },
};
