/** Brings a TensorFlow.js backend up: `tfjs-cpu`, `tfjs-wasm`, `tfjs-node`, `tfjs-node-gpu`. */
import {
  backend as tfBackend,
  concat,
  gather,
  getBackend,
  grads,
  matMul,
  mul,
  ready,
  setBackend,
  slice,
  softmax,
  sum,
  tensor1d,
  tensor2d,
  tidy,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { messageOf } from "@r1reward/core";
import type { Driver } from "../driver.ts";
import { EngineError, isEngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import { eagerDriver } from "./eager-driver.ts";
import { fillGaps } from "./gaps.ts";
import { builtin, importOptional, inNode } from "./load.ts";

/** Runtimes that run eagerly. */
export type EagerName = "tfjs-node-gpu" | "tfjs-node" | "tfjs-wasm" | "tfjs-cpu";

const PACKAGES: Readonly<Record<EagerName, { readonly name: string; readonly backend: string }>> = {
  "tfjs-cpu": { name: "@tensorflow/tfjs-backend-cpu", backend: "cpu" },
  "tfjs-wasm": { name: "@tensorflow/tfjs-backend-wasm", backend: "wasm" },
  "tfjs-node": { name: "@tensorflow/tfjs-node", backend: "tensorflow" },
  "tfjs-node-gpu": { name: "@tensorflow/tfjs-node-gpu", backend: "tensorflow" },
};

/** tfjs-node calls `util.isNullOrUndefined`, which Node 23 took away: every op would fail (tfjs #8609). */
const restoreUtil = (): void => {
  const util = builtin("node:util") as { isNullOrUndefined?: (x: unknown) => boolean };
  util.isNullOrUndefined ??= (x) => x === null || x === undefined;
};

/** Versions of libtensorflow that the contract suite was run on, oldest and newest: docs/guide/tfjs-node-gpu.md. */
const LIBRARIES = { oldest: [2, 9], newest: [2, 15] } as const;

interface NativeBackend {
  readonly binding?: { readonly TF_Version?: string };
}

/** The version of the library behind the backend `tensorflow`, "unknown" when it does not say. */
const libraryVersion = (): string => (tfBackend() as unknown as NativeBackend).binding?.TF_Version ?? "unknown";

/**
 * Refuses a libtensorflow of another major version, or one whose operations do not take the attributes that the binding
 * sends: they drift between versions, and the first op to fail would be somewhere in the user's step.
 * @throws EngineError `version`
 */
export const checkLibrary = (version: string, probe: () => void): void => {
  const { oldest, newest } = LIBRARIES;
  const known = `tested with ${oldest.join(".")} to ${newest.join(".")}`;
  const major = Number(version.split(".")[0]);
  if (Number.isFinite(major) && major !== oldest[0]) {
    throw new EngineError(`libtensorflow ${version} is not supported: ${known}`, { reason: "version" });
  }
  try {
    probe();
  } catch (cause) {
    const problem = `libtensorflow ${version} refuses operations of the binding (${known}): ${messageOf(cause)}`;
    throw new EngineError(problem, { reason: "version" }, { cause });
  }
};

/** One op of each kind whose attributes have changed between versions. */
const probeOps = (): void =>
  tidy(() => {
    const x = tensor2d([1, 2, 3, 4], [2, 2]);
    const picked = gather(softmax(matMul(x, x, false, true)), tensor1d([1, 0], "int32"));
    const [grad] = grads((y) => sum(mul(y, concat([slice(x, [0, 0], [1, 2]), slice(x, [1, 0], [1, 2])]))))([picked]);
    (grad as Tensor).dataSync();
  });

/**
 * A driver over one TensorFlow.js backend.
 * @throws EngineError `no-runtime` when the package is absent, does not load, or its backend does not start;
 *   `version` when libtensorflow is one that the binding does not fit
 */
export const loadEager = async (name: EagerName): Promise<Driver> => {
  const wanted = PACKAGES[name];
  const native = wanted.backend === "tensorflow";
  if (native && !inNode()) throw new EngineError(`${wanted.name} needs Node`, { reason: "no-runtime" });
  if (native) restoreUtil();
  await importOptional(wanted.name, `npm install ${wanted.name}`);
  registerGradients();
  try {
    const started = await setBackend(wanted.backend);
    await ready();
    if (started && getBackend() === wanted.backend) {
      fillGaps(wanted.backend);
      if (native) checkLibrary(libraryVersion(), probeOps);
      return eagerDriver(wanted.backend);
    }
  } catch (cause) {
    if (isEngineError(cause)) throw cause;
    throw new EngineError(`${wanted.name}: its backend does not start`, { reason: "no-runtime" }, { cause });
  }
  throw new EngineError(`${wanted.name}: its backend ${wanted.backend} does not start`, { reason: "no-runtime" });
};
