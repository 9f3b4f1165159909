/** Weights on the engine for as long as something is measured. */
import type { EngineTensor, HostTensor } from "../engine/tensor.ts";
import type { Params, Policy } from "../policy/index.ts";

/** Puts weights on the engine; the arrays are copied and stay the caller's. Dispose of them with `engine.dispose`. */
export const place = (engine: Policy["engine"], weights: Params<HostTensor>): Params<EngineTensor> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { data, shape, dtype }]) => [name, engine.tensor(data.slice(), shape, dtype)]),
  );
