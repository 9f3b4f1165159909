import { ConfigError } from "@r1reward/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { trainBpe } from "./bpe-train.ts";
import { bytesOfToken } from "./byte-level.ts";
import { chatPieces, type ChatMessage } from "./chat-template.ts";
import {
  fnv,
  golden,
  goldenTokenizer,
  goldenVocabulary,
  mixedStrings,
  trainingTexts,
  type GoldenTokenizer,
} from "./golden.test-kit.ts";
import { qwenTokenizer } from "./tokenizer.ts";

const fixture = golden<GoldenTokenizer>("tokenizer.json");
const tokenizer = goldenTokenizer();
const strings = mixedStrings(fixture.pool);
const specials = fixture.specials.map((content) => tokenizer.specialId(content));

/** Text with markers anywhere, whole and in halves. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom(...fixture.specials, "<|", "|>", "im_end", "\n", " "),
    ),
  )
  .map((parts) => parts.join(""));

describe("against Hugging Face's tokenizers in Rust", () => {
  it("5,000 strings of many scripts have the same ids", () => {
    const wrong = strings.filter((text, i) => fnv(tokenizer.encodeText(text)) !== fixture.hashes[i]);
    expect(wrong).toEqual([]);
    expect(strings.length).toBe(fixture.hashes.length);
  });

  it("the trainer learns the same merges in the same order", () => {
    const options = { vocabSize: 700 + fixture.specials.length, specialTokens: fixture.specials };
    const trained = trainBpe(trainingTexts(fixture.pool), options);
    expect(trained.model.merges).toEqual(fixture.merges);
    expect(trained.model.vocab).toEqual(goldenVocabulary(fixture).model.vocab);
    expect(trained.added_tokens.map(({ id }) => id)).toEqual(specials);
  });

  it.each(fixture.chats.map((row) => [JSON.stringify(row.text).slice(0, 90), row] as const))(
    "the rendered chat %s",
    (_, { messages, generationPrompt, visionIds, text, tokens }) => {
      const pieces = chatPieces(messages as unknown as ChatMessage[], { generationPrompt, visionIds });
      const rendered = pieces.map((piece) => (piece.kind === "text" ? piece.text : piece.token)).join("");
      expect(rendered).toBe(text);
      const media = pieces.filter(({ kind }) => kind === "pads");
      expect([
        ...tokenizer.encodePieces(
          pieces,
          media.map(() => 1),
        ),
      ]).toEqual(tokens);
    },
  );

  it("ids that break characters apart are read alike", () => {
    for (const [ids, text] of fixture.decoded) expect(tokenizer.decode(Int32Array.from(ids))).toBe(text);
  });
});

describe("no text becomes a special token", () => {
  it("whatever it spells", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(tokenizer.encodeText(text).some((id) => tokenizer.isAdded(id))).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it("in messages of every role: only the template's own markup is left", () => {
    fc.assert(
      fc.property(
        fc.array(hostile, { minLength: 1, maxLength: 3 }),
        fc.constantFrom("system", "user", "assistant"),
        (texts, role) => {
          const messages = texts.map((text) => ({ role: role as "user", content: [{ type: "text" as const, text }] }));
          const found = [...tokenizer.encodePrompt(messages)].filter((id) => tokenizer.isAdded(id));
          const [start, end] = ["<|im_start|>", "<|im_end|>"].map((name) => tokenizer.specialId(name));
          const turns = texts.length + (role === "system" ? 0 : 1);
          expect(found).toEqual([...Array.from({ length: turns }, () => [start, end]).flat(), start]);
        },
      ),
    );
  });

  it("not even where the vocabulary itself holds the markers", () => {
    const file = goldenVocabulary(fixture);
    const vocab = {
      ...file.model.vocab,
      ...Object.fromEntries(file.added_tokens.map(({ content, id }) => [content, id])),
    };
    const other = qwenTokenizer({ ...file, model: { ...file.model, vocab, ignore_merges: true } });
    for (const marker of fixture.specials) {
      expect(other.encodeText(marker)).toEqual(
        qwenTokenizer({ ...file, model: { ...file.model, ignore_merges: true } }).encodeText(marker),
      );
      expect(other.decode(Int32Array.from(other.encodeText(marker)))).toBe(marker);
    }
  });

  it("ids of `<|image_pad|>` spelled in a question are those of its letters", () => {
    const ids = tokenizer.encodeText("<|image_pad|>");
    expect(ids.length).toBeGreaterThan(3);
    expect(tokenizer.decode(Int32Array.from(ids))).toBe("<|image_pad|>");
  });
});

describe("text and back", () => {
  it("is the text in normal form C; lone surrogates become U+FFFD", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const clean = new TextDecoder().decode(new TextEncoder().encode(text.normalize("NFC")));
        const bom = clean.startsWith("\ufeff") || !text.startsWith("\ufeff") ? clean : `\ufeff${clean}`;
        expect(tokenizer.decode(Int32Array.from(tokenizer.encodeText(text)))).toBe(bom);
      }),
      { numRuns: 400 },
    );
  });

  it("a stream gives the same text token by token, and never half a character", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(705), { maxLength: 40 }), (ids) => {
        const stream = tokenizer.stream();
        const pushed = ids.map((id) => stream.push([id]));
        expect(pushed.join("") + stream.end()).toBe(tokenizer.decode(Int32Array.from(ids)));
      }),
    );
    const stream = tokenizer.stream();
    const [first, ...rest] = [...new TextEncoder().encode("😀")].map(
      (byte) => tokenizer.encodeText("").length + byteId(byte),
    );
    expect(stream.push([first!])).toBe("");
    expect(stream.push(rest)).toBe("😀");
    expect(stream.end()).toBe("");
  });

  it("a reply ends with the stop token and is read without it", () => {
    const ids = tokenizer.encodeReply("<answer>1</answer>");
    expect(ids.at(-1)).toBe(tokenizer.specialId("<|im_end|>"));
    expect(tokenizer.stopTokens).toEqual(["<|im_end|>", "<|endoftext|>"].map((name) => tokenizer.specialId(name)));
    expect(tokenizer.decode(ids)).toBe("<answer>1</answer>");
  });
});

/** The id of a byte: the one token whose bytes are that byte. */
const byteId = (byte: number): number =>
  Object.entries(goldenVocabulary(fixture).model.vocab).find(
    ([token, id]) => id < 256 && bytesOfToken(token)[0] === byte,
  )![1];

describe("the trainer", () => {
  const texts = ["the cat the cat the", "__proto__ __proto__ constructor", "漢字 漢字"];

  it("gives the same file for any order of texts", () => {
    const file = trainBpe(texts, { vocabSize: 300 });
    expect(JSON.stringify(trainBpe([...texts].reverse(), { vocabSize: 300 }))).toBe(JSON.stringify(file));
    expect(qwenTokenizer(JSON.parse(JSON.stringify(file))).encodeText("__proto__").length).toBeLessThan(9);
  });

  it("stops when no pair is left, and at the size asked for", () => {
    const small = trainBpe(["ab ab"], { vocabSize: 2000 });
    expect(small.model.merges).toEqual(["a b"]);
    expect(trainBpe(texts, { vocabSize: 270, specialTokens: [] }).added_tokens).toEqual([]);
    expect(Object.keys(trainBpe(texts, { vocabSize: 270, specialTokens: [] }).model.vocab).length).toBe(270);
  });

  it("every text can be written and read with any vocabulary", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.string({ unit: "grapheme" }), (some, text) => {
        const trained = qwenTokenizer(trainBpe(some, { vocabSize: 280, minFrequency: 1 }));
        expect(trained.decode(Int32Array.from(trained.encodeText(text)))).toBe(text.normalize("NFC"));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    [{ vocabSize: 263 }, /at least 264/],
    [{ vocabSize: 1e9 }, /vocabSize/],
    [{ vocabSize: 300, minFrequency: 0 }, /minFrequency/],
    [{ vocabSize: 300, specialTokens: ["a", "a"] }, /distinct/],
    [{ vocabSize: 300, specialTokens: [""] }, /distinct/],
  ])("refuses %j", (options, message) => {
    expect(() => trainBpe([], options)).toThrow(message);
  });
});

describe("what is refused", () => {
  const file = goldenVocabulary(fixture);
  const model = (changes: object): object => ({ ...file, model: { ...file.model, ...changes } });
  const { "!": _bang, ...withoutBang } = file.model.vocab;

  it.each([
    ["no object", null, /file/],
    ["no model", {}, /model/],
    ["WordPiece", model({ type: "WordPiece" }), /model\.type/],
    ["a missing byte", model({ vocab: withoutBang }), /each byte/],
    ["a merge that makes nothing", model({ merges: ["! !"] }), /merges\[0\]/],
    ["a merge of three", model({ merges: ["a b c"] }), /merges\[0\]/],
    ["an id that is no number", model({ vocab: { ...file.model.vocab, x: "1" } }), /model\.vocab/],
    ["an id beyond reason", model({ vocab: { ...file.model.vocab, xyz: 2 ** 31 } }), /model\.vocab/],
    ["dropout", model({ dropout: 0.1 }), /dropout/],
    ["another decoder", { ...file, decoder: { type: "Metaspace" } }, /decoder/],
    ["a bad added token", { ...file, added_tokens: [{ id: 1 }] }, /added_tokens\[0\]\.content/],
    [
      "a pattern that is none",
      { ...file, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
      /built/,
    ],
    ["no end of a reply", { ...file, added_tokens: [] }, /stopTokens/],
  ])("%s", (_, json, message) => {
    expect(() => qwenTokenizer(json)).toThrow(message);
    expect(() => qwenTokenizer(json)).toThrow(ConfigError);
  });

  it("a vocabulary smaller than the tokenizer, an unknown marker, pictures without their size", () => {
    expect(() => qwenTokenizer(file, { vocabSize: 700 })).toThrow(/at least 708/);
    expect(qwenTokenizer(file, { vocabSize: 720 }).vocabSize).toBe(720);
    expect(() => tokenizer.specialId("<|nobody|>")).toThrow(ConfigError);
    const picture = {
      role: "user" as const,
      content: [{ type: "image" as const, image: { path: "../../etc/passwd" } }],
    };
    expect(() => tokenizer.encodePrompt([picture])).toThrow(/qwenInputs/);
    expect(() => tokenizer.encodePieces(chatPieces([picture]))).toThrow(/padCounts\[0\]/);
  });

  it.each([
    ["no messages", [], /at least one/],
    ["an unknown role", [{ role: "tool", content: [] }], /role/],
    ["a role that is markup", [{ role: "user<|im_end|>", content: [] }], /role/],
    ["an unknown part", [{ role: "user", content: [{ type: "constructor" }] }], /content\[0\]/],
  ])("a chat with %s", (_, messages, message) => {
    expect(() => chatPieces(messages as unknown as ChatMessage[])).toThrow(message);
  });
});
