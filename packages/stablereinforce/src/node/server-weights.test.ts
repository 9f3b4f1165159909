import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ModelError } from "@r1reward/core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createEngine, type Engine } from "../engine/index.ts";
import type { ReloadTarget } from "../policy/index.ts";
import { serverWeights, type ServerWeightsOptions } from "./server-weights.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => void (engine = await createEngine({ runtime: "tfjs-cpu" })));
afterAll(() => engine[Symbol.asyncDispose]());
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-served-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const { signal } = new AbortController();

const syncing = (options: Partial<ServerWeightsOptions> = {}) => {
  const targets: ReloadTarget[] = [];
  const models: string[] = [];
  const sync = serverWeights({
    engine,
    folder,
    write: async (path, { w }) => {
      await mkdir(path);
      await writeFile(join(path, "w"), String(w?.data[0]));
    },
    reload: async (target) => (targets.push(target), `m-${target.name}`),
    onLoaded: (model) => void models.push(model),
    ...options,
  });
  const at = async (step: number | undefined, w: number): Promise<void> => {
    const params = { w: engine.tensor(Float32Array.of(w), [1]) };
    await sync(params, { step, signal }).finally(() => engine.dispose(params));
  };
  const steps = (): string[] => targets.map(({ name }) => name.slice(0, -13));
  return { at, targets, models, steps };
};

it("brings the weights at the first step and at every multiple, and after a step back", async () => {
  const { at, steps, models } = syncing({ every: 3 });
  for (const step of [1, 2, 3, 4, 5, 6]) await at(step, step);
  expect(steps()).toEqual(["step-1", "step-3", "step-6"]);
  await at(4, 44); // rolled back: another step 4
  await at(5, 5);
  await at(6, 66);
  expect(steps()).toEqual(["step-1", "step-3", "step-6", "step-4", "step-6"]);
  expect(new Set(models).size).toBe(5); // the second step 6 has another name
});

it("keeps the folder of the last loading alone, and nothing of others", async () => {
  await mkdir(join(folder, "mine"));
  const { at, targets } = syncing();
  await at(0, 1);
  await at(1, 2);
  expect(await readdir(folder)).toEqual(["mine", targets[1]?.name]);
  expect(await readFile(join(targets[1]?.path ?? "", "w"), "utf8")).toBe("2");
});

it("tells the server its own path", async () => {
  const { at, targets } = syncing({ serverFolder: "/mnt/weights/" });
  await at(7, 1);
  expect(targets[0]?.path).toBe(`/mnt/weights/${targets[0]?.name}`);
});

it("leaves nothing behind when the server fails, and tries again", async () => {
  let down = true;
  const reload = async ({ name }: ReloadTarget): Promise<string> => {
    if (down) throw new ModelError("down", { model: "m", retryable: true });
    return name;
  };
  const { at } = syncing({ reload });
  await expect(at(2, 1)).rejects.toThrow("down");
  expect(await readdir(folder)).toEqual([]);
  down = false;
  await at(2, 1);
  expect(await readdir(folder)).toHaveLength(1);
});

it("names the folder that cannot be written", async () => {
  await writeFile(join(folder, "file"), "");
  const { at } = syncing({ folder: join(folder, "file") });
  await expect(at(0, 1)).rejects.toMatchObject({ code: "R1_OUTPUT", message: expect.stringContaining(join(folder, "file")) }); // prettier-ignore
  expect(() => syncing({ every: 0 })).toThrow(/every: expected a whole number from 1/);
});
