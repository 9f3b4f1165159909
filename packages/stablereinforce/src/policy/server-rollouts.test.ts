import { describe, expect, it } from "vitest";
import type { Completion } from "@r1reward/core";
import { scriptedModel } from "@r1reward/core/testing";
import { characterTokenizer } from "./tokenizer.ts";
import { serverRollouts, type Sampled, type ServerRolloutsOptions } from "./index.ts";

const tokenizer = characterTokenizer("abc ");
const encode: ServerRolloutsOptions["encode"] = (prompt) =>
  Promise.resolve({ promptTokens: tokenizer.encodePrompt(prompt) });
const requests = [0, 1].map((n) => ({
  prompt: {
    id: `p${n}`,
    prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: "ab" }] }],
    truth: n,
  },
  group: `g${n}`,
  seeds: [-5, 7],
}));
const settings = { temperature: 1, maxTokens: 8 };
const logpsOf = (...pairs: readonly (readonly [string, number])[]): Pick<Completion, "logps"> => ({
  logps: pairs.map(([token, logp]) => ({ token, logp, top: [] })),
});

const rollouts = async (script: Parameters<typeof scriptedModel>[0], options: Partial<ServerRolloutsOptions> = {}) => {
  const model = scriptedModel(script);
  const sample = serverRollouts<number>({ model, tokenizer, encode, ...options });
  const replies: Sampled<number>[] = [];
  for await (const reply of sample({}, requests, settings)) replies.push(reply);
  replies.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
  return { replies, model };
};

describe("serverRollouts", () => {
  it("turns replies into tokens, with the server's log-probabilities", async () => {
    const told = logpsOf(["a", -0.5], ["c", -1.5]);
    const { replies, model } = await rollouts(() => ({ text: "ac", ...told }));
    expect(replies.map(({ place, id, truth, group }) => [place, id, truth, group])).toEqual([
      [[0, 0], "p0#0", 0, "g0"],
      [[0, 1], "p0#1", 0, "g0"],
      [[1, 0], "p1#0", 1, "g1"],
      [[1, 1], "p1#1", 1, "g1"],
    ]);
    expect([...(replies[0]?.tokens ?? [])]).toEqual([2, 4, 1]); // a, c, stop
    expect([...(replies[0]?.promptTokens ?? [])]).toEqual([0, 2, 3]);
    expect([...(replies[0]?.logpRollout ?? [])]).toEqual([-0.5, -1.5]); // nothing was told of the stop token
    const { seed, ...how } = model.calls[0]?.options ?? {};
    expect(how).toMatchObject({ temperature: 1, maxTokens: 8, topP: 1, logprobs: 0 });
    expect(seed).toBe(2 ** 32 - 5);
  });

  it("takes the stop token's log-probability where it is told, and none of a reply that was cut", async () => {
    const whole = logpsOf(["a", -0.5], ["<stop>", -0.25]);
    expect([...((await rollouts(() => ({ text: "a", ...whole }))).replies[0]?.logpRollout ?? [])]).toEqual([
      -0.5, -0.25,
    ]);
    const cut = await rollouts(() => ({ text: "ab", finishReason: "length", ...logpsOf(["a", -1], ["b", -2]) }));
    expect([...(cut.replies[0]?.tokens ?? [])]).toEqual([2, 3]);
    expect([...(cut.replies[0]?.logpRollout ?? [])]).toEqual([-1, -2]);
    expect(cut.replies[0]?.finishReason).toBe("length");
  });

  it("takes ids as the server tells them", async () => {
    const told = logpsOf(["token_id:3", -1], ["token_id:2", -2]);
    const { replies } = await rollouts(() => ({ text: "whatever", ...told }));
    expect([...(replies[0]?.tokens ?? [])]).toEqual([3, 2, 1]);
    expect([...(replies[0]?.logpRollout ?? [])]).toEqual([-1, -2]);
  });

  it("has no log-probabilities where the server tells none, or cut its tokens otherwise", async () => {
    expect((await rollouts(() => "abc")).replies[0]).not.toHaveProperty("logpRollout");
    const reencoded: string[] = [];
    const options = { onReencoded: (id: string) => void reencoded.push(id) };
    const { replies } = await rollouts(() => ({ text: "abc", ...logpsOf(["ab", -1], ["c", -2]) }), options);
    expect(replies[0]).not.toHaveProperty("logpRollout");
    expect([...(replies[0]?.tokens ?? [])]).toEqual([2, 3, 4, 1]);
    expect(reencoded.sort()).toEqual(["p0#0", "p0#1", "p1#0", "p1#1"]);
  });

  it("tells of prompts that the server reads otherwise, and expects log-probabilities where they are needed", async () => {
    const told: unknown[] = [];
    const usage = { promptTokens: 5, completionTokens: 1 };
    await rollouts(() => ({ text: "a", usage }), { onOtherPrompt: (one) => void told.push(one) });
    expect(told).toHaveLength(4);
    expect(told[0]).toEqual({ id: "p0#0", expected: 3, told: 5 });
    const expectLogps = true;
    await expect(rollouts(() => "a", { expectLogps })).rejects.toThrow(/rollout p\d#\d: expected log-probabilities/);
    expect((await rollouts(() => ({ text: "a", ...logpsOf(["a", -1]) }), { expectLogps })).replies).toHaveLength(4);
  });

  it("brings the weights first, and fails with the first failure", async () => {
    const seen: string[] = [];
    await rollouts(() => (seen.push("asked"), "a"), { sync: async () => void seen.push("synced") });
    expect(seen).toEqual(["synced", "asked", "asked", "asked", "asked"]);
    await expect(rollouts(() => new Error("down"))).rejects.toThrow("down");
    await expect(rollouts(() => ({ text: "", finishReason: "length" }))).rejects.toThrow(/empty reply/);
    await expect(rollouts(() => ({ text: "", finishReason: "content-filter" }))).rejects.toThrow(/content-filter/);
    expect(() => serverRollouts({ model: scriptedModel([]), tokenizer, encode, concurrency: 0 })).toThrow(
      /concurrency/,
    );
  });
});
