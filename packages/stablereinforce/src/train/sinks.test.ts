import { mkdtemp, readdir, readFile, rm, writeFile, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonlSink, tensorBoardSink } from "../node/sinks.ts";
import { metricsOf, reportLine } from "./metrics.ts";
import { diagnose } from "./monitor.ts";
import { progressLine } from "./progress.ts";
import { progressSink } from "./sink.ts";
import { scalarsRecord } from "./tensorboard.ts";
import type { SftReport, Snapshot, StepReport, Yielded } from "./types.ts";
import { watch, withIdentity } from "./watch.ts";

const report = (step: number, changes: Partial<StepReport> = {}): StepReport => ({
  kind: "rl",
  step,
  updates: step * 2,
  loss: 0.1,
  losses: [0.1, 0.1],
  gradNorm: 0.5,
  skippedUpdates: 0,
  nanCount: 0,
  learningRate: 1e-6,
  tokens: 100,
  tokensPerSecond: 50,
  memory: null,
  seconds: 2,
  episode: step / 10,
  rollouts: 8,
  dropped: 0,
  uninformative: 0,
  rounds: 1,
  reward: { mean: 0.5, std: 0.5, min: 0, max: 1 },
  rewardParts: { format: 1, odd: null },
  kl: 0.01,
  klCoef: 0,
  klOld: 0,
  entropy: 1,
  ratioMin: 0.9,
  ratioMax: 1.1,
  logRatioMax: 0.1,
  preClipped: 0,
  clipped: 0.1,
  filtered: 0,
  lowEntropy: null,
  zeroSpread: 0,
  length: { mean: 10, std: 1, min: 8, max: 12 },
  lengthAtCap: 0,
  repetition: 0,
  samplerGap: 1e-6,
  samplerKl: 0,
  sampleSeconds: 1,
  updateSeconds: 1,
  ...changes,
});

let root = "";
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), "r1reward-sinks-"))));
afterAll(() => rm(root, { recursive: true, force: true }));

describe("reports", () => {
  it("become flat numbers; what was not measured is left out", () => {
    const metrics = metricsOf(report(3, { kl: null, loss: NaN }));
    expect(metrics).toMatchObject({ step: 3, "reward.mean": 0.5, "rewardParts.format": 1, loss: NaN });
    expect(Object.keys(metrics)).not.toContain("kl");
    expect(Object.keys(metrics)).not.toContain("rewardParts.odd");
    expect(Object.values(metrics).every((value) => typeof value === "number")).toBe(true);
  });

  it("become lines that keep every digit, and say NaN", () => {
    const line = reportLine(report(1, { loss: 0.1 + 0.2, losses: [NaN, -Infinity] }));
    expect(JSON.parse(line)).toMatchObject({ loss: 0.30000000000000004, losses: ["NaN", "-Infinity"], memory: null });
  });

  it("become a line for people", () => {
    expect(progressLine(report(3, { nanCount: 2, dropped: 1, preClipped: 0.25 }), 12)).toBe(
      "step 3/12  loss 0.100  reward 0.500  kl 0.010  entropy 1.000  length 10 (0 % cut)  pre-clipped 25 %  filtered 0 %  50 tokens/s  1 without reward  NaN 2",
    );
    const sft: SftReport = { ...report(1), kind: "sft", epoch: 0.1, loss: 1e21 };
    expect(progressLine(sft)).toBe("step 1  loss 1.0e+21  lr 1.0e-6  50 tokens/s");
  });
});

describe("files", () => {
  it("go on after the checkpoint's step: later lines and a line that was cut off are dropped", async () => {
    const file = join(root, "a", "reports.jsonl");
    {
      await using sink = await jsonlSink(file);
      for (const step of [1, 2, 3]) await sink.write(report(step));
    }
    const whole = await readFile(file, "utf8");
    await appendFile(file, '{"step":4,"lo');
    {
      await using sink = await jsonlSink(file, { after: 3 });
      await sink.write(report(4));
    }
    expect((await readFile(file, "utf8")).startsWith(whole)).toBe(true);
    {
      await using sink = await jsonlSink(file, { after: 1 });
      await Promise.all([sink.write(report(2, { loss: 7 })), sink.write(report(3))]);
    }
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as StepReport).step)).toEqual([1, 2, 3]);
    expect(JSON.parse(lines[1] as string)).toMatchObject({ loss: 7 });
  });

  it("that cannot be written are named", async () => {
    await writeFile(join(root, "file"), "");
    await expect(jsonlSink(join(root, "file", "x.jsonl"))).rejects.toMatchObject({ code: "R1_OUTPUT" });
    await expect(tensorBoardSink(join(root, "file"))).rejects.toMatchObject({ code: "R1_OUTPUT" });
  });

  it("for TensorBoard are records with its check sums", async () => {
    // made with tensorboard 2.21: Event(wall_time=2.5, step=7, summary=Summary(value=[Value(tag="a/b", simple_value=1.5,
    // metadata=SummaryMetadata(plugin_data=PluginData(plugin_name="scalars")))])), framed by its RecordWriter
    const record = scalarsRecord({ "a.b": 1.5 }, 7, 2.5);
    expect(Buffer.from(record).toString("hex")).toBe(GOLDEN_RECORD);
    await using sink = await tensorBoardSink(join(root, "events"));
    await sink.write(report(1));
    const [name = ""] = await readdir(join(root, "events"));
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    expect((await readFile(join(root, "events", name))).includes("brain.Event:2")).toBe(true);
  });

  it("progress writes over its line where it is told so", async () => {
    const out: string[] = [];
    {
      await using sink = progressSink({ print: (text) => void out.push(text), overwrite: true });
      await sink.write(report(1));
    }
    expect(out.join("")).toMatch(/^\r\u001b\[2Kstep 1 .*\n$/s);
  });
});

const GOLDEN_RECORD =
  "2600000000000000734fe30009000000000000044010072a190a170a03612f62150000c03f4a0b0a090a077363616c617273d6576e4d";

const kindsOf = (...history: readonly StepReport[]): string[] => diagnose(history).map(({ kind }) => kind);
const quiet = Array.from({ length: 6 }, (_, i) => report(i + 1));

describe("the monitor", () => {
  it("is silent while nothing is wrong", () => {
    for (let n = 0; n <= quiet.length; n++) expect(diagnose(quiet.slice(0, n))).toEqual([]);
  });

  it.each<[string, Partial<StepReport>]>([
    ["loss-spike", { losses: [0.1, 30] }],
    ["not-a-number", { nanCount: 1, losses: [0.1, NaN] }],
    ["length-at-cap", { lengthAtCap: 0.9 }],
    ["repetition", { repetition: 0.8 }],
    ["entropy-collapse", { entropy: 0.001 }],
    ["reward-hacking", { kl: 2, reward: { mean: 0.9, std: 0.1, min: 0, max: 1 } }],
    ["no-rewards", { dropped: 20 }],
    ["stale-sampler", { samplerKl: 0.2 }],
  ])("names %s", (kind, changes) => {
    expect(kindsOf(...quiet, report(7, changes))).toEqual([kind]);
  });

  it("names rewards that never differ, and not a policy that is simply right", () => {
    const equal = quiet.map((one) => ({ ...one, zeroSpread: 1 }));
    expect(kindsOf(...equal)).toEqual(["no-signal"]);
    expect(kindsOf(...equal.slice(0, 4))).toEqual([]);
  });

  it("says KL and reward apart: KL alone, or a reward that falls, is no hacking", () => {
    expect(kindsOf(...quiet, report(7, { kl: 2 }))).toEqual([]);
    expect(kindsOf(...quiet, report(7, { kl: 2, reward: { mean: 0.1, std: 0, min: 0, max: 1 } }))).toEqual([]);
  });

  it("gives the numbers, and calls what cannot be mended fatal", () => {
    const [alarm] = diagnose([...quiet, report(7, { losses: [19930.4], loss: 19930.4 })]);
    expect(alarm).toEqual({
      kind: "loss-spike",
      step: 7,
      severity: "fatal",
      message: "the loss is 1.99e+4, and was at most 0.100 before",
    });
    expect(diagnose([report(1, { nanCount: 2, losses: [NaN, NaN] })])[0]?.severity).toBe("fatal");
  });
});

describe("watch", () => {
  const snapshotAt = (step: number): Snapshot => ({ step, weights: {}, optimiser: {}, state: { seed: 1 } });
  /** A training that spikes at step 15 of its first `bad` attempts. */
  const training = (bad: number, starts: (number | undefined)[]) =>
    async function* (from: Snapshot | undefined, attempt: number): AsyncGenerator<Yielded<StepReport>, void> {
      starts.push(from?.step);
      for (let step = (from?.step ?? 0) + 1; step <= 20; step++) {
        const losses = attempt < bad && step === 15 ? [99] : [0.1];
        yield { ...report(step, { losses }), snapshot: () => Promise.resolve(snapshotAt(step)), params: () => ({}) };
      }
    };
  const run = async (bad: number, options: Parameters<typeof watch>[1]) => {
    const starts: (number | undefined)[] = [];
    const actions: string[] = [];
    let last = 0;
    for await (const { report: one, action } of watch(training(bad, starts), options)) {
      if (action !== "none") actions.push(`${action} at ${one.step}`);
      last = one.step;
    }
    return { starts, actions, last };
  };

  it("stops, goes back, gives up after so many times, or only tells", async () => {
    expect(await run(1, {})).toEqual({ starts: [undefined], actions: ["stopped at 15"], last: 15 });
    expect(await run(1, { onAlarm: "roll-back", snapshotEvery: 4 })).toEqual({
      starts: [undefined, 12],
      actions: ["rolled-back at 15"],
      last: 20,
    });
    const hopeless = await run(9, { onAlarm: "roll-back", snapshotEvery: 4, maxRollBacks: 2 });
    expect(hopeless.starts).toEqual([undefined, 12, 12]);
    expect(hopeless.actions.at(-1)).toBe("stopped at 15");
    expect((await run(1, { onAlarm: "continue" })).last).toBe(20);
    expect((await run(1, { acts: ({ kind }) => kind === "repetition" })).last).toBe(20);
    await expect(run(0, { snapshotEvery: 0 })).rejects.toThrow(/snapshotEvery/);
  });

  it("lets a run with another seed go on from a snapshot that is re-labelled", () => {
    expect(withIdentity(snapshotAt(3), { seed: 2 })).toEqual({ ...snapshotAt(3), state: { seed: 2 } });
  });
});
