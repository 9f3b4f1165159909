// The judge that came with the install, as a user meets it: the built program, its own weights, pictures it has never seen.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shapesDataset } from "@r1reward/core/shapes";
import { startFaultServer } from "@r1reward/core/testing";
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
    const flags = ["--model", "tiny", "--n", "48", "--seed", "5", "--json", "--no-cache", "--quiet"];
    const run = await r1reward(["eval", "shapes", ...flags]);
    expect(run.stderr).toBe("");
    expect(run.code).toBe(0);
    const report = JSON.parse(run.stdout) as Report;
    expect(report.n).toBe(48);
    expect(report.unreadable).toBe(0);
    // A guesser is right in both orders in a quarter of pairs at most: 48 of them rarely give 20.
    expect(report.overall.accuracy).toBeGreaterThan(0.85);
    expect(report.averageAccuracy).toBeGreaterThan(0.9);
  }, 120_000);

  it("judges records with a picture of one's own, and its critique says what it saw", async () => {
    const [made] = shapesDataset({ n: 1, seed: 9, split: "test" });
    const { pair, answers, question, scene } = made!;
    const [picture] = pair.question;
    if (picture?.type !== "image" || !("bytes" in picture.image)) throw new Error("expected a picture");
    await writeFile(join(folder, "scene.png"), picture.image.bytes);
    const record = { id: "mine", image: "scene.png", question, responses: answers };
    await writeFile(join(folder, "mine.jsonl"), `${JSON.stringify(record)}\n`);
    const flags = ["--model", "tiny", "--image-root", folder, "--json", "--no-cache"];
    const run = await r1reward(["score", join(folder, "mine.jsonl"), ...flags]);
    expect(run.code, run.stderr).toBe(0);
    const said = run.stdout.split("I see: ")[1] ?? "";
    for (const { colour, shape } of scene.shapes) expect(said).toContain(`${colour} ${shape}`);
    const mapped = await r1reward(["score", join(folder, "mine.jsonl"), ...flags, "--map-weights"]);
    expect(mapped.code, mapped.stderr).toBe(0);
    const critique = (text: string): string | undefined => text.split("I see: ")[1]?.split('"')[0];
    expect(critique(mapped.stdout)).toBe(critique(run.stdout));
  }, 60_000);

  it("is not meant when a server is named", async () => {
    await using server = await startFaultServer({ model: "tiny" });
    const stdin = JSON.stringify({ id: "a", question: "Which?", responses: ["x", "y"] });
    const run = await r1reward(["score", "-", "-u", server.url, "-m", "tiny", "--no-cache"], { stdin });
    expect(run.code, run.stderr).toBe(0);
    expect(server.stats().requests).toBe(2);
  });
});
