/** Large tensors, some of their bytes at a time: one window is filled while the other is looked at. */
import { throwIfAborted } from "@r1reward/core";
import { bytesPerElement } from "../safetensors/dtype.ts";
import { tensorFrom } from "../safetensors/format.ts";
import { bf16ToFloat32, f16ToFloat32 } from "../safetensors/half.ts";
import type { SafetensorsEntry, SafetensorsTensor } from "../safetensors/types.ts";
import { assertFinite, toFloat32 } from "../safetensors/values.ts";

/** A tensor in a file. */
export interface PlacedTensor {
  readonly entry: SafetensorsEntry;
  /** What errors call the file. */
  readonly file: string;
  /** Fills `bytes` with those of the tensor from `at` on. */
  readonly read: (bytes: Uint8Array, at: number) => Promise<Uint8Array>;
}

/** Most bytes of a window: few enough for the processor's cache. A multiple of every dtype's width. */
const WINDOW = 2 ** 20;

/** Where bytes of a tensor are read to, `at` and how many. */
type Place = (at: number, length: number) => Uint8Array;

/** Two windows in turn. */
const inTurn = (size: number): Place => {
  const windows = [0, 1].map(() => new Uint8Array(Math.min(WINDOW, size)));
  return (at, length) => (windows[(at / WINDOW) % 2] as Uint8Array).subarray(0, length);
};

/** Reads a tensor through windows. Each is checked for NaN and handed over, with the number of elements before it. */
const through = async (
  { entry, file, read }: PlacedTensor,
  [place, signal]: readonly [Place, AbortSignal | undefined],
  each: (part: SafetensorsTensor, before: number) => void,
): Promise<void> => {
  const size = entry.end - entry.begin;
  const width = bytesPerElement(entry.dtype);
  const begin = (at: number): Promise<Uint8Array> => read(place(at, Math.min(WINDOW, size - at)), at);
  let next = begin(0);
  for (let at = 0; at < size; at += WINDOW) {
    throwIfAborted(signal);
    const bytes = await next;
    if (at + WINDOW < size) next = begin(at + WINDOW);
    next.catch(() => undefined); // awaited in the next round, if there is one
    const part = tensorFrom(entry, bytes);
    assertFinite(file, entry.name, part, at / width);
    each(part, at / width);
  }
};

/** See `TensorSource.check`. */
export const checkNumbers = async (tensor: PlacedTensor, signal: AbortSignal | undefined): Promise<void> => {
  throwIfAborted(signal);
  const { begin, end } = tensor.entry;
  await through(tensor, [inTurn(end - begin), signal], () => undefined);
};

const widen = ({ dtype, data, shape }: SafetensorsTensor, out: Float32Array): void => {
  if (dtype === "BF16") bf16ToFloat32(data as Uint16Array, out);
  else if (dtype === "F16") f16ToFloat32(data as Uint16Array, out);
  else out.set(toFloat32({ dtype, data, shape } as SafetensorsTensor));
};

/** See `TensorSource.readFloats`. Float32 is read where it is to be; anything else goes through windows. */
export const readFloats = async (
  tensor: PlacedTensor,
  into: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> => {
  throwIfAborted(signal);
  const { dtype, begin, end } = tensor.entry;
  if (dtype === "F32") {
    const there: Place = (at, length) => new Uint8Array(into.buffer, into.byteOffset + at, length);
    return through(tensor, [there, signal], () => undefined);
  }
  await through(tensor, [inTurn(end - begin), signal], (part, before) =>
    widen(part, into.subarray(before, before + part.data.length)),
  );
};
