/**
 * Weights on their way to sampling workers: written once into shared memory, from which each worker copies its own. (ONNX
 * Runtime refuses tensors that lie in shared memory.)
 */
import { ConfigError } from "@r1reward/core";
import type { HostTensor } from "../engine/tensor.ts";
import type { TransformerConfig } from "../model/config.ts";
import { mapParams, namedParams, parameterShapes, type TransformerParams } from "../model/params.ts";

/** Weights that were written; plain data, so that it can be posted without a copy. */
export interface SharedWeights {
  /** Another number for other weights. */
  readonly version: number;
  /** All parameters as float32, one after the other in the order of `namedParams`. */
  readonly memory: SharedArrayBuffer;
}

const lengthOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Writes weights for workers to read. */
export interface WeightsWriter {
  /** The same weights (by identity) are not written again. @throws ConfigError when they do not fit the model */
  readonly write: (params: TransformerParams<HostTensor>) => SharedWeights;
  /** Says that somebody may be reading what was written last; the answer says that they are done. */
  readonly lend: () => () => void;
}

/** A writer for models of one configuration. */
export const weightsWriter = (config: TransformerConfig): WeightsWriter => {
  const shapes = namedParams(parameterShapes(config));
  const bytes = 4 * [...shapes.values()].reduce((sum, shape) => sum + lengthOf(shape), 0);
  const held: { params?: TransformerParams<HostTensor>; shared?: SharedWeights; readers: number } = { readers: 0 };
  return {
    write: (params) => {
      if (held.params === params && held.shared !== undefined) return held.shared;
      const given = namedParams(params);
      // whoever still reads keeps what they read
      const memory = held.readers === 0 && held.shared ? held.shared.memory : new SharedArrayBuffer(bytes);
      const all = new Float32Array(memory);
      let at = 0;
      for (const [name, shape] of shapes) {
        const { data } = given.get(name) ?? {};
        if (!(data instanceof Float32Array) || data.length !== lengthOf(shape)) {
          throw new ConfigError(`weights ${name}: expected ${lengthOf(shape)} float32 numbers`);
        }
        all.set(data, at);
        at += data.length;
      }
      held.params = params;
      held.shared = { version: (held.shared?.version ?? 0) + 1, memory };
      held.readers = 0;
      return held.shared;
    },
    lend: () => {
      const lent = held.shared;
      held.readers += 1;
      return () => void (lent === held.shared && (held.readers -= 1));
    },
  };
};

/** Takes a worker's own copy, into the same arrays every time. One reader at a time. */
export const weightsReader = (config: TransformerConfig) => {
  const params = mapParams(parameterShapes(config), (shape): HostTensor => ({
    data: new Float32Array(lengthOf(shape)),
    shape,
    dtype: "float32",
  }));
  const held = { version: 0 };
  return ({ version, memory }: SharedWeights): TransformerParams<HostTensor> => {
    if (version === held.version) return params;
    const all = new Float32Array(memory);
    let at = 0;
    for (const { data } of namedParams(params).values()) {
      data.set(all.subarray(at, at + data.length));
      at += data.length;
    }
    held.version = version;
    return params;
  };
};
