import { describe, expect, it } from "vitest";
import { DatasetError } from "../errors.ts";
import type { Preference } from "../types.ts";
import { defineDatasetFormat, detectFormat, type DatasetFormat, type DatasetRow } from "./format.ts";
import {
  datasetFormats,
  mmRlhfRewardBenchFormat,
  multimodalRewardBenchFormat,
  plainPairsFormat,
  r1RewardRlFormat,
  vlRewardBenchFormat,
} from "./formats/index.ts";
import { preferencesFromRows, type RowResult } from "./read.ts";

describe("detectFormat", () => {
  const at = { file: "f", line: 1 };

  it("knows each layout by its fields", () => {
    const chosen = { id: "x", prompt: "p", chosen: "a", rejected: "b" };
    const rows: [DatasetRow, DatasetFormat][] = [
      [{ id: 1, question: "", responses: [] }, plainPairsFormat],
      [{ question: "", message: "", answer: [], image: "" }, r1RewardRlFormat],
      [{ id: "", query: "", response: [], human_ranking: [] }, vlRewardBenchFormat],
      [{ ...chosen, image: "vl_reward/img/image_0.jpg" }, vlRewardBenchFormat],
      [{ ...chosen, id: "mathverse_1", image: "renamed/0.jpg" }, vlRewardBenchFormat],
      [{ ...chosen, image: "long/0.jpg" }, mmRlhfRewardBenchFormat],
      [{ ...chosen, video: "video/x" }, mmRlhfRewardBenchFormat],
      [
        { ID: "", Text: null, Image: "", Output1: "", Output2: "", Better: "", Category: "" },
        multimodalRewardBenchFormat,
      ],
    ];
    for (const [row, format] of rows) expect(detectFormat(row, datasetFormats, at).name).toBe(format.name);
  });

  it("does not guess between the two benchmarks that share their fields", () => {
    const row = { id: "mathverse_1", prompt: "", chosen: "", rejected: "", image: "long/1.png" };
    expect(() => detectFormat(row, datasetFormats, at)).toThrow(
      /vl-reward-bench and mm-rlhf-reward-bench: pass format/,
    );
    expect(() => detectFormat({ ...row, id: "x", image: "1.png" }, datasetFormats, at)).toThrow(
      /expected one of the layouts .*got fields id, prompt, chosen/,
    );
  });
});

describe("preferencesFromRows", () => {
  const good = { id: "p", question: "q", responses: ["a", "b"] };
  const source = (...values: unknown[]) => ({
    file: "f.jsonl",
    rows: (async function* (): AsyncGenerator<RowResult> {
      for (const [index, value] of values.entries()) {
        yield value instanceof DatasetError ? { line: index + 1, error: value } : { line: index + 1, value };
      }
    })(),
  });
  const collect = async (stream: AsyncIterable<Preference>) => {
    const ids: string[] = [];
    for await (const pair of stream) ids.push(pair.id);
    return ids;
  };

  it("throws at the first bad row, or skips, counts and tells", async () => {
    const rows = () => source(good, { ...good, human: 7 }, [1], new DatasetError({ file: "f" }, "bad line"), good);
    await expect(collect(preferencesFromRows(rows()))).rejects.toMatchObject({ line: 2, field: "human" });
    const told: (number | undefined)[] = [];
    const stream = preferencesFromRows(rows(), { onBadRow: "skip", onSkip: (error) => told.push(error.line) });
    expect(await collect(stream)).toEqual(["p", "p"]);
    expect(stream.stats).toEqual({ read: 2, skipped: 3, imagesOmitted: 0, format: "plain-pairs" });
    expect(told).toEqual([2, 3, undefined]);
  });

  it("never skips its way through a file whose layout it does not know", async () => {
    const stream = preferencesFromRows(source({ foo: 1 }, good), { onBadRow: "skip" });
    await expect(collect(stream)).rejects.toThrow(/expected one of the layouts/);
  });

  it("reads rows of a format of one's own, and names file and line when it throws", async () => {
    const format = defineDatasetFormat({
      name: "mine",
      detect: () => false,
      toPreferences: (row) => {
        if (row.bad === true) throw new RangeError("oops");
        return [{ id: "m", question: [], responses: ["", ""] }];
      },
    });
    expect(await collect(preferencesFromRows(source({}), { format }))).toEqual(["m"]);
    await expect(collect(preferencesFromRows(source({}, { bad: true }), { format }))).rejects.toMatchObject({
      line: 2,
      message: "f.jsonl:2: mine: oops",
    });
  });

  it("is read once, and stops when asked", async () => {
    const stream = preferencesFromRows(source(good));
    await collect(stream);
    expect(() => stream[Symbol.asyncIterator]()).toThrow(/can be read once/);
    const aborted = preferencesFromRows(source(good), { signal: AbortSignal.abort() });
    await expect(collect(aborted)).rejects.toMatchObject({ code: "R1_ABORTED" });
  });
});
