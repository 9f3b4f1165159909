/** `serve` as a trainer meets it: siblings one by one over HTTP, then Ctrl-C. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFaultServer } from "@r1reward/core/testing";
import { describe, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

const urlIn = (stderr: NodeJS.ReadableStream): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    stderr.on("data", (chunk: string) => {
      const [, url] = /at (http:\S+)/.exec((text += chunk)) ?? [];
      if (url !== undefined) resolve(url);
    });
    stderr.on("end", () => reject(new Error(`the server did not start: ${text}`)));
  });

describe("serve", () => {
  it("answers the siblings of a prompt from one group, centred at 0, and ends cleanly", async () => {
    const { child, ended } = start(["serve", "-j", "baseline:longer", "--port", "0", "--group-size", "4"]);
    const url = await urlIn(child.stderr!);
    const answers = ["a", "bb", "cccc", "dddddddd"];
    const rewards = await Promise.all(
      answers.map(async (answer) => {
        const prompt = "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n";
        const body = { query: [`${prompt}${answer}<|im_end|>`], prompts: [prompt], labels: [null] };
        const response = await fetch(`${url}/get_reward`, {
          method: "POST",
          body: JSON.stringify(body),
          headers: { "content-type": "application/json" },
        });
        expect(response.status).toBe(200);
        return ((await response.json()) as { rewards: [number] }).rewards[0];
      }),
    );
    expect(rewards).toEqual(rewards.toSorted((a, b) => a - b));
    expect(rewards[0]).toBeLessThan(0);
    expect(rewards[3]).toBeGreaterThan(0);
    expect(rewards.reduce((sum, reward) => sum + reward, 0)).toBeCloseTo(0, 9);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/groups_total/);
    child.kill("SIGINT");
    expect((await ended).code).toBe(0);
  });

  it("does not listen to the world without tokens", async () => {
    await using judge = await startFaultServer({ model: "m" });
    const run = await r1reward(["serve", "-u", judge.url, "-m", "m", "--host", "0.0.0.0", "--port", "0"]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/auth: expected tokens/);
  });

  it("has its state folder to itself; what a killed server left is taken over", async () => {
    const state = join(await mkdtemp(join(tmpdir(), "r1reward-state-")), "state");
    const flags = ["serve", "-j", "baseline:longer", "--port", "0", "--state", state];
    const { child, ended } = start(flags);
    await urlIn(child.stderr!);
    const second = await r1reward(flags);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(new RegExp(`groups\\.jsonl: process ${child.pid} on .* choose another --state`));
    child.kill("SIGKILL");
    await ended;
    const third = start(flags);
    await urlIn(third.child.stderr!);
    third.child.kill("SIGINT");
    expect((await third.ended).code).toBe(0);
    expect(await readdir(state)).toEqual(["groups.jsonl"]);
    await rm(join(state, ".."), { recursive: true });
  });

  it("shows the judge images that only the dataset knows, by prompt, label and id", async () => {
    const folder = await mkdtemp(join(tmpdir(), "r1reward-serve-"));
    const picture = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    for (const name of ["cat", "dog", "cow"])
      await writeFile(join(folder, `${name}.gif`), Buffer.from(picture, "base64"));
    const dataset = join(folder, "train.jsonl");
    const rows = [
      { key: 1, problem: "Which animal?", image: "cat.gif", truth: "cat" },
      { key: 2, problem: "How many?", image: "dog.gif", truth: "three dogs" },
      { key: 3, problem: "Where?", image: "cow.gif", truth: "cat" },
    ];
    await writeFile(dataset, rows.map((row) => JSON.stringify(row)).join("\n"));
    await using models = await startFaultServer({
      model: "m",
      reply: ({ prompt }) =>
        `<think>Longer.</think><answer>${/bb/.test(prompt.split("Response 2")[0]!) ? 1 : 2}</answer>`,
    });
    const fields = ["id=key", "prompt=problem", "label=truth"].flatMap((field) => ["--dataset-field", field]);
    const flags = ["-u", models.url, "-m", "m", "--no-cache", "--port", "0", "-g", "2", "--image-root", folder];
    const { child, ended } = start(["serve", ...flags, "--dataset", dataset, ...fields]);
    const url = await urlIn(child.stderr!);
    const prompt =
      "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>QUESTION<|im_end|>\n<|im_start|>assistant\n";
    const group = async (question: string, label: string | null) => {
      const prompts = [prompt.replace("QUESTION", question)];
      const missing = await Promise.all(
        ["a", "bb"].map(async (answer) => {
          const body = JSON.stringify({ query: [`${prompts[0]}${answer}`], prompts, labels: [label] });
          const headers = { "content-type": "application/json" };
          const reply = await fetch(`${url}/get_reward`, { method: "POST", body, headers });
          return ((await reply.json()) as { extra_logs: { image_missing: [number] } }).extra_logs.image_missing[0];
        }),
      );
      const shown = [...models.stats().replies.keys()].filter((text) => text.includes(question));
      return { missing, images: shown.length > 0 && shown.every((text) => text.includes("[image ")) };
    };
    expect(await group("Which animal?", null)).toEqual({ missing: [0, 0], images: true });
    expect(await group("Put otherwise, how many?", "three dogs")).toEqual({ missing: [0, 0], images: true });
    // Two records with different images have this label: a guess might show the wrong one.
    expect(await group("Something else?", "cat")).toEqual({ missing: [1, 1], images: false });
    const body = { prompt: "In other words?", data_id: 3, n: 2, group_id: "g" };
    const members = ["a", "bb"].map((response) =>
      fetch(`${url}/v1/rewards`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...body, response }),
      }),
    );
    for (const reply of await Promise.all(members)) {
      const { reward, flags } = (await reply.json()) as { reward: number | null; flags: string[] };
      expect(reward).not.toBeNull();
      expect(flags).not.toContain("no-image");
    }
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/3 records, 3 with images, 1 labels shared by records that differ/);
    await rm(folder, { recursive: true });
  });

  it.each([
    [["--dataset", "missing.jsonl"], /missing\.jsonl/],
    [["--dataset", "package.json"], /package\.json/],
    [["--dataset-field", "id=key"], /expected --dataset with it/],
    [["--dataset", "missing.jsonl", "--dataset-field", "picture=x"], /expected id=, prompt=, label=, reference=/],
  ])("refuses %j", async (flags, message) => {
    const run = await r1reward(["serve", "-j", "baseline:longer", "--port", "0", ...flags]);
    expect(run.code).not.toBe(0);
    expect(run.stderr).toMatch(message);
  });
});
