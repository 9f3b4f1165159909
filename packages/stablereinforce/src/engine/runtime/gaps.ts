/** Kernels of TensorFlow.js backends that are missing or wrong, replaced when the engine starts the backend. */
import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type DataId,
  type DataType,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";

interface Storage {
  readonly readSync: (id: DataId) => Float32Array | Int32Array | Uint8Array;
  readonly write: (values: Float32Array | Int32Array | Uint8Array, shape: number[], dtype: DataType) => DataId;
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

/** `where` over bools. A vector condition chooses rows. */
const selectBool: KernelFunc = ({ inputs, backend }) => {
  const [condition, t, e] = ["condition", "t", "e"].map((name) => inputs[name] as TensorInfo) as [
    TensorInfo,
    TensorInfo,
    TensorInfo,
  ];
  const [choose, yes, no] = [condition, t, e].map((info) => (backend as Storage).readSync(info.dataId));
  const out = new Uint8Array(yes?.length ?? 0);
  const each = out.length / Math.max(1, choose?.length ?? 1);
  for (let i = 0; i < out.length; i++) {
    const from = choose?.[Math.floor(i / each)] !== 0 ? yes : no;
    out[i] = from?.[i] === 0 ? 0 : 1;
  }
  return { dataId: (backend as Storage).write(out, t.shape, "bool"), shape: t.shape, dtype: "bool" };
};

/**
 * tfjs-backend-wasm 4.22 treats every element of `Select` as four bytes: on bools, which have one, it writes past the end
 * of its output and corrupts the heap ("memory access out of bounds", some operations later).
 */
const guardSelect = (backendName: string): void => {
  const theirs = getKernel("Select", backendName);
  if (theirs === undefined || guarded.has(theirs.kernelFunc)) return;
  const kernelFunc: KernelFunc = (call) =>
    ((call.inputs["t"] as TensorInfo).dtype === "bool" ? selectBool : theirs.kernelFunc)(call);
  guarded.add(kernelFunc);
  unregisterKernel("Select", backendName);
  registerKernel({ ...theirs, kernelFunc });
};
const guarded = new WeakSet<KernelFunc>();

/** Adds what is missing and replaces what is wrong, once. */
export const fillGaps = (backendName: string): void => {
  if (backendName === "wasm") guardSelect(backendName);
  if (getKernel("UnsortedSegmentSum", backendName) !== undefined) return; // the gradient of a gather needs it; wasm has none
  registerKernel({ kernelName: "UnsortedSegmentSum", backendName, kernelFunc: segmentSum });
};
