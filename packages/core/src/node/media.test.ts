import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gif, png, pngBomb } from "../../test/images.ts";
import { frameIndices } from "../media/frames.ts";
import { inlineMedia } from "../media/inline.ts";
import { sharedWork } from "./media-cache.ts";
import { isWithin } from "./media-files.ts";
import { nodeMedia } from "./media.ts";
import { listFrames } from "./video-folder.ts";

let base = "";
let root = "";
const at = (name: string): string => join(root, name);
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "r1-media-")));
  root = join(base, "images");
  await mkdir(join(root, "sub"), { recursive: true });
  await mkdir(join(base, "images-secret"));
  await writeFile(join(base, "secret.png"), png(9, 9));
  await writeFile(join(base, "images-secret", "a.png"), png(9, 9));
  await writeFile(at("a.png"), png(40, 30));
  await writeFile(at("sub/ünïcode name.png"), png(8, 8));
  await symlink(join(base, "secret.png"), at("out.png"));
  await symlink(at("a.png"), at("in.png"));
  await symlink(base, at("up"));
  await symlink(root, join(base, "alias"));
});
afterAll(() => rm(base, { recursive: true }));

const reason = (source: Parameters<ReturnType<typeof nodeMedia>["image"]>[0], options = {}) =>
  nodeMedia({ root, ...options })
    .image(source)
    .then(
      () => "fine",
      (error: { reason?: string; code?: string }) => error.reason ?? error.code,
    );

describe("nodeMedia: files", () => {
  it("loads a file below the root to what inlineMedia makes of its bytes", async () => {
    const expected = await inlineMedia().image({ bytes: png(40, 30) });
    const media = nodeMedia({ root });
    for (const path of ["a.png", "./sub/../a.png", at("a.png"), "in.png"]) {
      expect(await media.image({ path })).toEqual(expected);
    }
    expect(await media.image({ bytes: png(40, 30) })).toEqual(expected);
    expect(await media.image({ dataUri: `data:;base64,${png(40, 30).toString("base64")}` })).toEqual(expected);
    expect(await reason({ path: "sub/ünïcode name.png" })).toBe("fine");
  });

  it("takes a root that is a link itself, and a relative one", async () => {
    expect(await reason({ path: "a.png" }, { root: join(base, "alias") })).toBe("fine");
    expect(await reason({ path: at("a.png") }, { root: join(base, "alias") })).toBe("fine");
    expect(await reason({ path: join(base, "alias", "a.png") }, { root: join(base, "alias") })).toBe("fine");
  });

  it.each([
    ["outside-root", "../secret.png"],
    ["outside-root", "sub/../../secret.png"],
    ["outside-root", "../images-secret/a.png"],
    ["outside-root", "out.png"],
    ["outside-root", "up/secret.png"],
    ["outside-root", "/etc/passwd"],
    ["outside-root", "/proc/self/environ"],
    ["outside-root", "/dev/zero"],
    ["outside-root", "/no/such/file"],
    ["outside-root", "a.png\0.txt"],
    ["not-found", "..%2fsecret.png"],
    ["not-found", "..\\secret.png"],
    ["not-found", "\\\\server\\share\\a.png"],
    ["not-found", "missing.png"],
    ["not-found", "file:///etc/passwd"],
    ["not-found", "a.png/b.png"],
    ["not-a-file", "sub"],
    ["not-a-file", "."],
  ])("refuses with %s: %s", async (expected, path) => expect(await reason({ path })).toBe(expected));

  it("knows a folder from another whose name starts alike", () => {
    expect(isWithin("/a/b", "/a/b/c")).toBe(true);
    expect(isWithin("/a/b", "/a/bc")).toBe(false);
    expect(isWithin("/", "/etc")).toBe(true);
  });

  it("refuses devices, FIFOs and the process's own environment without hanging, whatever the root", async () => {
    execFileSync("mkfifo", [at("pipe.png")]);
    expect(await reason({ path: "pipe.png" })).toBe("not-a-file");
    expect(await reason({ path: "/dev/zero" }, { root: "/" })).toBe("not-a-file");
    expect(await reason({ path: "/proc/self/environ" }, { root: "/" })).toBe("empty");
  });

  it("refuses paths without a root and URLs without hosts", async () => {
    expect(await reason({ path: "a.png" }, { root: undefined })).toBe("path-not-allowed");
    expect(await reason({ url: "https://images.example/a.png" })).toBe("host-not-allowed");
  });

  it("refuses bombs, animations, SVG, text and broken images by their bytes, not their names", async () => {
    const files: Record<string, [Buffer, string]> = {
      "bomb.png": [pngBomb(30_000, 30_000), "too-many-pixels"],
      "frames.png": [gif(5, 5, 10_000), "too-many-frames"],
      "vector.png": [Buffer.from(`<svg><image href="file:///etc/passwd"/></svg>`), "svg"],
      "text.png": [Buffer.from("just some text here"), "unsupported-format"],
      "cut.png": [png(40, 30).subarray(0, 60), "truncated"],
      "empty.png": [Buffer.alloc(0), "empty"],
    };
    for (const [name, [bytes, expected]] of Object.entries(files)) {
      await writeFile(at(name), bytes);
      expect(await reason({ path: name }), name).toBe(expected);
    }
    expect(await reason({ path: "a.png" }, { limits: { maxBytes: 20 } })).toBe("too-many-bytes");
  });
});

describe("nodeMedia: once", () => {
  it("reads and encodes an image once, and again when the file has changed", async () => {
    const media = nodeMedia({ root });
    await writeFile(at("changing.png"), png(10, 10));
    const first = await media.image({ path: "changing.png" });
    expect(await media.image({ path: "changing.png" })).toBe(first);
    const [one, two] = await Promise.all([media.image({ path: "a.png" }), media.image({ path: at("a.png") })]);
    expect(one).toBe(two);
    await writeFile(at("changing.png"), png(11, 11));
    await utimes(at("changing.png"), 1, 1);
    expect((await media.image({ path: "changing.png" })).width).toBe(11);
  });

  it("downloads a URL once for both orders", async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked++;
      response.end(png(6, 6));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    {
      await using media = nodeMedia({ hosts: [host], allowPrivateHosts: [host] });
      const source = { url: `http://${host}/a` };
      const [one, two] = await Promise.all([media.image(source), media.image({ ...source })]);
      expect(one).toBe(two);
      expect(await media.image(source)).toBe(one);
    }
    expect(asked).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("sharedWork", () => {
  it("drops the least recently used values over its budget", async () => {
    const work = sharedWork<string>(10, (value) => value.length);
    let made = 0;
    const get = (key: string) => work.get(key, async () => (made++, key.repeat(4)));
    await get("a");
    await get("b");
    await get("a");
    await get("c"); // 12 bytes: b goes
    expect([work.bytes, made]).toEqual([8, 3]);
    await get("a");
    expect(made).toBe(3);
    await get("b");
    expect(made).toBe(4);
    expect(work.bytes).toBe(8);
  });

  it("keeps no failure, and lets one caller's abort leave the others alone", async () => {
    const work = sharedWork<number>(10, () => 1);
    await expect(work.get("x", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await work.get("x", async () => 1)).toBe(1);

    const controller = new AbortController();
    let stopped = false;
    let finish: (value: number) => void = () => undefined;
    const make = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => (stopped = true));
      return new Promise<number>((resolve) => (finish = resolve));
    };
    const leaving = work.get("y", make, controller.signal);
    const staying = work.get("y", make);
    controller.abort();
    await expect(leaving).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(stopped).toBe(false);
    finish(7);
    expect(await staying).toBe(7);

    const alone = new AbortController();
    const left = work.get("z", make, alone.signal);
    alone.abort();
    await expect(left).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(stopped).toBe(true);
    // What was given up is made anew for the next caller.
    expect(await work.get("z", async () => 3)).toBe(3);
  });
});

describe("nodeMedia: videos", () => {
  beforeAll(async () => {
    await mkdir(at("video/inner"), { recursive: true });
    // The width says which frame it is.
    for (let k = 1; k <= 12; k++) await writeFile(at(`video/${k}.png`), png(k, 10));
    await writeFile(at("video/notes.txt"), "no frame");
    await writeFile(at("video/.hidden.png"), png(1, 1));
    await mkdir(at("empty"));
    await mkdir(at("mixed"));
    await copyFile(at("a.png"), at("mixed/1.png"));
    await symlink(join(base, "secret.png"), at("mixed/2.png"));
  });
  const widths = async (options: object, source = { folder: "video" }) => {
    const video = await nodeMedia({ root, ...options }).video(source);
    return video.frames.map(({ width }) => width);
  };

  it("samples 32 frames by name in code-point order, as the published evaluations do", async () => {
    const byName = [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(await widths({})).toEqual(frameIndices(12, 32).map((index) => byName[index]));
    const video = await nodeMedia({ root }).video({ folder: at("video") });
    expect([video.fps, video.frames.length]).toEqual([2, 32]);
    expect(video.frames[0]).toBe(video.frames[1]);
  });

  it("samples otherwise when told, and says so in its fingerprint", async () => {
    expect(await widths({ frames: 4, frameOrder: "natural" })).toEqual([1, 4, 8, 12]); // 0, 11/3, 22/3, 11 truncated
    const prints = [{}, { frames: 4 }, { fps: 1 }, { frameOrder: "natural" }, { resize: true }, { maxPixels: 5000 }];
    expect(new Set(prints.map((options) => nodeMedia(options as object).fingerprint)).size).toBe(prints.length);
  });

  it("refuses folders outside, links to files outside, and folders without frames", async () => {
    const failed = (folder: string) => expect(nodeMedia({ root }).video({ folder })).rejects;
    await failed("..").toMatchObject({ reason: "outside-root" });
    await failed("mixed").toMatchObject({ reason: "outside-root" });
    await failed("empty").toMatchObject({ reason: "no-frames" });
    await failed("missing").toMatchObject({ reason: "not-found" });
    await failed("a.png").toMatchObject({ reason: "not-found" });
    await failed("a.png").toThrow(/a\.png": expected a folder of frames, got a file/);
    await expect(listFrames(at("empty"))).rejects.toThrow(/no image files/);
    await expect(nodeMedia({ limits: { maxVideoFrames: 1 } }).video({ frames: [] })).rejects.toThrow(/at least 1/);
  });

  it("refuses options that cannot work", () => {
    expect(() => nodeMedia({ frames: 0 })).toThrow(/count: expected a positive integer/);
    expect(() => nodeMedia({ fps: 0 })).toThrow(/fps/);
    expect(() => nodeMedia({ resize: false, maxPixels: 5000 })).toThrow(/resize is false/);
    expect(() => nodeMedia({ maxPixels: 100 })).toThrow(/minPixels ≤ maxPixels/);
    expect(() => nodeMedia({ jpegQuality: 101 })).toThrow(/jpegQuality/);
  });
});
