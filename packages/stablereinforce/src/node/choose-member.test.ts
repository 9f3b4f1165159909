import type { LoadedPart, Message } from "@r1reward/core";
import { describe, expect, it } from "vitest";
import { chooser, type Loaded } from "./choose-member.ts";

const chat = (sha256?: string): Message<LoadedPart>[] => {
  const image = { mediaType: "image/png" as const, width: 28, height: 28, base64: new Uint8Array() };
  const picture = sha256 === undefined ? [] : [{ type: "image" as const, image: { ...image, sha256 } }];
  return [{ role: "user", content: [{ type: "text", text: "?" }, ...picture] }];
};
const members = (...loads: number[]) =>
  loads.map((sequences, name) => ({
    name,
    dead: undefined as Error | undefined,
    waiting: new Map<number, Loaded>(sequences === 0 ? [] : [[1, { sequences, reject: () => undefined }]]),
  }));
const give = (member: ReturnType<typeof members>[number] | undefined, sequences: number): void =>
  void member?.waiting.set(100 + member.waiting.size, { sequences, reject: () => undefined });

describe("chooser", () => {
  it("gives a chat without pictures to the one with least to do", () => {
    expect(chooser(members(3, 1, 2))(chat()).name).toBe(1);
  });

  it("gives both orders of a pair to the one that has seen its picture", () => {
    const pool = members(0, 0);
    const choose = chooser(pool);
    const first = choose(chat("a"));
    give(first, 1);
    expect(choose(chat("a"))).toBe(first);
    expect(choose(chat("b"))).not.toBe(first);
  });

  it("but not when that one has much more to do, or is dead", () => {
    const pool = members(0, 0);
    const choose = chooser(pool);
    const first = choose(chat("a"));
    give(first, 3);
    const second = choose(chat("a"));
    expect(second).not.toBe(first);
    second.dead = new Error("gone");
    expect(choose(chat("a"))).toBe(first);
  });

  it("asks the dead when there are no others: they say why", () => {
    const pool = members(0, 0);
    for (const member of pool) member.dead = new Error("gone");
    expect(pool).toContain(chooser(pool)(chat("a")));
  });

  it("forgets pictures in time", () => {
    const pool = members(0, 5);
    const choose = chooser(pool);
    expect(choose(chat("a")).name).toBe(0);
    give(pool[0], 6); // within the slack of the other one
    for (let i = 0; i < 1024; i++) choose(chat(`other ${i}`));
    expect(choose(chat("a")).name).toBe(1);
  });
});
