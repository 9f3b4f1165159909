import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, type RuntimeName } from "../engine/index.ts";
import { kernelContract, type ContractCheck } from "./kernel-contract.ts";

const RUNTIMES: RuntimeName[] = ["tfjs-cpu", "tfjs-wasm", "onnx-web", "onnx-node"];
/** What TensorFlow.js itself gets wrong or lacks. Each entry must still fail: one that passes has to leave the list. */
const GAPS: Partial<Record<RuntimeName, Readonly<Record<string, string>>>> = {
  "tfjs-cpu": {
    ...Object.fromEntries(
      ["same shape", "row", "column", "scalar", "outer"].map((name) => [`FloorDiv: ${name}`, "calls its result int32"]),
    ),
    "BatchMatMul: broadcast stack": "loses all but the first of the broadcast matrices",
  },
  "tfjs-wasm": {
    "BatchMatMul: broadcast stack": "loses all but the first of the broadcast matrices",
    "Relu6: NaN, Inf, ±0, ±100": "drops NaN",
    "ClipByValue: NaN, Inf, ±0, ±100": "drops NaN",
    "Maximum: NaN and Inf": "drops NaN",
    "Minimum: NaN and Inf": "drops NaN",
    "Cast: to bool: NaN is true": "NaN becomes false",
    "OneHot: outside is all off": "leaves memory as it was",
    "Einsum: bij,jk->bik": "no kernel",
    "refuses Slice past the end": "reads past the end",
    "Mod: int32 by 0 and −1": "traps",
    "Mod: int32 by one number": "traps",
    "FloorDiv: int32 by 0 and −1": "gives the least number for x / 0",
    "IsNan: int32": "reads integers as if they were floats",
    "Select: int32 and float32": "calls its result int32",
    "SearchSorted: float32 in int32": "wants equal dtypes",
    "Any: of no elements": "reads past the end",
    "Prelu: x spread too": "gives the shape of x",
    "refuses Prelu shapes": "gives the shape of x",
    "refuses GatherNd of row -1": "reads before the start",
    "refuses OneHot of 2^40 classes": "cuts the number to 32 bits",
    "refuses Softmax of a scalar": "gives a scalar",
  },
};

const NAMES = kernelContract({} as Engine).map((one) => one.name);

describe.each(RUNTIMES)("kernel contract on %s", (runtime) => {
  let engine: Engine;
  let checks: readonly ContractCheck[];
  beforeAll(async () => {
    engine = await createEngine({ runtime });
    checks = kernelContract(engine);
  });
  afterAll(async () => engine[Symbol.asyncDispose]());
  it.each(NAMES.map((name, i) => [name, i] as const))("%s", async (name, i) => {
    const gap = GAPS[runtime]?.[name];
    const run = (checks[i] as ContractCheck).check();
    if (gap === undefined) return run;
    await expect(run, `${name} is listed as a gap (${gap}) and passes now`).rejects.toThrow();
  });
});
