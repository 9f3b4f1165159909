/** The reward server on a model client on a model server that misbehaves: everything between is real. */
import { deflateSync } from "node:zlib";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judgeWith, openaiCompatible, r1Protocol } from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import { startFaultServer } from "@r1reward/core/testing";
import { datasetIndex, serveRewards } from "@r1reward/adapters/serve";

const post = async (url: string, body: unknown) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};

/** The verdict of a judge that prefers the higher `q=`, from the prompt as the model server got it. */
const verdictOf = (prompt: string): string => {
  const [a = 0, b = 0] = [...prompt.matchAll(/q=(\d+)/g)].map((match) => Number(match[1]));
  return `<think>They differ.</think><answer>${a > b ? 1 : 2}</answer>`;
};

const crc32 = (bytes: Uint8Array): number => {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
};
const chunk = (type: string, data: Buffer): Buffer => {
  const named = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
};
/** A grey image of 8 × 8 pixels. */
const png = (): Buffer => {
  const header = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0]);
  const lines = Buffer.alloc(72, 0x80).map((value, at) => (at % 9 === 0 ? 0 : value));
  const parts = [chunk("IHDR", header), chunk("IDAT", deflateSync(lines)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...parts]);
};

describe("OpenRLHF → reward server → model client → model server", () => {
  it("gets rewards in the right order through faults, with images that only the dataset knows", async () => {
    const root = await mkdtemp(join(tmpdir(), "r1reward-images-"));
    await writeFile(join(root, "a.png"), png());
    await using models = await startFaultServer({
      seed: 1,
      faults: { rate: 0.5, kinds: ["429", "500", "503", "reset", "half-body", "not-json"], retryAfter: 0 },
      reply: ({ prompt }) => verdictOf(prompt),
    });
    await using model = openaiCompatible({ baseURL: models.url, model: "r1", retry: { attempts: 10, baseMs: 5 } });
    await using media = nodeMedia({ root });
    const judge = judgeWith(model, r1Protocol, { media });
    await using server = await serveRewards({
      judge,
      port: 0,
      groupSize: 4,
      dataset: datasetIndex([{ prompt: "Which animal?", image: "a.png" }]),
    });
    const prompts =
      "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Which animal?<|im_end|>\n<|im_start|>assistant\n";
    const ask = (answer: string) =>
      post(`${server.url}/get_reward`, { query: [`${prompts}${answer}`], prompts: [prompts], labels: [null] });
    const replies = await Promise.all(["q=2", "q=4", "q=1", "q=3"].map(ask));
    await rm(root, { recursive: true });
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const rewards = replies.map(({ json }) => (json["rewards"] as number[])[0]!);
    const order = [2, 0, 3, 1];
    expect(order.every((at, i) => i === 0 || rewards[at]! > rewards[order[i - 1]!]!)).toBe(true);
    expect(rewards.reduce((total, reward) => total + reward, 0)).toBeCloseTo(0, 9);
    const logs = replies[0]!.json["extra_logs"] as Record<string, number[]>;
    expect(logs["image_missing"]).toEqual([0]);
    expect([...models.stats().replies.keys()].every((prompt) => prompt.includes("[image "))).toBe(true);
    expect(Object.keys(models.stats().faults).length).toBeGreaterThan(0);
  });

  it("says that a group could not be judged when its image is refused, and goes on", async () => {
    await using models = await startFaultServer({ reply: ({ prompt }) => verdictOf(prompt) });
    await using model = openaiCompatible({ baseURL: models.url, model: "r1" });
    await using media = nodeMedia({});
    const failures: string[] = [];
    await using server = await serveRewards({
      judge: judgeWith(model, r1Protocol, { media }),
      port: 0,
      onEvent: (event) => event.kind === "failure" && failures.push(event.message),
    });
    const group = (images: readonly string[]) =>
      post(`${server.url}/v1/rewards`, { groups: [{ prompt: "Q", images, responses: ["q=1", "q=2"] }] });
    const refused = (await group(["../../etc/passwd"])).json["groups"] as { status: string; rewards: unknown[] }[];
    expect(refused[0]).toMatchObject({ status: "unscorable", rewards: [null, null] });
    expect(failures).toHaveLength(1);
    const remote = (await group(["http://169.254.169.254/latest"])).json["groups"] as { status: string }[];
    expect(remote[0]!.status).toBe("unscorable");
    const fine = (await group([])).json["groups"] as { rewards: number[] }[];
    expect(fine[0]!.rewards[1]).toBeGreaterThan(0);
    expect(models.stats().requests).toBe(2);
  });
});
