import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folderStore } from "../node/folder-store.ts";
import type { Snapshot } from "../train/types.ts";
import { encodeManifest } from "./manifest.ts";
import { loadCheckpoint, memoryStore, saveCheckpoint, type CheckpointStore } from "./index.ts";

let root = "";
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), "r1reward-checkpoint-"))));
afterAll(() => rm(root, { recursive: true, force: true }));

const tensor = (values: number[], shape = [values.length]) => ({
  data: Float32Array.from(values),
  shape,
  dtype: "float32" as const,
});
const snapshot = (step: number): Snapshot => ({
  step,
  weights: { "layers.0.w": tensor([step, -0, NaN, 1e-45], [2, 2]), b: tensor([1 / 3]) },
  optimiser: { "m.b": tensor([0.1]), "v.b": tensor([Infinity]), step: tensor([step], []) },
  state: { seed: 1, klCoef: 0.1 + 0.2, nested: { list: [1, null, "x"] } },
});

let folders = 0;
const stores: readonly [string, () => CheckpointStore][] = [
  ["memory", memoryStore],
  ["folder", () => folderStore(join(root, `store-${folders++}`, "deep"))],
];

describe.each(stores)("in %s", (_name, make) => {
  it("comes back bit for bit, cut into files or not", async () => {
    for (const [maxFileBytes, count] of [
      [1, 6],
      [9, 5],
      [2 ** 30, 3],
    ] as const) {
      const store = make();
      const meta = { model: "tiny" };
      const name = await saveCheckpoint(store, snapshot(12), { meta, maxFileBytes });
      expect(name).toBe("step-000000012.0");
      expect(await loadCheckpoint(store)).toEqual({ name, snapshot: snapshot(12), meta, refused: [] });
      const files = await store.list();
      expect(files).toHaveLength(count);
    }
  });

  it("is the latest, or the one asked for; older ones go when told so", async () => {
    const store = make();
    expect(await loadCheckpoint(store)).toBeNull();
    for (const step of [1, 2, 10, 9]) await saveCheckpoint(store, snapshot(step));
    expect((await loadCheckpoint(store))?.snapshot.step).toBe(10);
    expect((await loadCheckpoint(store, { step: 2 }))?.snapshot).toEqual(snapshot(2));
    await expect(loadCheckpoint(store, { step: 3 })).rejects.toMatchObject({
      code: "R1_CHECKPOINT",
      problem: "incomplete",
    });
    await saveCheckpoint(store, snapshot(11), { keep: 2 });
    expect(new Set((await store.list()).map((path) => path.split("/")[0]))).toEqual(
      new Set(["step-000000011.0", "step-000000010.0"]),
    );
    await expect(saveCheckpoint(store, snapshot(1), { keep: 0 })).rejects.toThrow(/keep/);
  });

  it("never writes over a checkpoint of the same step", async () => {
    const store = make();
    await saveCheckpoint(store, snapshot(5));
    const other = { ...snapshot(5), state: { seed: 2 } };
    expect(await saveCheckpoint(store, other)).toBe("step-000000005.1");
    expect((await loadCheckpoint(store))?.snapshot).toEqual(other);
    await store.remove("step-000000005.1/weights-00000.safetensors");
    const found = await loadCheckpoint(store);
    expect(found?.snapshot).toEqual(snapshot(5));
    expect(found?.refused).toMatchObject([{ name: "step-000000005.1", problem: /expected this file/ }]);
  });

  it("survives a store that fails at any write: what was there before remains, leftovers go with the next save", async () => {
    for (let failing = 1; failing <= 3; failing++) {
      const store = make();
      await saveCheckpoint(store, snapshot(1));
      const broken = { writes: 0 };
      const flaky: CheckpointStore = {
        ...store,
        write: async (path, bytes) => {
          broken.writes += 1;
          if (broken.writes === failing) throw new Error("disk full");
          await store.write(path, bytes);
        },
      };
      await expect(saveCheckpoint(flaky, snapshot(2))).rejects.toThrow("disk full");
      expect(await loadCheckpoint(store)).toMatchObject({ snapshot: { step: 1 }, refused: [] });
      await saveCheckpoint(store, snapshot(3));
      expect((await store.list()).filter((path) => path.startsWith("step-000000002"))).toEqual([]);
    }
  });

  it("notices every changed byte, and every missing one", async () => {
    const store = make();
    await saveCheckpoint(store, snapshot(1));
    await saveCheckpoint(store, snapshot(2));
    const files = (await store.list()).filter((path) => path.startsWith("step-000000002"));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (path, where, flip, cut) => {
          const whole = (await store.read(path)) as Uint8Array;
          const at = where % whole.length;
          const damaged = cut ? whole.slice(0, at) : whole.map((byte, i) => (i === at ? byte ^ flip : byte));
          await store.write(path, damaged);
          const found = await loadCheckpoint(store);
          await store.write(path, whole);
          // the line feed at the manifest's end, or blanks for it, are not part of what it says
          const harmless =
            path.endsWith("manifest.json") &&
            at === whole.length - 1 &&
            (cut || /\s/.test(String.fromCharCode(10 ^ flip)));
          if (!harmless)
            expect(found).toMatchObject({ snapshot: { step: 1 }, refused: [{ name: "step-000000002.0" }] });
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("a manifest from a stranger", () => {
  const plant = async (manifest: object): Promise<CheckpointStore> => {
    const store = memoryStore();
    await store.write("step-000000001.0/manifest.json", await encodeManifest(manifest as never));
    return store;
  };
  const base = { step: 1, files: [], state: {}, meta: {} };
  it.each([
    [{ ...base, files: [{ name: "../../etc/passwd", bytes: 1, sha256: "x" }] }, /expected step, files/],
    [{ ...base, files: [{ name: "weights-00000.safetensors", bytes: "1", sha256: "x" }] }, /expected step, files/],
    [{ ...base, step: 2 }, /expected step 1, got 2/],
    [{ ...base, state: [] }, /expected step, files/],
    [{ step: 1 }, /expected step, files/],
  ])("is refused: %#", async (manifest, message) => {
    await expect(loadCheckpoint(await plant(manifest))).rejects.toThrow(message);
  });

  it("says so when every checkpoint is damaged, and never begins anew in silence", async () => {
    const store = memoryStore();
    await store.write("step-000000001.0/manifest.json", new TextEncoder().encode("{"));
    await expect(loadCheckpoint(store)).rejects.toThrow(/no whole checkpoint: .*truncated or damaged/);
  });
});

describe("a folder", () => {
  it("refuses paths that lead out of it, and takes files of others for what they are", async () => {
    const folder = join(root, "paths");
    const store = folderStore(`${folder}/`);
    for (const path of ["../x", "a/../../x", "/etc/passwd", "a//b", "a\\b", "."]) {
      expect(() => store.read(path)).toThrow(/expected a plain relative path/);
    }
    await saveCheckpoint(store, snapshot(1));
    await writeFile(join(folder, "notes.txt"), "mine");
    await saveCheckpoint(store, snapshot(2), { keep: 1 });
    expect((await readdir(folder)).sort()).toEqual(["notes.txt", "step-000000002.0"]);
    expect(await readFile(join(folder, "notes.txt"), "utf8")).toBe("mine");
  });

  it("names the file when the disk refuses", async () => {
    const file = join(root, "a-file");
    await writeFile(file, "");
    await expect(saveCheckpoint(folderStore(join(file, "x")), snapshot(1))).rejects.toMatchObject({
      code: "R1_CHECKPOINT",
      problem: "io",
    });
  });
});
