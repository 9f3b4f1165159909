/** Tensors of a snapshot to safetensors files and back. */
import type { HostTensor } from "../engine/tensor.ts";
import { CheckpointError } from "../errors.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsDtype,
  type SafetensorsTensor,
} from "../safetensors/index.ts";
import type { Params } from "../policy/index.ts";

const STORED = { float32: "F32", int32: "I32", bool: "BOOL" } as const satisfies Record<string, SafetensorsDtype>;
const HELD: Partial<Record<SafetensorsDtype, HostTensor["dtype"]>> = { F32: "float32", I32: "int32", BOOL: "bool" };

/** The tensors of one part, cut into files of at most so many bytes (one tensor at least), in order of their names. */
export const shardsOf = (
  part: string,
  tensors: Params<HostTensor>,
  maxBytes: number,
): [string, Params<HostTensor>][] => {
  const shards: Record<string, HostTensor>[] = [{}];
  let bytes = 0;
  for (const [name, tensor] of Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (bytes > 0 && bytes + tensor.data.byteLength > maxBytes) {
      shards.push({});
      bytes = 0;
    }
    (shards.at(-1) as Record<string, HostTensor>)[name] = tensor;
    bytes += tensor.data.byteLength;
  }
  return shards.map((shard, i) => [`${part}-${String(i).padStart(5, "0")}.safetensors`, shard]);
};

/** One file's bytes. @throws CheckpointError */
export const encodeTensors = (file: string, tensors: Params<HostTensor>): Uint8Array =>
  encodeSafetensors(
    Object.entries(tensors).map(([name, { data, shape, dtype }]): [string, SafetensorsTensor] => [
      name,
      { data, shape, dtype: STORED[dtype] },
    ]),
    { file },
  );

/** One file's tensors. @throws CheckpointError */
export const decodeTensors = (file: string, bytes: Uint8Array): Params<HostTensor> => {
  const read = decodeSafetensors(bytes, { file });
  return Object.fromEntries(
    read.names.map((name) => {
      const { dtype, shape, data } = read.get(name);
      const held = HELD[dtype];
      if (held !== undefined) return [name, { data: data as HostTensor["data"], shape, dtype: held }];
      throw new CheckpointError(
        { file, problem: "bad-dtype", tensor: name },
        `expected F32, I32 or BOOL, got ${dtype}`,
      );
    }),
  );
};
