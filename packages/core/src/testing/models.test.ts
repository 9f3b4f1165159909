import { expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import type { LoadedPart, Message } from "../types.ts";
import { chatModelContract } from "./contracts/index.ts";
import { recordedModel, recordingModel } from "./recorded-model.ts";
import { scriptedModel } from "./scripted-model.ts";

const ask = (text: string): readonly Message<LoadedPart>[] => [{ role: "user", content: [{ type: "text", text }] }];
const hello = scriptedModel(() => "hello");

for (const { name, run } of chatModelContract({
  create: () => scriptedModel(() => "hello"),
  createFailing: () => scriptedModel([]),
})) {
  test(`scriptedModel: ${name}`, run);
}

for (const { name, run } of chatModelContract({
  create: () => recordingModel(hello),
  createFailing: () => recordedModel(""),
})) {
  test(`recordingModel: ${name}`, run);
}

test("a list is replied in order, filled in, and runs out loudly; what was asked is remembered", async () => {
  const model = scriptedModel(["a", { text: "b", latencyMs: 5, finishReason: "length" }, new Error("boom")], {
    name: "m",
    revision: "r",
  });
  expect(await model.complete(ask("1"), { temperature: 0 })).toEqual({
    text: "a",
    finishReason: "stop",
    usage: { promptTokens: null, completionTokens: null },
    latencyMs: 0,
  });
  expect(await model.complete(ask("2"))).toMatchObject({ text: "b", latencyMs: 5, finishReason: "length" });
  await expect(model.complete(ask("3"))).rejects.toThrow("boom");
  await expect(model.complete(ask("4"))).rejects.toThrow(
    new ConfigError("scriptedModel: call 4, but the script has 3"),
  );
  expect(model.calls.map(({ messages }) => messages)).toEqual(["1", "2", "3", "4"].map(ask));
  expect(model.calls[0]!.options).toEqual({ temperature: 0 });
  expect([model.name, model.revision]).toEqual(["m", "r"]);
});

test("a function sees the messages, the number of the call and the options", async () => {
  const model = scriptedModel(async ([message], i, { seed }) => `${message?.role} ${i} ${seed}`);
  await model.complete(ask("x"));
  expect((await model.complete(ask("x"), { seed: 4 })).text).toBe("user 1 4");
});

test("abort under way rejects at once, though the script never answers", async () => {
  const controller = new AbortController();
  const reply = scriptedModel(() => new Promise(() => undefined)).complete(ask("x"), { signal: controller.signal });
  controller.abort("why");
  await expect(reply).rejects.toMatchObject({ code: "R1_ABORTED", cause: "why" });
});

test("a recording replays the same replies to the same requests, in their order", async () => {
  const recorder = recordingModel(scriptedModel((_, i) => `reply ${i}`));
  for (const question of ["a", "a", "b"]) await recorder.complete(ask(question), { temperature: 1 });
  const model = recordedModel(recorder.recording());
  const replies: string[] = [];
  for (const question of ["b", "a", "a", "a"]) {
    replies.push((await model.complete(ask(question), { temperature: 1 })).text);
  }
  expect(replies).toEqual(["reply 2", "reply 0", "reply 1", "reply 1"]);
  await expect(model.complete(ask("a"), { temperature: 0 })).rejects.toThrow(/nothing recorded/);
});

test.each([
  ["{", "recording, line 2: expected JSON"],
  ['{"request":"x"}', 'recording, line 2: expected {"request": string, "reply": completion}'],
  ["null", 'recording, line 2: expected {"request": string, "reply": completion}'],
])("a recording that cannot be read names the line: %s", (line, message) => {
  expect(() => recordedModel(`\n${line}\n`)).toThrow(new ConfigError(message));
});
