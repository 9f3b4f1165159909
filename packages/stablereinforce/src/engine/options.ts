/** Checks how an engine is asked for: a slip would otherwise reach a native library, or choose something else. */
import { ConfigError } from "@r1reward/core";
import type { EngineOptions } from "./types.ts";

const RUNTIMES = ["auto", "onnx-node", "onnx-web", "tfjs-node-gpu", "tfjs-node", "tfjs-wasm", "tfjs-cpu"] as const;

const CHOICES = {
  runtime: RUNTIMES,
  provider: ["cpu", "cuda", "webgpu", "dml", "coreml"],
  precision: ["float32", "float16", "bfloat16"],
  spin: [true, false],
  arena: [true, false],
} as const satisfies { readonly [K in keyof EngineOptions]?: readonly NonNullable<EngineOptions[K]>[] };

/** More than any machine has; ONNX Runtime would start as many as it is told. */
const MOST_THREADS = 1024;

const shown = (x: unknown): string => (typeof x === "string" ? JSON.stringify(x) : String(x));

const wrong = (field: string, expected: string, got: unknown): ConfigError =>
  new ConfigError(`engine ${field}: expected ${expected}, got ${shown(got)}`);

/** @throws ConfigError naming the option */
export const checkOptions = (options: EngineOptions): void => {
  for (const [field, known] of Object.entries(CHOICES)) {
    const got = options[field as keyof typeof CHOICES];
    if (got !== undefined && !(known as readonly unknown[]).includes(got)) throw wrong(field, known.join(", "), got);
  }
  const { threads } = options;
  if (threads === undefined) return;
  const counted = Number.isSafeInteger(threads) && threads >= 1 && threads <= MOST_THREADS;
  if (!counted) throw wrong("threads", `a whole number from 1 to ${MOST_THREADS}`, threads);
};
