/** What this machine can run, and the command that would unlock a better runtime. `r1reward doctor` prints it. */
import { startRuntime } from "./engine.ts";
import { isEngineError } from "./errors.ts";
import { engine, setBackend } from "@tensorflow/tfjs-core";
import { messageOf } from "@r1reward/core";
import type { Provider } from "./runtime/ort.ts";
import type { EngineOptions, RuntimeName } from "./types.ts";

/** One runtime with one provider. */
export interface RuntimeReport {
  readonly runtime: RuntimeName;
  readonly provider: Provider;
  /** Started and computed 2 + 1. */
  readonly works: boolean;
  /** Does it compile functions to graphs? */
  readonly compiles: boolean;
  /** Why it does not work, and which command would change that; null when it works. */
  readonly problem: string | null;
  /** The command that would bring what is not there, where there is one. */
  readonly command: string | null;
  /** Milliseconds to start, or to find out that it does not. */
  readonly milliseconds: number;
}

const CANDIDATES: readonly (readonly [RuntimeName, Provider])[] = [
  ["onnx-node", "cuda"],
  ["onnx-node", "webgpu"],
  ["onnx-node", "dml"],
  ["onnx-node", "coreml"],
  ["onnx-node", "cpu"],
  ["onnx-web", "webgpu"],
  ["onnx-web", "cpu"],
  ["tfjs-node-gpu", "cpu"],
  ["tfjs-node", "cpu"],
  ["tfjs-wasm", "cpu"],
  ["tfjs-cpu", "cpu"],
];

const tryOne = async (
  [runtime, provider]: readonly [RuntimeName, Provider],
  options: EngineOptions,
): Promise<RuntimeReport> => {
  const started = performance.now();
  const compiles = runtime.startsWith("onnx");
  const common = { runtime, provider, compiles };
  try {
    await startRuntime(runtime, { ...options, provider });
    return { ...common, works: true, problem: null, command: null, milliseconds: performance.now() - started };
  } catch (error) {
    const command = isEngineError(error) ? (error.command ?? null) : null;
    return { ...common, works: false, problem: messageOf(error), command, milliseconds: performance.now() - started };
  }
};

/** Tries every runtime and provider, best first, one after another. Never throws for one that does not work. */
export const describeRuntimes = async (options: EngineOptions = {}): Promise<readonly RuntimeReport[]> => {
  const reports: RuntimeReport[] = [];
  const before = engine().backendName as string | undefined;
  for (const candidate of CANDIDATES) reports.push(await tryOne(candidate, options));
  if (before !== undefined) await setBackend(before); // trying a TensorFlow.js backend makes it the current one
  return reports;
};
