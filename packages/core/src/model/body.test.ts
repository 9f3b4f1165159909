import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LoadedImage, LoadedPart, LoadedVideoPart, Message } from "../types.ts";
import { prepareMessages, requestBody } from "./body.ts";
import { dialects } from "./dialects.ts";

const decoder = new TextDecoder();
const joined = (pieces: readonly (string | Uint8Array)[]): string =>
  pieces.map((piece) => (typeof piece === "string" ? piece : decoder.decode(piece))).join("");

const image = (base64: string, mediaType: LoadedImage["mediaType"] = "image/jpeg"): LoadedImage => ({
  mediaType,
  width: 4,
  height: 4,
  base64: new TextEncoder().encode(base64),
  sha256: "",
});

/** What the body has to be, in the words of the API: a plain object through `JSON.stringify`. */
const oracle = (messages: readonly Message<LoadedPart>[], fields: object): string => {
  let fps: number | undefined;
  const uri = ({ mediaType, base64 }: LoadedImage) => `data:${mediaType};base64,${decoder.decode(base64)}`;
  const part = (one: LoadedPart): object => {
    if (one.type === "text") return { type: "text", text: one.text };
    if (one.type === "image") return { type: "image_url", image_url: { url: uri(one.image) } };
    fps = one.fps;
    const frames = one.frames.map(({ base64 }) => decoder.decode(base64)).join(",");
    return { type: "video_url", video_url: { url: `data:video/jpeg;base64,${frames}` } };
  };
  const wire = messages.map(({ role, content }) => {
    const [first] = content;
    return content.length === 1 && first?.type === "text"
      ? { role, content: first.text }
      : { role, content: content.map(part) };
  });
  const media = { media_io_kwargs: { video: { fps, num_frames: -1, do_sample_frames: false } } };
  return JSON.stringify({ messages: wire, ...fields, ...(fps === undefined ? {} : media) });
};

const base64 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("base64"));
// Whatever a string can hold: quotes, control characters, lone surrogates.
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);
const parts: fc.Arbitrary<LoadedPart> = fc.oneof(
  anyText.map((text): LoadedPart => ({ type: "text", text })),
  fc
    .tuple(base64, fc.constantFrom("image/png", "image/jpeg", "image/webp", "image/gif"))
    .map(([data, type]): LoadedPart => ({ type: "image", image: image(data, type) })),
  fc
    .array(base64, { minLength: 1, maxLength: 4 })
    .map((frames): LoadedPart => ({ type: "video", fps: 2, frames: frames.map((data) => image(data)) })),
);
const messages = fc.array(
  fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: fc.array(parts, { maxLength: 5 }) }),
  { maxLength: 4 },
);

describe("spliced bodies", () => {
  it("are what JSON.stringify gives, for any messages and fields", () => {
    const fields = fc.dictionary(
      // In any object, names that look like array indices come first, before `messages`.
      fc.string().filter((text) => !/^\d+$/.test(text)),
      fc.jsonValue().filter((value) => value !== undefined),
    );
    fc.assert(
      fc.property(messages, fields, (given, extra) => {
        delete extra["messages"];
        delete extra["media_io_kwargs"];
        const typed = given as readonly Message<LoadedPart>[];
        const body = requestBody(prepareMessages(typed, dialects.vllm), extra as Record<string, never>);
        expect(joined(body)).toBe(oracle(typed, extra));
      }),
      { numRuns: 400 },
    );
  });

  it("carry the image's own bytes, not a copy", () => {
    const picture = image("AAAA");
    const prepared = prepareMessages([{ role: "user", content: [{ type: "image", image: picture }] }], dialects.vllm);
    const bytes = requestBody(prepared, { model: "m" }).filter((piece) => typeof piece !== "string");
    expect(bytes).toHaveLength(1);
    expect(bytes[0]).toBe(picture.base64);
  });
});

describe("videos", () => {
  const video: LoadedVideoPart = { type: "video", fps: 2, frames: [image("AAAA"), image("BBBB")] };
  const ask = (content: readonly LoadedPart[]) => [{ role: "user" as const, content }];

  it("are a list of frames with its frame rate for vLLM", () => {
    const body = joined(requestBody(prepareMessages(ask([video]), dialects.vllm), { model: "m" }));
    expect(JSON.parse(body)).toEqual({
      model: "m",
      messages: [
        {
          role: "user",
          content: [{ type: "video_url", video_url: { url: "data:video/jpeg;base64,AAAA,BBBB" } }],
        },
      ],
      media_io_kwargs: { video: { fps: 2, num_frames: -1, do_sample_frames: false } },
    });
  });

  it("keep what the caller says of other media", () => {
    const fields = { media_io_kwargs: { image: { rgba_background_color: [255, 255, 255] } } };
    const body = JSON.parse(joined(requestBody(prepareMessages(ask([video]), dialects.vllm), fields))) as object;
    expect(body).toMatchObject({ media_io_kwargs: { video: { fps: 2 }, ...fields.media_io_kwargs } });
  });

  it.each([
    ["where the dialect has none", dialects.openai, "auto"],
    ["where the caller wants it", dialects.vllm, "images"],
  ] as const)("are images %s", (_name, dialect, placement) => {
    const prepared = prepareMessages(ask([video, { type: "text", text: "?" }]), dialect, placement);
    expect(JSON.parse(joined(requestBody(prepared, {})))).toEqual({
      messages: [
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/jpeg;base64,AAAA" } },
            { type: "image_url", image_url: { url: "data:image/jpeg;base64,BBBB" } },
            { type: "text", text: "?" },
          ],
        },
      ],
    });
  });

  it("are refused when they are none", () => {
    const prepare = (...content: LoadedPart[]) => prepareMessages(ask(content), dialects.vllm);
    const odd = { ...image("CCCC"), width: 5 };
    expect(() => prepare({ ...video, frames: [] })).toThrow(/at least one frame/);
    expect(() => prepare({ ...video, frames: [image("AAAA"), odd] })).toThrow(/frames of one size \(4x4\), got 5x4/);
    expect(() => prepare({ ...video, frames: [image("AAAA", "image/png")] })).toThrow(/JPEG frames/);
    expect(() => prepare(video, { ...video, fps: 1 })).toThrow(/one frame rate/);
  });
});

describe("image types", () => {
  it("that a server does not read are refused before anything is sent", () => {
    const ask = [{ role: "user" as const, content: [{ type: "image" as const, image: image("AAAA", "image/webp") }] }];
    expect(() => prepareMessages(ask, dialects.llamaCpp)).toThrow(/for the dialect llama.cpp, got image\/webp/);
    expect(() => prepareMessages(ask, dialects.ollama)).not.toThrow();
  });
});
