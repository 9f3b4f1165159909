import { describe, expect, it } from "vitest";
import { datasetIndex, resolveQuestion } from "./images.ts";
import { askedPrompt } from "./prompt.ts";

const PROMISE = "<|vision_start|><|image_pad|><|vision_end|>";
const index = datasetIndex(
  [
    { id: 1, prompt: "Which?", image: "one.png", answer: "A", best: "the first" },
    { id: 2, prompt: "Twice", image: "two.png", answer: "A" },
    { id: 3, prompt: "Twice", image: "three.png", answer: "C" },
    {
      id: 4,
      messages: [
        {
          role: "user",
          content: [
            { type: "image", image: "four.png" },
            { type: "text", text: "Parts?" },
          ],
        },
      ],
    },
  ],
  { reference: "best" },
);
const found = (prompt: Parameters<typeof resolveQuestion>[0]) => resolveQuestion(prompt, index);

describe("images", () => {
  it("come from the request first, then from the label, then from the dataset", () => {
    const label = JSON.stringify({ images: ["label.png"], answer: "x" });
    const all = askedPrompt(`${PROMISE}Which?`, { label, images: ["request.png"] });
    expect(found(all).question[0]).toEqual({ type: "image", image: { path: "request.png" } });
    const labelled = askedPrompt(`${PROMISE}Which?`, { label });
    expect(found(labelled).question[0]).toEqual({ type: "image", image: { path: "label.png" } });
    const indexed = found(askedPrompt(`${PROMISE}Which?`));
    expect(indexed.question).toEqual([
      { type: "image", image: { path: "one.png" } },
      { type: "text", text: "Which?" },
    ]);
    expect(indexed.missing).toBe(false);
  });

  it("are found by id, by prompt, by parts, by label, and never guessed", () => {
    const imageOf = (prompt: ReturnType<typeof askedPrompt>) => found(prompt).question[0];
    expect(imageOf(askedPrompt("Twice", { id: "3" }))).toEqual({ type: "image", image: { path: "three.png" } });
    expect(imageOf(askedPrompt("Parts?"))).toEqual({ type: "image", image: { path: "four.png" } });
    expect(imageOf(askedPrompt("unknown", { label: "C" }))).toEqual({ type: "image", image: { path: "three.png" } });
    // Two records share the prompt, and two the label "A", with different images.
    const shared = found(askedPrompt(`${PROMISE}Twice`, { label: "A" }));
    expect(shared).toEqual({ question: [{ type: "text", text: "Twice" }], missing: true });
  });

  it("that are promised but not found are flagged, and those that are not promised are not missed", () => {
    expect(found(askedPrompt(`${PROMISE}unknown`)).missing).toBe(true);
    expect(found(askedPrompt("unknown")).missing).toBe(false);
  });

  it("bring the reference that the dataset knows", () => {
    expect(index.find(askedPrompt("Which?"))?.reference).toBe("the first");
  });
});
