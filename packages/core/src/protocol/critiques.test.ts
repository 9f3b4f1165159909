import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Reading } from "../interfaces.ts";
import type { FinishReason } from "../types.ts";
import { plainProtocol } from "./plain.ts";
import { r1Protocol } from "./r1.ts";
import { rmR1Protocol } from "./rm-r1.ts";
import { unifiedRewardProtocol, unifiedRewardThinkProtocol } from "./unified-reward.ts";
import { hasR1Format } from "./verdict-scanner.ts";

interface Critique {
  because: string;
  protocol: string;
  finishReason?: FinishReason;
  reading: Partial<Reading>;
  r1Format?: boolean;
}

const FOLDER = new URL("./fixtures/critiques/", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, FOLDER), "utf8");

const files = readdirSync(FOLDER).filter((file) => !file.endsWith(".md"));
const names = [...new Set(files.map((file) => file.replace(/\.(txt|json)$/, "")))];
const protocols = [r1Protocol, plainProtocol, unifiedRewardProtocol, unifiedRewardThinkProtocol, rmR1Protocol];

describe("critiques", () => {
  it("come in pairs", () => {
    expect(names.length).toBeGreaterThan(30);
    expect(files.sort()).toEqual(names.flatMap((name) => [`${name}.json`, `${name}.txt`]).sort());
  });

  it.each(names)("%s", (name) => {
    const { because, protocol: wanted, finishReason, reading, r1Format } = JSON.parse(read(`${name}.json`)) as Critique;
    const text = read(`${name}.txt`);
    const protocol = protocols.find((candidate) => candidate.name === wanted);
    if (protocol === undefined) throw new Error(`${name}.json names a protocol that does not exist: ${wanted}`);
    expect(reading.verdict, "a critique must say which verdict it gives").toBeDefined();
    expect(protocol.parse(finishReason === undefined ? { text } : { text, finishReason }), because).toMatchObject(
      reading,
    );
    if (r1Format !== undefined) expect(hasR1Format(text), `${because} (format)`).toBe(r1Format);
  });
});
