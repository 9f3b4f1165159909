/** The servers we know, from their sources and documentation. To add one: write a value, list it in `dialects`. */
import type { Dialect, Fields, Structured } from "./dialect.ts";

const ALL_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"] as const;

const field = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null && !Array.isArray(body)
    ? (body as Record<string, unknown>)[name]
    : undefined;

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** Is a dotted version lower than `major.minor`? Development builds and unknown versions count as new. */
const olderThan = (version: string, major: number, minor: number): boolean => {
  const match = /^v?(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [a, b] = [Number(match[1]), Number(match[2])];
  // A source build without tags calls itself 0.1.dev…
  if (a === 0 && b < 2) return false;
  return a < major || (a === major && b < minor);
};

const escapeRegex = (choice: string): string => choice.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

const generic: Dialect = {
  name: "generic",
  maxTokens: "max_tokens",
  topK: null,
  repetitionPenalty: null,
  seed: true,
  maxTemperature: 2,
  maxLogprobs: 20,
  logprobTokenIds: false,
  n: false,
  video: "images",
  mediaTypes: ALL_TYPES,
  mmProcessorKwargs: false,
  extra: {},
  structured: () => null,
};

// `guided_*` went away in 0.12.0, and a new server ignores what it does not know.
const vllmStructured = (constraint: Structured, version: string): Fields => {
  if (!olderThan(version, 0, 12)) return { structured_outputs: constraint };
  return "choice" in constraint ? { guided_choice: constraint.choice } : { guided_regex: constraint.regex };
};

const vllm: Dialect = {
  ...generic,
  name: "vllm",
  owner: "vllm",
  detect: { path: "/version", version: (body) => text(field(body, "version")) },
  maxTokens: "max_completion_tokens",
  topK: "top_k",
  repetitionPenalty: "repetition_penalty",
  maxTemperature: Number.MAX_VALUE,
  logprobTokenIds: true,
  n: true,
  video: "jpeg-list",
  mmProcessorKwargs: true,
  structured: vllmStructured,
};

const sglang: Dialect = {
  ...generic,
  name: "sglang",
  owner: "sglang",
  detect: {
    path: "/get_model_info",
    version: (body) => (text(field(body, "model_path")) === undefined ? undefined : ""),
  },
  topK: "top_k",
  repetitionPenalty: "repetition_penalty",
  n: true,
  // The thought belongs to the reply: cut out of it, the format could not be judged.
  extra: { separate_reasoning: false },
  structured: (constraint) => ({
    regex: "choice" in constraint ? `(${constraint.choice.map(escapeRegex).join("|")})` : constraint.regex,
  }),
};

const grammar = (choices: readonly string[]): string =>
  `root ::= ${choices.map((choice) => JSON.stringify(choice)).join(" | ")}`;

const llamaCpp: Dialect = {
  ...generic,
  name: "llama.cpp",
  owner: "llamacpp",
  detect: {
    path: "/props",
    version: (body) =>
      field(body, "default_generation_settings") === undefined ? undefined : (text(field(body, "build_info")) ?? ""),
  },
  topK: "top_k",
  repetitionPenalty: "repeat_penalty",
  maxTemperature: Number.MAX_VALUE,
  // Its image library reads no WebP.
  mediaTypes: ["image/png", "image/jpeg", "image/gif"],
  extra: { reasoning_format: "none" },
  structured: (constraint) => ("choice" in constraint ? { grammar: grammar(constraint.choice) } : null),
};

const ollama: Dialect = {
  ...generic,
  name: "ollama",
  owner: "library",
  detect: { path: "/api/version", version: (body) => text(field(body, "version")) },
  mediaTypes: ["image/png", "image/jpeg", "image/webp"],
};

const openai: Dialect = {
  ...generic,
  name: "openai",
  hosts: ["api.openai.com"],
  maxTokens: "max_completion_tokens",
  n: true,
};

// Its compatible route takes one sample, caps the temperature at 1 and ignores seeds and log-probabilities.
const anthropicCompatible: Dialect = {
  ...generic,
  name: "anthropic-compatible",
  hosts: ["api.anthropic.com"],
  seed: false,
  maxTemperature: 1,
  maxLogprobs: null,
};

const geminiCompatible: Dialect = {
  ...generic,
  name: "gemini-compatible",
  hosts: ["generativelanguage.googleapis.com"],
  maxLogprobs: null,
  mediaTypes: ["image/png", "image/jpeg", "image/webp"],
};

/**
 * Dialects by the name of their value. `generic` is what every server understands: it refuses rather than sends
 * what a server might silently ignore.
 */
export const dialects = {
  vllm,
  sglang,
  llamaCpp,
  ollama,
  openai,
  anthropicCompatible,
  geminiCompatible,
  generic,
} as const satisfies Readonly<Record<string, Dialect>>;
