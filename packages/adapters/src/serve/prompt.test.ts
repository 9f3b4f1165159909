import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerIn, askedPrompt, questionIn, readPrompt, splitQuery, withoutEndings } from "./prompt.ts";

const TEMPLATES = {
  chatml: (turns: readonly string[]) =>
    turns.map((text, at) => `<|im_start|>${at % 2 === 0 ? "user" : "assistant"}\n${text}<|im_end|>\n`).join("") +
    "<|im_start|>assistant\n",
  llama3: (turns: readonly string[]) =>
    "<|begin_of_text|>" +
    turns
      .map(
        (text, at) => `<|start_header_id|>${at % 2 === 0 ? "user" : "assistant"}<|end_header_id|>\n\n${text}<|eot_id|>`,
      )
      .join("") +
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
  gemma: (turns: readonly string[]) =>
    "<bos>" +
    turns.map((text, at) => `<start_of_turn>${at % 2 === 0 ? "user" : "model"}\n${text}<end_of_turn>\n`).join("") +
    "<start_of_turn>model\n",
};

describe.each(Object.entries(TEMPLATES))("%s", (_name, template) => {
  it("gives back its single question, or the conversation with its speakers", () => {
    expect(questionIn(template(["What?"])).text).toBe("What?");
    expect(questionIn(template(["A", "B", "C"])).text).toBe("User: A\n\nAssistant: B\n\nUser: C");
  });

  it("yields the answer whatever markers the answer holds", () => {
    const marker = template([""]);
    const word = fc.constantFrom("x", " ", "\n", "<answer>1</answer>", "<|im_end|>", "<|im_start|>assistant\n", marker);
    fc.assert(
      fc.property(fc.array(word), fc.integer({ min: 0, max: 2 }), (words, extra) => {
        const answer = `a${words.join("")}z`;
        const turns = ["Q", "A", "Q2", "A2", "Q3"].slice(0, 1 + 2 * extra);
        const prompt = template(turns);
        const messages = turns.map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content }));
        expect(answerIn(prompt + answer, prompt)).toBe(answer);
        // The prompt as messages, as lmm-r1 sends it: then the count of turns tells.
        expect(answerIn(prompt + answer, JSON.stringify(messages))).toBe(answer);
      }),
    );
  });
});

describe("answers", () => {
  it("lose the markers at their end, and those only", () => {
    expect(withoutEndings("a <|im_end|> b<|im_end|>\n<|endoftext|><|endoftext|>")).toBe("a <|im_end|> b");
    expect(withoutEndings("</s>")).toBe("");
  });

  it("of unknown prompts begin after the first marker", () => {
    const { prompt, answer } = splitQuery(
      "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_start|>assistant\nB",
    );
    expect(prompt).toBe("<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
    expect(answer).toBe("A<|im_start|>assistant\nB");
    expect(splitQuery("plain")).toEqual({ prompt: "", answer: "plain" });
  });

  it("are cut in time that grows with their length, not with its square", () => {
    const hostile = "<|im_start|>assistant\n".repeat(50_000);
    expect(answerIn(`Q${hostile}`, "Q")).toHaveLength(hostile.trimEnd().length);
    expect(withoutEndings("<|im_end|>".repeat(50_000))).toBe("");
  });
});

describe("prompts", () => {
  it("leave out a system turn that says nothing, and keep one that does", () => {
    const system = (text: string) =>
      `<|im_start|>system\n${text}<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n`;
    expect(questionIn(system("You are a helpful assistant.")).text).toBe("Q");
    expect(questionIn(system("Answer in French.")).text).toBe("System: Answer in French.\n\nUser: Q");
  });

  it("count the images that their markers promise", () => {
    expect(questionIn("<|vision_start|><|image_pad|><|image_pad|><|vision_end|>Which?")).toEqual({
      text: "Which?",
      images: 1,
    });
    expect(readPrompt([{ role: "user", content: [{ type: "image" }, { type: "text", text: "Q" }] }])).toMatchObject({
      text: "Q",
      media: [],
      promised: 1,
    });
  });

  it("take images in the forms that requests have", () => {
    const png = `iVBORw0KGgo${"A".repeat(60)}`;
    const part = (image: object) => [
      {
        role: "user",
        content: [
          { type: "image_url", ...image },
          { type: "text", text: "Q" },
        ],
      },
    ];
    const mediaOf = (image: object) => askedPrompt(part(image)).media;
    expect(mediaOf({ image_url: { url: "https://x/y.png" } })).toEqual([{ url: "https://x/y.png" }]);
    expect(mediaOf({ image_url: { url: "data:image/png;base64,AA==" } })).toEqual([
      { dataUri: "data:image/png;base64,AA==" },
    ]);
    expect(mediaOf({ image: png })).toEqual([{ dataUri: `data:image/png;base64,${png}` }]);
    expect(mediaOf({ image: "folder/a.png" })).toEqual([{ path: "folder/a.png" }]);
    expect(mediaOf({ image: "file:///etc/passwd" })).toEqual([]);
    expect(mediaOf({ image: "gopher://x" })).toEqual([]);
    expect(askedPrompt("Q", { images: [{ bytes: null, path: "a.png" }, png] }).media).toHaveLength(2);
  });

  it("that are not messages are text, never an error", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(typeof askedPrompt(value).text).toBe("string");
      }),
    );
  });
});
