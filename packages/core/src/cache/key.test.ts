import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { LoadedImage, LoadedPart } from "../types.ts";
import { cacheKey, type CacheKeyInput } from "./key.ts";

const image: LoadedImage = {
  mediaType: "image/png",
  width: 2,
  height: 3,
  base64: new TextEncoder().encode("AAAA"),
  sha256: "a".repeat(64),
};
const user = (...content: LoadedPart[]): CacheKeyInput["messages"] => [{ role: "user", content }];
const base: CacheKeyInput = {
  model: { name: "m", revision: "r", fingerprint: "f" },
  protocol: "r1/eval",
  messages: user({ type: "text", text: "Q" }, { type: "image", image }),
  media: "max=501760",
  sampling: { temperature: 0, maxTokens: 4096 },
  swapped: false,
  sample: 0,
};

test("golden: SHA-256 over the canonical JSON, spelt out by hand", () => {
  const spelled =
    '{"media":"max=501760","messages":[{"content":[{"text":"Q","type":"text"},' +
    `{"mediaType":"image/png","sha256":"${"a".repeat(64)}","type":"image"}],"role":"user"}],` +
    '"model":{"fingerprint":"f","name":"m","revision":"r"},"protocol":"r1/eval","sample":0,' +
    '"sampling":{"maxTokens":4096,"temperature":0},"schema":1,"swapped":false}';
  expect(cacheKey(base)).toBe(createHash("sha256").update(spelled).digest("hex"));
});

const video = (fps: number, frames: readonly LoadedImage[]) => user({ type: "video", fps, frames });
const other = { ...image, sha256: "b".repeat(64) };
const changed: Readonly<Record<string, CacheKeyInput>> = {
  "model name": { ...base, model: { ...base.model, name: "n" } },
  "model revision": { ...base, model: { ...base.model, revision: "s" } },
  "no model revision": { ...base, model: { name: "m", fingerprint: "f" } },
  "model fingerprint": { ...base, model: { ...base.model, fingerprint: "g" } },
  protocol: { ...base, protocol: "r1/train" },
  text: { ...base, messages: user({ type: "text", text: "Q " }, { type: "image", image }) },
  "part order": { ...base, messages: user({ type: "image", image }, { type: "text", text: "Q" }) },
  role: { ...base, messages: [{ ...base.messages[0]!, role: "system" }] },
  "two messages": { ...base, messages: [...base.messages, ...base.messages] },
  "image bytes": { ...base, messages: user({ type: "text", text: "Q" }, { type: "image", image: other }) },
  "no image": { ...base, messages: user({ type: "text", text: "Q" }) },
  "media fingerprint": { ...base, media: "max=1003520" },
  video: { ...base, messages: video(2, [image, other]) },
  "video frame order": { ...base, messages: video(2, [other, image]) },
  "video fps": { ...base, messages: video(1, [image, other]) },
  temperature: { ...base, sampling: { ...base.sampling, temperature: 1 } },
  "no temperature": { ...base, sampling: { maxTokens: 4096 } },
  maxTokens: { ...base, sampling: { ...base.sampling, maxTokens: 4095 } },
  topP: { ...base, sampling: { ...base.sampling, topP: 1 } },
  topK: { ...base, sampling: { ...base.sampling, topK: 1 } },
  repetitionPenalty: { ...base, sampling: { ...base.sampling, repetitionPenalty: 1 } },
  seed: { ...base, sampling: { ...base.sampling, seed: 0 } },
  stop: { ...base, sampling: { ...base.sampling, stop: ["x"] } },
  logprobs: { ...base, sampling: { ...base.sampling, logprobs: 0 } },
  logprobTokenIds: { ...base, sampling: { ...base.sampling, logprobTokenIds: [16, 17] } },
  "structured choice": { ...base, sampling: { ...base.sampling, structured: { choice: ["1", "2"] } } },
  "structured regex": { ...base, sampling: { ...base.sampling, structured: { regex: "[12]" } } },
  order: { ...base, swapped: true },
  sample: { ...base, sample: 1 },
};

test("every field changes the key, and no two changes meet", () => {
  const keys = [base, ...Object.values(changed)].map(cacheKey);
  expect(new Set(keys).size).toBe(keys.length);
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
});

test("what says the same has the same key", () => {
  const { signal } = new AbortController();
  const same: readonly CacheKeyInput[] = [
    { ...base, sampling: { maxTokens: 4096, temperature: -0 } },
    { ...base, sampling: { ...base.sampling, topP: undefined, seed: undefined, stop: undefined } },
    { ...base, sampling: { ...base.sampling, signal } },
    {
      ...base,
      messages: user({ type: "text", text: "Q" }, { type: "image", image: { ...image, base64: new Uint8Array() } }),
    },
  ];
  for (const input of same) expect(cacheKey(input)).toBe(cacheKey(base));
});

test("a media loader's settings do not touch text", () => {
  const text = { ...base, messages: user({ type: "text", text: "Q" }) };
  expect(cacheKey({ ...text, media: "a" })).toBe(cacheKey({ ...text, media: undefined }));
});

test("a number that is none cannot hide in a key", () => {
  const sampling = { temperature: Number.NaN };
  expect(() => cacheKey({ ...base, sampling })).toThrow("cache key.sampling.temperature: expected a finite number");
});
