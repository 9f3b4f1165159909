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
