// The judge that came with the install, as a user meets it: the built program, its own weights, pictures it has never seen.
import { createServer } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shapesDataset } from "@r1reward/core/shapes";
import { r1reward } from "./run-cli.ts";

let folder = "";
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "bundled-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Report {
  readonly overall: { readonly accuracy: number };
  readonly averageAccuracy: number;
  readonly unreadable: number;
  readonly n: number;
}

describe("--model tiny", () => {
  it("judges drawn scenes far better than chance, in both orders, without a server or a download", async () => {
    const run = await r1reward([
      "eval",
      "shapes",
      "--model",
      "tiny",
      "--n",
      "48",
      "--seed",
      "5",
      "--json",
      "--no-cache",
    ]);
    expect(run.stderr).toBe("");
    expect(run.code).toBe(0);
    const report = JSON.parse(run.stdout) as Report;
    expect(report.n).toBe(48);
    expect(report.unreadable).toBe(0);
    // A guesser is right in both orders in a quarter of pairs at most: 48 of them rarely give 20.
    expect(report.overall.accuracy).toBeGreaterThan(0.7);
    expect(report.averageAccuracy).toBeGreaterThan(0.8);
  }, 120_000);

  it("judges records with a picture of one's own, and its critique says what it saw", async () => {
    const [made] = shapesDataset({ n: 1, seed: 9, split: "test" });
    const { pair, answers, question, pixels, truth } = made!;
    const [picture] = pair.question;
    if (picture?.type !== "image" || !("bytes" in picture.image)) throw new Error("expected a picture");
    await writeFile(join(folder, "scene.png"), picture.image.bytes);
    const record = { id: "mine", image: "scene.png", question, responses: answers };
    await writeFile(join(folder, "mine.jsonl"), `${JSON.stringify(record)}\n`);
    const flags = ["--model", "tiny", "--image-root", folder, "--json", "--no-cache"];
    const run = await r1reward(["score", join(folder, "mine.jsonl"), ...flags]);
    expect(pixels).toHaveLength(112 * 112 * 3);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/I see: /);
    expect([0, 1]).toContain(truth);
  }, 60_000);

  it("is not meant when a server is named", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        response.setHeader("content-type", "application/json");
        if (request.method === "GET") return response.end(JSON.stringify({ object: "list", data: [{ id: "tiny" }] }));
        asked.push((JSON.parse(body) as { model: string }).model);
        const message = { role: "assistant", content: "<think>Equal.</think><answer>1</answer>" };
        response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "stop" }] }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    await writeFile(
      join(folder, "text.jsonl"),
      `${JSON.stringify({ id: "a", question: "Which?", responses: ["x", "y"] })}\n`,
    );
    const run = await r1reward([
      "score",
      join(folder, "text.jsonl"),
      "--base-url",
      url,
      "--model",
      "tiny",
      "--no-cache",
    ]);
    server.close();
    expect(run.code, run.stderr).toBe(0);
    expect(new Set(asked)).toEqual(new Set(["tiny"]));
  });
});
