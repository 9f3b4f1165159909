import { deflateSync, inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sha256 } from "../hash.ts";
import { readImageHeader } from "../media/header.ts";
import { r1Protocol } from "../protocol/r1.ts";
import { hasR1Format } from "../protocol/verdict-scanner.ts";
import { statedWinner } from "../reward/conclusion.ts";
import {
  CELL_NAMES,
  encodePng,
  GRADES,
  oodStyle,
  plainStyle,
  renderScene,
  sceneContent,
  SHAPES_PHRASINGS,
  shapesDataset,
  shapesKinds,
  shapesPair,
  shapesProtocol,
  shapesReasoning,
  shapesRecord,
  splitOfScene,
  swapShapes,
  type ShapesRecord,
} from "./index.ts";

const records = (n: number, options: Omit<Parameters<typeof shapesRecord>[0], "seed" | "index"> = {}) =>
  Array.from({ length: n }, (_, index) => shapesRecord({ seed: 3, index, ...options }));

const allGrades = (n: number): readonly ShapesRecord[] => GRADES.flatMap((grade) => records(n, { grade }));

describe("the world", () => {
  it("gives the same pairs and the same bytes on every machine", () => {
    // Made once on linux x64 and Node 20; any other platform must give the same.
    const texts = records(64).map(({ question, answers, truth, scene }) => [question, answers, truth, scene]);
    const digest = (style: typeof plainStyle) =>
      sha256(
        records(16)
          .map(({ scene }) => sha256(renderScene(scene, style)))
          .join(),
      );
    expect(
      [sha256(JSON.stringify(texts)), digest(plainStyle), digest(oodStyle)].map((hex) => hex.slice(0, 16)),
    ).toEqual(["be62c8b19153606a", "120eb1a21251ed6f", "57b1bde50a489d04"]);
  });

  it("has twins: the same texts, opposite truths", () => {
    for (const grade of GRADES) {
      for (let index = 0; index < 200; index += 2) {
        const one = shapesRecord({ seed: 8, index, grade });
        const other = shapesRecord({ seed: 8, index: index + 1, grade });
        expect([other.question, other.answers, other.values]).toEqual([one.question, one.answers, one.values]);
        expect([one.truth + other.truth, one.twin, other.twin]).toEqual([1, other.index, one.index]);
        expect(sceneContent(other.scene)).not.toBe(sceneContent(one.scene));
      }
    }
  });

  it("keeps its splits apart", () => {
    for (const split of ["train", "val", "test"] as const) {
      for (const { scene, question } of allGrades(80).map(({ index, grade }) =>
        shapesRecord({ seed: 4, index, grade, split }),
      ))
        expect(splitOfScene(scene), question).toBe(split);
    }
    const train = new Set(records(400, { split: "train" }).map(({ scene }) => sceneContent(scene)));
    expect(records(200, { split: "test" }).filter(({ scene }) => train.has(sceneContent(scene)))).toEqual([]);
  });

  it("puts 1 to 5 shapes in places of their own, more of them and nearer values where it is harder", () => {
    const mean = GRADES.map((grade) => {
      const scenes = records(320, { grade }).map(({ scene }) => scene);
      for (const { shapes, label } of scenes) {
        const cells = [...shapes.map(({ cell }) => cell), ...(label === undefined ? [] : [label.cell])];
        expect(new Set(cells).size).toBe(cells.length);
        expect(shapes.length).toBeGreaterThanOrEqual(1);
        expect(shapes.length).toBeLessThanOrEqual(5);
      }
      return scenes.reduce((sum, { shapes }) => sum + shapes.length, 0) / scenes.length;
    });
    expect(mean).toEqual([...mean].sort((a, b) => a - b));
    const steps = (grade: 1 | 4) =>
      records(320, { grade, kinds: [shapesKinds[0]!] }).map(({ values }) =>
        Math.abs(Number(values[0]) - Number(values[1])),
      );
    expect([Math.min(...steps(1)), Math.max(...steps(4))]).toEqual([2, 1]);
  });

  it("takes its kinds in turn and draws every grade", () => {
    const drawn = records(160);
    for (const { name } of shapesKinds) expect(drawn.filter(({ kind }) => kind === name)).toHaveLength(20);
    expect(new Set(drawn.map(({ grade }) => grade))).toEqual(new Set(GRADES));
  });

  it("refuses options that cannot be", () => {
    const bad = (options: object) => () => shapesRecord({ seed: 1, index: 0, ...options });
    expect(bad({ index: -1 })).toThrow(/index: expected a whole number/);
    expect(bad({ seed: 0.5 })).toThrow(/seed: expected a whole number/);
    expect(bad({ grade: 5 })).toThrow(/grade: expected 1 to 4/);
    expect(bad({ split: "dev" })).toThrow(/split: expected train, val, test/);
    expect(bad({ kinds: [] })).toThrow(/kinds: expected at least one/);
    expect(() => shapesPair({ seed: 1, index: 0, style: "oil" as "ood" })).toThrow(/style: expected plain or ood/);
    expect(() => [...shapesDataset({ seed: 1, n: -1 })]).toThrow(/n: expected/);
    expect(() => shapesReasoning(records(1)[0]!, { phrasing: 9 })).toThrow(/phrasing: expected 0 to 4/);
  });
});

describe("critiques", () => {
  it("have the grammar, name the right answer and say in the thought what they answer, in both orders", () => {
    for (const record of allGrades(160)) {
      for (const shown of [record, swapShapes(record)]) {
        for (let phrasing = 0; phrasing < SHAPES_PHRASINGS; phrasing += 1) {
          const text = shapesReasoning(shown, { phrasing });
          const reading = shapesProtocol.parse({ text });
          expect(hasR1Format(text), text).toBe(true);
          expect(reading.verdict, text).toEqual({ kind: "winner", winner: shown.truth });
          expect(r1Protocol.parse({ text }), text).toEqual(reading);
          expect(statedWinner(reading.reasoning), text).toBe(shown.truth);
        }
      }
    }
  });

  it("list all that is there, in reading order", () => {
    const record = shapesRecord({ seed: 3, index: 0 });
    const scene = {
      noise: 1,
      label: { text: "7", cell: 4, shift: [0, 0] },
      shapes: [
        { shape: "star", colour: "red", size: "large", cell: 0, shift: [0, 0] },
        { shape: "cross", colour: "blue", size: "small", cell: 8, shift: [0, 0] },
      ],
    } as const;
    expect(shapesReasoning({ ...record, scene }, { phrasing: 1 })).toContain(
      "I see: top left large red star; middle text 7; bottom right small blue cross. ",
    );
    expect(shapesReasoning({ ...record, scene, notes: ["1", null, "2"] }, { phrasing: 0 })).toContain(
      "I see: top left large red star, 1; middle text 7, no; bottom right small blue cross, 2. ",
    );
  });

  it("note after each thing what it has to say to the question", () => {
    for (const { scene, kind, notes, values, truth, finding } of allGrades(160)) {
      const said = notes.filter((note) => note !== null);
      const things = [...scene.shapes, ...(scene.label === undefined ? [] : [scene.label])];
      const places = CELL_NAMES.filter((_, cell) => things.some((thing) => thing.cell === cell));
      const value = values[truth];
      expect(notes).toHaveLength(places.length);
      if (kind === "count") expect(said).toEqual(Array.from({ length: Number(value) }, (_, i) => String(i + 1)));
      else if (kind === "existence") expect(said.length > 0).toBe(value === "yes");
      else if (kind === "relation") {
        // "the red star top left": both things that the finding is about, with their places.
        expect(said).toHaveLength(2);
        for (const note of said) {
          const [place] = places.filter((name) => note.endsWith(` ${name}`)).sort((a, b) => b.length - a.length) as [
            string,
          ];
          expect(finding).toContain(place);
          expect(finding.toLowerCase()).toContain(note.slice(0, -place.length - 1));
        }
      } else if (kind === "size") {
        // "larger is the red star" stands in the notes, and the same is the finding.
        expect(said).toHaveLength(2);
        expect(new Set(said.map((note) => note.split(" ")[0]))).toEqual(new Set(["larger", "smaller"]));
        expect(said.map((note) => `The ${note}.`)).toContain(finding);
        expect(finding).toContain(value);
      } else expect(said).toEqual([value]);
    }
  });
});

describe("the protocol", () => {
  it("asks in at most 90 words, with the picture first", () => {
    const lengths = allGrades(120).map((record) => {
      const { pair } = {
        pair: { id: "x", question: [{ type: "text" as const, text: record.question }], responses: record.answers },
      };
      const [message] = shapesProtocol.prompt(pair);
      return message!.content
        .map((part) => (part.type === "text" ? part.text : ""))
        .join("")
        .split(/\s+/).length;
    });
    expect(Math.max(...lengths)).toBeLessThanOrEqual(90);
    const [message] = shapesProtocol.prompt(shapesPair({ seed: 1, index: 0 }).pair);
    expect(message!.content.map(({ type }) => type)).toEqual(["image", "text"]);
  });
});

/** Undoes the PNG filter 1 in plain loops. */
const decode = (png: Uint8Array): Uint8Array => {
  const view = new DataView(png.buffer, png.byteOffset);
  let at = 8;
  let data: Uint8Array = new Uint8Array(0);
  while (at < png.length) {
    const length = view.getUint32(at);
    if (String.fromCharCode(...png.subarray(at + 4, at + 8)) === "IDAT")
      data = inflateSync(png.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const pixels: number[] = [];
  for (let y = 0; y < 112; y += 1) {
    const row: number[] = [];
    for (let x = 0; x < 336; x += 1) row.push((data[y * 337 + 1 + x]! + (row[x - 3] ?? 0)) & 255);
    pixels.push(...row);
  }
  return Uint8Array.from(pixels);
};

describe("pictures", () => {
  it("go through PNG unchanged, stored or compressed", () => {
    const { pixels, pair } = shapesPair({ seed: 2, index: 5 });
    const [part] = pair.question;
    if (part?.type !== "image" || !("bytes" in part.image)) throw new Error("expected the picture first");
    expect(readImageHeader(part.image.bytes)).toMatchObject({ mediaType: "image/png", width: 112, height: 112 });
    expect(decode(part.image.bytes)).toEqual(pixels);
    const small = encodePng(pixels, { width: 112, height: 112 }, deflateSync);
    expect(decode(small)).toEqual(pixels);
    expect(small.length).toBeLessThan(part.image.bytes.length / 3);
    expect(() => encodePng(pixels, { width: 111, height: 112 })).toThrow(/pixels: expected 37296 bytes/);
  });

  it("store more than one block", () => {
    const pixels = new Uint8Array(112 * 224 * 3).map((_, at) => at % 251);
    const png = encodePng(pixels, { width: 112, height: 224 });
    expect(decode(png).slice(0, 3 * 112)).toEqual(pixels.slice(0, 3 * 112));
  });

  it("show each shape in its colour, at its place, in its size", () => {
    for (const { scene } of allGrades(60)) {
      const pixels = renderScene(scene, plainStyle);
      for (const { shape, colour, size, cell, shift } of scene.shapes) {
        const x = 56 + ((cell % 3) - 1) * 37 + (shift[0] * 3) / 8;
        const y = 56 + (Math.floor(cell / 3) - 1) * 37 + (shift[1] * 3) / 8;
        const off = (dx: number, dy: number) => {
          const at = 3 * (112 * Math.floor(y + dy) + Math.floor(x + dx));
          const want = plainStyle.palette[colour];
          return Math.max(...want.map((value, c) => Math.abs(value - pixels[at + c]!)));
        };
        // 10 of shade and 4 of noise at most; beyond the radius of a small shape only a large one has ink.
        expect(off(0, 0), `${colour} ${shape}`).toBeLessThanOrEqual(14);
        if (shape === "circle") expect(off(10, 0) <= 14, `${size} circle`).toBe(size === "large");
      }
    }
  });

  it("of the other style hold the same scenes and texts", () => {
    const [plain, ood] = (["plain", "ood"] as const).map((style) => shapesPair({ seed: 6, index: 9, style }));
    expect(ood!.scene).toEqual(plain!.scene);
    expect(ood!.pair.responses).toEqual(plain!.pair.responses);
    expect(ood!.pair.id).not.toBe(plain!.pair.id);
    expect(ood!.pixels).not.toEqual(plain!.pixels);
  });
});
