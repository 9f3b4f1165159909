/** Brings a TensorFlow.js backend up: `tfjs-cpu`, `tfjs-wasm`, `tfjs-node`, `tfjs-node-gpu`. */
import { setBackend, getBackend, ready } from "@tensorflow/tfjs-core";
import type { Driver } from "../driver.ts";
import { EngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import { eagerDriver } from "./eager-driver.ts";
import { importOptional, inNode } from "./load.ts";

/** Runtimes that run eagerly. */
export type EagerName = "tfjs-node-gpu" | "tfjs-node" | "tfjs-wasm" | "tfjs-cpu";

const PACKAGES: Readonly<Record<EagerName, { readonly name: string; readonly backend: string }>> = {
  "tfjs-cpu": { name: "@tensorflow/tfjs-backend-cpu", backend: "cpu" },
  "tfjs-wasm": { name: "@tensorflow/tfjs-backend-wasm", backend: "wasm" },
  "tfjs-node": { name: "@tensorflow/tfjs-node", backend: "tensorflow" },
  "tfjs-node-gpu": { name: "@tensorflow/tfjs-node-gpu", backend: "tensorflow" },
};

/** tfjs-node calls `util.isNullOrUndefined`, which Node 23 took away: every op would fail (tfjs #8609). */
const restoreUtil = async (): Promise<void> => {
  const module = await import("node:module");
  const util = module.createRequire(import.meta.url)("node:util") as { isNullOrUndefined?: (x: unknown) => boolean };
  util.isNullOrUndefined ??= (x) => x === null || x === undefined;
};

/**
 * A driver over one TensorFlow.js backend.
 * @throws EngineError `no-runtime` when the package is absent, does not load, or its backend does not start
 */
export const loadEager = async (name: EagerName): Promise<Driver> => {
  const wanted = PACKAGES[name];
  const native = wanted.backend === "tensorflow";
  if (native && !inNode()) throw new EngineError(`${wanted.name} needs Node`, { reason: "no-runtime" });
  if (native) await restoreUtil();
  await importOptional(wanted.name, `npm install ${wanted.name}`);
  registerGradients();
  try {
    const started = await setBackend(wanted.backend);
    await ready();
    if (started && getBackend() === wanted.backend) return eagerDriver(wanted.backend);
  } catch (cause) {
    throw new EngineError(`${wanted.name}: its backend does not start`, { reason: "no-runtime" }, { cause });
  }
  throw new EngineError(`${wanted.name}: its backend ${wanted.backend} does not start`, { reason: "no-runtime" });
};
