/** Brings a TensorFlow.js backend up: `tfjs-cpu`, `tfjs-wasm`, `tfjs-node`, `tfjs-node-gpu`. */
import {
  getBackend,
  getKernel,
  ready,
  registerKernel,
  setBackend,
  type DataId,
  type DataType,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { Driver } from "../driver.ts";
import { EngineError } from "../errors.ts";
import { registerGradients } from "../gradients/register.ts";
import { eagerDriver } from "./eager-driver.ts";
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

interface Storage {
  readonly readSync: (id: DataId) => Float32Array | Int32Array;
  readonly write: (values: Float32Array | Int32Array, shape: number[], dtype: DataType) => DataId;
}

/** Rows summed by id, in order; ids outside are dropped. */
const segmentSum: KernelFunc = ({ inputs, backend, attrs }) => {
  const [x, ids] = [inputs["x"] as TensorInfo, inputs["segmentIds"] as TensorInfo];
  const { numSegments: rows } = attrs as { numSegments: number };
  const [values, places] = [x, ids].map((info) => (backend as Storage).readSync(info.dataId));
  const shape = [rows, ...x.shape.slice(ids.shape.length)];
  const inner = shape.slice(1).reduce((product, n) => product * n, 1);
  const out = x.dtype === "int32" ? new Int32Array(rows * inner) : new Float32Array(rows * inner);
  (places ?? []).forEach((row, i) => {
    if (row < 0 || row >= rows) return;
    for (let e = 0; e < inner; e++) out[row * inner + e] = (out[row * inner + e] ?? 0) + (values?.[i * inner + e] ?? 0);
  });
  return { dataId: (backend as Storage).write(out, shape, x.dtype), shape, dtype: x.dtype };
};

/** The gradient of a gather needs a kernel that the wasm backend lacks. */
const fillGaps = (backendName: string): void => {
  if (getKernel("UnsortedSegmentSum", backendName) !== undefined) return;
  registerKernel({ kernelName: "UnsortedSegmentSum", backendName, kernelFunc: segmentSum });
};

/**
 * A driver over one TensorFlow.js backend.
 * @throws EngineError `no-runtime` when the package is absent, does not load, or its backend does not start
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
      return eagerDriver(wanted.backend);
    }
  } catch (cause) {
    throw new EngineError(`${wanted.name}: its backend does not start`, { reason: "no-runtime" }, { cause });
  }
  throw new EngineError(`${wanted.name}: its backend ${wanted.backend} does not start`, { reason: "no-runtime" });
};
