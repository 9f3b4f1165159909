/** `serve` as a trainer meets it: siblings one by one over HTTP, then Ctrl-C. */
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
});
