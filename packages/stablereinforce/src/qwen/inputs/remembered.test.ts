import { describe, expect, it } from "vitest";
import type { FoundMedia } from "./media-input.ts";
import { rememberMedia } from "./remembered.ts";
import type { VisualInput } from "./types.ts";

const media = (sha256: string, kind: "image" | "video" = "image", width = 2): FoundMedia => ({
  where: "messages[0].content[0]",
  kind,
  frames: [{ mediaType: "image/png", width: 28, height: 28, base64: new Uint8Array(), sha256 }],
  grid: [1, 2, width],
  secondsPerGrid: 0,
});

/** Counts how often a picture is made; each weighs `floats` · 4 bytes. */
const maker = (floats = 10) => {
  const made: string[] = [];
  const make = (name: string) => async (): Promise<VisualInput> => {
    made.push(name);
    await Promise.resolve();
    return { patches: new Float32Array(floats), grid: [1, 2, 2] };
  };
  return { made, make };
};

describe("rememberMedia", () => {
  it("makes a picture once, also for two that ask at a time", async () => {
    const remembered = rememberMedia(1000);
    const { made, make } = maker();
    const [a, b] = await Promise.all([remembered(media("a"), make("a")), remembered(media("a"), make("a"))]);
    expect(await remembered(media("a"), make("a"))).toBe(a);
    expect(b).toBe(a);
    expect(made).toEqual(["a"]);
  });

  it("tells other bytes, other grids, and videos from images", async () => {
    const remembered = rememberMedia(1000);
    const { made, make } = maker();
    for (const [n, one] of [media("a"), media("b"), media("a", "video"), media("a", "image", 4)].entries())
      await remembered(one, make(String(n)));
    expect(made).toEqual(["0", "1", "2", "3"]);
  });

  it("forgets those used longest ago when its room is full", async () => {
    const remembered = rememberMedia(80); // two of 40 bytes
    const { made, make } = maker();
    for (const name of ["a", "b", "a", "c", "a", "b"]) await remembered(media(name), make(name));
    expect(made).toEqual(["a", "b", "c", "b"]);
  });

  it("keeps what it has when one comes that is larger than its room", async () => {
    const remembered = rememberMedia(80);
    const [small, large] = [maker(), maker(100)];
    await remembered(media("a"), small.make("a"));
    await remembered(media("large"), large.make("large"));
    await remembered(media("large"), large.make("large"));
    await remembered(media("a"), small.make("a"));
    expect([small.made, large.made]).toEqual([["a"], ["large", "large"]]);
  });

  it("does not remember a failure: the next one, and whoever waited for it, finds out for itself", async () => {
    const remembered = rememberMedia(1000);
    const { made, make } = maker();
    const failing = remembered(media("a"), () => Promise.reject(new Error("broken")));
    const waiting = remembered(media("a"), make("a"));
    await expect(failing).rejects.toThrow("broken");
    expect((await waiting).patches).toHaveLength(10);
    expect(made).toEqual(["a"]);
  });
});
