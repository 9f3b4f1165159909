/** Rows of a table by token id. */
import { gather, reshape, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { EngineError } from "../engine/errors.ts";

/**
 * `table[ids]`: `[V, D]`, int32 `[…]` → `[…, D]`. The gradient sums rows of repeated ids exactly and in order, also with
 * several threads (onnxruntime's own scatter-add loses some). An id below 0 or past the last row makes the call fail on CPUs; GPU providers
 * do not look, so check ids from outside before they become tensors.
 * @throws EngineError `dtype` when ids are not int32
 */
export const embedding = (table: Tensor, ids: Tensor): Tensor => {
  if (ids.dtype !== "int32") {
    throw new EngineError(`expected int32 ids, got ${ids.dtype}`, { reason: "dtype", op: "embedding" });
  }
  const rows = gather(table, reshape(ids, [ids.size]) as Tensor1D);
  return reshape(rows, [...ids.shape, table.shape[1] ?? 1]);
};
