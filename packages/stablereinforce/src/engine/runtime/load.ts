/** Finds and configures the ONNX Runtime packages. */
import type * as fs from "node:fs";
import type * as nodeModule from "node:module";
import type * as os from "node:os";
import type * as path from "node:path";
import type * as util from "node:util";
import { EngineError, type EngineErrorReason } from "../errors.ts";
import type { Precision } from "../onnx/precision.ts";
import type { OrtModule, OrtRuntime, Provider } from "./ort.ts";
import { CUDA_COMMAND, noProvider } from "./providers.ts";

/** Threads and provider asked for. */
export interface OrtOptions {
  readonly provider: Provider;
  readonly threads: number | undefined;
  readonly precision: Precision;
  /** Do idle threads spin? */
  readonly spin: boolean;
  /** Do graphs keep the memory that they worked with? */
  readonly arena: boolean;
}

interface Globals {
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly platform?: string;
    readonly arch?: string;
    readonly versions?: { readonly node?: string };
  };
  readonly crossOriginIsolated?: boolean;
}

const globals = globalThis as unknown as Globals;

/** Running in Node (or something that says it is)? */
export const inNode = (): boolean => globals.process?.versions?.node !== undefined;

interface Builtins {
  readonly "node:os": typeof os;
  readonly "node:fs": typeof fs;
  readonly "node:path": typeof path;
  readonly "node:module": typeof nodeModule;
  readonly "node:util": typeof util;
}

/** A module of Node itself, without an import that bundlers for browsers would trip over. Only where `inNode()`. */
export const builtin = <K extends keyof Builtins>(name: K): Builtins[K] => {
  const module = globals.process?.getBuiltinModule?.(name);
  if (module === undefined)
    throw new EngineError(`${name} is not available: Node 20.19 or newer`, { reason: "version" });
  return module as Builtins[K];
};

/** Logical cores. */
const cores = (): number =>
  inNode() ? builtin("node:os").availableParallelism() : (globals.navigator?.hardwareConcurrency ?? 1);

const COMMANDS = {
  "onnxruntime-node": "npm install onnxruntime-node --onnxruntime-node-install=skip",
  "onnxruntime-web": "npm install onnxruntime-web",
} as const;

const describe = (cause: unknown): string =>
  cause instanceof Error ? `${"code" in cause ? String(cause.code) : ""} ${cause.message}` : String(cause);

/** Imports a package by a name that bundlers cannot see, so that an absent optional package breaks no build. */
export const importOptional = async (name: string, command: string): Promise<unknown> => {
  const specifier: string = name;
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier)) as unknown;
  } catch (cause) {
    const missing = /ERR_MODULE_NOT_FOUND|Cannot find (package|module)|Could not resolve/.test(describe(cause));
    const reason: EngineErrorReason = "no-runtime";
    const problem = missing ? `${name} is not installed: ${command}` : `${name} does not load: ${String(cause)}`;
    throw new EngineError(problem, { reason, command: missing ? command : undefined }, { cause });
  }
};

const asOrt = (module: unknown): OrtModule => {
  const outer = module as OrtModule & { default?: OrtModule };
  return (outer.InferenceSession as unknown) === undefined && outer.default !== undefined ? outer.default : outer;
};

/**
 * Is the CUDA provider's library beside onnxruntime-node's own? npm does not ship it: its install script fetches it. Looked
 * for before it is loaded, because the native loader writes its complaint to stderr.
 */
export const cudaLibrary = (): { present: boolean; file: string } => {
  const { platform = "linux", arch = "x64" } = globals.process ?? {};
  const name = platform === "win32" ? "onnxruntime_providers_cuda.dll" : "libonnxruntime_providers_cuda.so";
  const { dirname, join } = builtin("node:path");
  try {
    const root = dirname(
      builtin("node:module")
        .createRequire(import.meta.url)
        .resolve("onnxruntime-node/package.json"),
    );
    const file = join(root, "bin", "napi-v6", platform, arch, name);
    return { present: builtin("node:fs").existsSync(file), file };
  } catch {
    return { present: false, file: name };
  }
};

const checkCuda = (where: string): void => {
  const { present, file } = cudaLibrary();
  if (!present) throw noProvider("cuda", where, new Error(`${file} is missing`), CUDA_COMMAND);
};

/** onnxruntime-node. */
export const loadOnnxNode = async (options: OrtOptions): Promise<OrtRuntime> => {
  const ort = asOrt(await importOptional("onnxruntime-node", COMMANDS["onnxruntime-node"]));
  const offered = ort.listSupportedBackends?.().map((one) => one.name) ?? ["cpu"];
  const where = `onnxruntime-node on ${globals.process?.platform ?? "?"}-${globals.process?.arch ?? "?"} (offers ${offered.join(", ")})`;
  if (!offered.includes(options.provider)) throw noProvider(options.provider, where);
  if (options.provider === "cuda") checkCuda(where);
  return {
    name: "onnx-node",
    provider: options.provider,
    ort,
    precision: options.precision,
    writesInPlace: options.provider === "cpu",
    options: {
      executionProviders: options.provider === "cpu" ? ["cpu"] : [options.provider, "cpu"],
      graphOptimizationLevel: "all",
      // one block per graph, planned ahead, is no faster and takes up to twice the memory of the arena's own pieces
      enableMemPattern: false,
      enableCpuMemArena: options.arena,
      intraOpNumThreads: options.threads ?? cores(),
      extra: { session: { intra_op: { allow_spinning: options.spin ? "1" : "0" } } },
      logSeverityLevel: 3,
    },
  };
};

/** onnxruntime-web: wasm in Node and browsers, WebGPU in browsers that have it. */
export const loadOnnxWeb = async (options: OrtOptions): Promise<OrtRuntime> => {
  if (options.provider !== "cpu" && options.provider !== "webgpu")
    throw noProvider(options.provider, "onnxruntime-web");
  const gpu = options.provider === "webgpu";
  if (gpu && !("gpu" in (globals.navigator ?? {})))
    throw noProvider("webgpu", "onnxruntime-web: no navigator.gpu here");
  const ort = asOrt(gpu ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web"));
  const isolated = inNode() || globals.crossOriginIsolated === true; // threads need SharedArrayBuffer
  ort.env.wasm.numThreads = isolated ? Math.min(options.threads ?? 8, cores()) : 1; // more threads than cores run ten times slower
  return {
    name: "onnx-web",
    provider: options.provider,
    ort,
    precision: options.precision,
    writesInPlace: false,
    options: {
      executionProviders: [gpu ? "webgpu" : "wasm"],
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    },
  };
};
