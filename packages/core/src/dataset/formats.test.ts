import { describe, expect, it } from "vitest";
import { png } from "../../test/images.ts";
import { DatasetError } from "../errors.ts";
import type { Preference } from "../types.ts";
import type { DatasetFormat, DatasetRow, RowContext } from "./format.ts";
import {
  mmRlhfRewardBenchFormat,
  multimodalRewardBenchFormat,
  plainPairsFormat,
  r1RewardRlFormat,
  vlRewardBenchFormat,
} from "./formats/index.ts";
import { withoutImageMarks } from "./media-fields.ts";

const context: RowContext = {
  file: "data.jsonl",
  line: 7,
  mediaPath: (relative) => `/images/${relative}`,
  missingImages: "error",
  onImageOmitted: () => undefined,
};

const one = (format: DatasetFormat, row: DatasetRow, changes: Partial<RowContext> = {}): Preference => {
  const preferences = format.toPreferences(row, { ...context, ...changes });
  expect(preferences).toHaveLength(1);
  return preferences[0]!;
};

const failure = (format: DatasetFormat, row: DatasetRow, changes: Partial<RowContext> = {}): DatasetError => {
  try {
    format.toPreferences(row, { ...context, ...changes });
  } catch (error) {
    if (error instanceof DatasetError) return error;
    throw error;
  }
  throw new Error("expected a DatasetError");
};

const picture = png(30, 28);
const base64 = picture.toString("base64");
const imageAt = (path: string) => ({ type: "image", image: { path } });
const text = (value: string) => ({ type: "text", text: value });

const judgePrompt = (hashes: string, question: string, first: string, second: string): string =>
  `You compare two responses.\n\n${hashes} **Input:**  \n${hashes} [Question]:\n${question}  \n\n` +
  `${hashes} [Response 1]:\n${first}  \n\n${hashes} [Response 2]:\n${second}  \n\n` +
  `${hashes} **Output Format (strictly follow):**  \n<think>…</think><answer>1/2</answer>`;

const rlRow = (prompt: string, changes: DatasetRow = {}): DatasetRow => ({
  question: "What is shown?",
  message: JSON.stringify([
    {
      role: "user",
      content: [
        { type: "text", text: prompt },
        { type: "image", image: "/elsewhere/a.jpg" },
      ],
    },
  ]),
  answer: ["<answer>2</answer>"],
  image: base64,
  ...changes,
});

describe("r1-reward-rl", () => {
  const prompt = judgePrompt("####", "<image>\nWhat is $& shown?", "A cat.\n\n- with {braces}", "A dog.  ");

  it.each(["####", "######"])("takes question and responses out of a prompt with %s headings", (hashes) => {
    const row = rlRow(judgePrompt(hashes, "Q?\nreally", "first\n\n#### [Response 3]: no", "second"));
    expect(one(r1RewardRlFormat, row)).toEqual({
      id: "row-7",
      question: [{ type: "image", image: { dataUri: `data:image/png;base64,${base64}` } }, text("Q?\nreally")],
      responses: ["first\n\n#### [Response 3]: no", "second"],
      human: 1,
      meta: { question: "What is shown?" },
    });
  });

  it("keeps what a response ends with, and a response of another heading level", () => {
    const row = rlRow(prompt, { answer: '["<answer>1</answer>"]' });
    expect(one(r1RewardRlFormat, row)).toMatchObject({
      responses: ["A cat.\n\n- with {braces}", "A dog.  "],
      human: 0,
    });
    const nested = judgePrompt("####", "q", "###### [Response 2]:\nno", "b");
    expect(one(r1RewardRlFormat, rlRow(nested)).responses).toEqual(["###### [Response 2]:\nno", "b"]);
    expect(one(r1RewardRlFormat, rlRow(prompt)).question[1]).toEqual(text("What is $& shown?"));
  });

  it("takes a prompt that ends with the second response, and a question from its column", () => {
    const cut = "#### [Response 1]:\na  \n\n#### [Response 2]:\nb\n";
    expect(one(r1RewardRlFormat, rlRow(cut))).toMatchObject({
      responses: ["a", "b"],
      question: [{ type: "image" }, text("What is shown?")],
    });
  });

  it("takes an image path from the column, or from the message where the column is empty", () => {
    expect(one(r1RewardRlFormat, rlRow(prompt, { image: "x/a.jpg", id: 12n }))).toMatchObject({
      id: "12",
      question: [imageAt("/images/x/a.jpg"), {}],
      meta: { image: "x/a.jpg" },
    });
    expect(failure(r1RewardRlFormat, rlRow(prompt, { image: "" })).message).toMatch(
      /^data\.jsonl:7: message: expected a relative path inside the image folder/,
    );
  });

  it.each<[string, DatasetRow, string, RegExp]>([
    ["two headings", rlRow(judgePrompt("####", "q", "#### [Response 2]:\nx", "b")), "message", /ambiguous/],
    ["no heading", rlRow("Compare a and b"), "message", /Response 1/],
    [
      "the wrong order",
      rlRow("#### [Response 2]:\nb\n#### [Response 1]:\na"),
      "message",
      /in the order question, response 1/,
    ],
    ["no user", rlRow(prompt, { message: '[{"role":"system","content":"x"}]' }), "message", /one user turn/],
    ["broken chat", rlRow(prompt, { message: "[{" }), "message", /expected JSON/],
    ["a third answer", rlRow(prompt, { answer: ["<answer>3</answer>"] }), "answer", /got "<answer>3<\/answer>"/],
    ["no answer", rlRow(prompt, { answer: [] }), "answer", /got a list of 0/],
    ["a prototype", rlRow(prompt, { message: '[{"__proto__":{}}]' }), "message", /__proto__/],
  ])("refuses %s", (_name, row, field, message) => {
    expect(failure(r1RewardRlFormat, row)).toMatchObject({ field, line: 7, message: expect.stringMatching(message) });
  });
});

describe("vl-reward-bench", () => {
  const published: DatasetRow = {
    id: "RLAIF-V-1",
    query: "<image>\nDescribe.",
    response: ["worse", "better"],
    human_ranking: [1n, 0n],
    image: { bytes: new Uint8Array(picture), path: "image_0.jpg" },
    models: ["m1", "m2"],
    judge: "human",
    rationale: null,
    query_source: "RLAIF-V",
    ground_truth: "",
  };

  it("reads the publisher's schema, where rank 0 is the better one", () => {
    expect(one(vlRewardBenchFormat, published)).toEqual({
      id: "RLAIF-V-1",
      question: [{ type: "image", image: { bytes: new Uint8Array(picture) } }, text("Describe.")],
      responses: ["worse", "better"],
      human: 1,
      meta: { models: ["m1", "m2"], judge: "human", query_source: "RLAIF-V", image: "image_0.jpg" },
    });
    expect(one(vlRewardBenchFormat, { ...published, human_ranking: [0, 1] }).human).toBe(0);
  });

  it("reads the shape of the reference repository", () => {
    const row = {
      id: "hallucination_pair-1",
      prompt: "Describe.",
      chosen: "good",
      rejected: "",
      image: "vl_reward/img/image_0.jpg",
      chosen_reason: "",
    };
    expect(one(vlRewardBenchFormat, row)).toEqual({
      id: "hallucination_pair-1",
      question: [imageAt("/images/vl_reward/img/image_0.jpg"), text("Describe.")],
      responses: ["good", ""],
      human: 0,
      meta: { image: "vl_reward/img/image_0.jpg" },
    });
  });

  it.each<[DatasetRow, string, RegExp]>([
    [{ human_ranking: [0, 0] }, "human_ranking", /\[0, 1\] or \[1, 0\]/],
    [{ human_ranking: null }, "human_ranking", /got null/],
    [{ response: ["a"] }, "response", /list of 2 strings, got a list of 1/],
    [{ query: " " }, "query", /non-empty string/],
    [{ image: null }, "image", /got null/],
    [{ image: { bytes: null, path: null } }, "image", /bytes or path/],
  ])("refuses %j", (changes, field, message) => {
    const error = failure(vlRewardBenchFormat, { ...published, ...changes });
    expect(error).toMatchObject({ field, message: expect.stringMatching(message) });
  });
});

describe("multimodal-reward-bench", () => {
  const row: DatasetRow = {
    ID: "math-12",
    Text: "How many?",
    Image: "images/mathvista/1.png",
    Output1: "three",
    Output2: "four",
    Better: "Output2",
    Category: "reasoning",
  };

  it("reads a record", () => {
    expect(one(multimodalRewardBenchFormat, row)).toEqual({
      id: "math-12",
      question: [imageAt("/images/images/mathvista/1.png"), text("How many?")],
      responses: ["three", "four"],
      human: 1,
      meta: { category: "reasoning", image: "images/mathvista/1.png" },
    });
  });

  it("says that the download script was not run", () => {
    expect(failure(multimodalRewardBenchFormat, { ...row, Text: null }).message).toMatch(/download script/);
  });

  it.each(["output1", "A", "constructor", "__proto__", null])("refuses Better = %j", (Better) => {
    expect(failure(multimodalRewardBenchFormat, { ...row, Better }).field).toBe("Better");
  });
});

describe("mm-rlhf-reward-bench", () => {
  const row = { id: "v_1", prompt: "Who?", chosen: "a", rejected: "b", chosen_reason: "r" };

  it("groups by id and tells images from videos", () => {
    expect(one(mmRlhfRewardBenchFormat, { ...row, video: "video/v_1" })).toEqual({
      id: "v_1",
      group: "v_1",
      question: [{ type: "video", video: { folder: "/images/video/v_1" } }, text("Who?")],
      responses: ["a", "b"],
      human: 0,
      meta: { chosen_reason: "r", video: "video/v_1" },
    });
    expect(one(mmRlhfRewardBenchFormat, { ...row, image: "mcq/1.png" }).question[0]).toEqual(
      imageAt("/images/mcq/1.png"),
    );
  });

  it("refuses a record with both or neither", () => {
    expect(failure(mmRlhfRewardBenchFormat, row).message).toMatch(/expected an image or a video, got nothing/);
    expect(failure(mmRlhfRewardBenchFormat, { ...row, image: "mcq/1.png", video: "video/1" }).field).toBe("image");
  });
});

describe("plain-pairs", () => {
  const row: DatasetRow = { id: "p1", question: "What?", responses: ["a", "b"] };

  it("reads the least there can be", () => {
    expect(one(plainPairsFormat, row)).toEqual({
      id: "p1",
      question: [text("What?")],
      responses: ["a", "b"],
      meta: {},
    });
  });

  it("reads everything there can be", () => {
    const full = {
      ...row,
      human: 1n,
      group: 3,
      images: ["a.png", base64, { url: "https://images.example/b.png" }, { path: "c.png" }, `data:image/png;base64,xx`],
      video: ["f/1.png", { bytes: new Uint8Array(picture) }],
      category: "counting",
      meta: { models: ["x"], image: "overwritten by the path" },
    };
    expect(one(plainPairsFormat, full)).toEqual({
      id: "p1",
      question: [
        imageAt("/images/a.png"),
        { type: "image", image: { dataUri: `data:image/png;base64,${base64}` } },
        { type: "image", image: { url: "https://images.example/b.png" } },
        imageAt("/images/c.png"),
        { type: "image", image: { dataUri: "data:image/png;base64,xx" } },
        { type: "video", video: { frames: [{ path: "/images/f/1.png" }, { bytes: new Uint8Array(picture) }] } },
        text("What?"),
      ],
      responses: ["a", "b"],
      human: 1,
      group: "3",
      meta: { category: "counting", models: ["x"], image: ["a.png", "c.png"], video: "f/1.png" },
    });
  });

  it("keeps the order of parts that are spelled out", () => {
    const question = [text("Before"), { type: "image", image: "a.png" }, text("<image> stays")];
    expect(one(plainPairsFormat, { ...row, question }).question).toEqual([
      text("Before"),
      imageAt("/images/a.png"),
      text("<image> stays"),
    ]);
  });

  it.each<[DatasetRow, string, RegExp]>([
    [{ human: 2 }, "human", /expected 0 or 1, the index of the better response, got 2/],
    [{ human: "1" }, "human", /got "1"/],
    [{ human: true }, "human", /got true/],
    [{ responses: ["a", "b", "c"] }, "responses", /list of 3/],
    [{ responses: ["a", 5] }, "responses", /2 strings/],
    [{ id: "" }, "id", /non-empty name/],
    [{ id: null }, "id", /got null/],
    [{ question: "" }, "question", /non-empty/],
    [{ question: [{ type: "image", image: "a.png" }] }, "question", /some text/],
    [{ question: [{ type: "audio" }] }, "question[0].type", /"audio"/],
    [{ image: "a.png", images: ["b.png"] }, "images", /not both/],
    [{ image: 5 }, "image", /got 5/],
    [{ image: "https://example.com/a.png" }, "image", /relative path/],
    [{ image: "/etc/passwd" }, "image", /relative path/],
    [{ image: "a/../../etc/passwd" }, "image", /relative path/],
    [{ image: "..\\secret.png" }, "image", /relative path/],
    [{ image: "C:\\secret.png" }, "image", /relative path/],
    [{ image: "\\\\server\\share.png" }, "image", /relative path/],
    [{ image: "file:///etc/passwd" }, "image", /relative path/],
    [{ image: "a\0.png" }, "image", /relative path/],
    [{ image: { path: "/etc/passwd" } }, "image", /relative path/],
    [{ image: "x".repeat(5000) }, "image", /a string of 5000 characters/],
    [{ video: "../frames" }, "video", /relative path/],
    [{ video: [] }, "video", /list of frames/],
    [{ meta: "x" }, "meta", /an object/],
  ])("refuses %j", (changes, field, message) => {
    const error = failure(plainPairsFormat, { ...row, ...changes });
    expect(error).toMatchObject({ file: "data.jsonl", line: 7, field, message: expect.stringMatching(message) });
  });
});

describe("images that are only named", () => {
  const row = { id: "p", question: "q", responses: ["a", "b"], image: "a.png", video: "frames" };

  it("are an error without an image folder, unless they may be omitted: then they are counted", () => {
    expect(failure(plainPairsFormat, row, { mediaPath: undefined }).message).toMatch(
      /image: names a file \("a.png"\) but no image folder was given: pass imageRoot/,
    );
    let omitted = 0;
    const changes = { mediaPath: undefined, missingImages: "omit" as const, onImageOmitted: () => void omitted++ };
    const pair = one(plainPairsFormat, row, changes);
    expect(pair.question).toEqual([text("q")]);
    expect(pair.meta).toEqual({ image: "a.png", video: "frames" });
    expect(omitted).toBe(2);
    expect(failure(plainPairsFormat, { ...row, image: "/etc/passwd" }, changes).field).toBe("image");
  });
});

describe("image marks", () => {
  it.each([
    ["<image>\nWhat?", "What?"],
    ["<image> <image>\n What?", "What?"],
    ["What?\n<image>", "What?"],
    ["One\n<image>\nTwo", "One\nTwo"],
    ["  spaces stay\n", "  spaces stay\n"],
    ["A. <image 2>\nB. in <image> between", "A. <image 2>\nB. in <image> between"],
  ])("%j becomes %j", (before, after) => expect(withoutImageMarks(before)).toBe(after));
});
