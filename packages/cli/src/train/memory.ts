/** What a run takes of this machine's memory, and whether it can begin: a process that takes more is killed without a word. */
import { freemem, totalmem } from "node:os";
import {
  EngineError,
  memoryNeeds,
  qwenTrainingEstimate,
  stepFlops,
  totalBytes,
  type Need,
  type StageFacts,
} from "@r1reward/stablereinforce";
import { bytesText } from "./bytes-text.ts";
import type { RunConfig } from "./config/schema.ts";
import type { RunFacts } from "./facts.ts";

/** Memory and arithmetic of a stage, by the model's own account where it has one. */
export const needsOf = (
  { model, qwen, imageTokens }: RunFacts,
  stage: StageFacts,
): { readonly memory: readonly Need[]; readonly flops: number } => {
  const needs = memoryNeeds(model, stage);
  if (qwen === null) return { memory: needs, flops: stepFlops(model, stage) };
  const { rows, replyTokens: scored, checkpoint } = stage;
  const plan = { rows, length: stage.promptTokens + scored, scored, checkpoint, patches: 4 * imageTokens };
  const { bytes: held, flops } = qwenTrainingEstimate(qwen.config, { ...plan, lora: qwen.lora });
  const activations = held.activations + held.logits;
  const memory = needs.map((need) => (need.name === "activations" ? { ...need, bytes: activations } : need));
  const sampling = stepFlops(model, { ...stage, rowsPerStep: 0 });
  return { memory, flops: sampling + (flops * stage.rowsPerStep) / rows };
};

/** Memory of the machine. */
export interface MachineMemory {
  /** All that this process may have: a container's limit, where that is less than the machine has. */
  readonly memoryBytes: number;
  readonly freeBytes: number;
}

/** The memory that this process may have, and what of it is free. Without a limit Node tells 0, or more than any machine has. */
export const machineMemory = (): MachineMemory => {
  const limit = process.constrainedMemory();
  const memoryBytes = limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  return { memoryBytes, freeBytes: Math.min(memoryBytes, freemem(), process.availableMemory()) };
};

const GPU: readonly string[] = ["cuda", "webgpu", "dml", "coreml"];

/** Does a GPU do the work? */
export const onGpu = ({ runtime, provider }: { readonly runtime: string; readonly provider: string }): boolean =>
  GPU.includes(provider) || runtime === "tfjs-node-gpu";

/** What is in a GPU's memory for as long as a graph runs; the rest is here between graphs, since results come back. */
const ON_GPU: readonly string[] = ["activations"];

/** What the numbers of a dry run mean on a GPU and in 16 bits. */
export const notesOf = ({ engine }: RunConfig): readonly string[] => {
  const { precision, provider } = engine;
  const bits = `engine.precision ${precision}: factors of matrix products are rounded to 16 bits for the product; weights, moments, gradients and activations are float32 as told above`;
  const widened = provider === "cpu" ? ", and on cpu ONNX Runtime widens the factors again" : "";
  const rounded = precision === "float32" ? [] : [`${bits}${widened}`];
  if (!onGpu(engine)) return rounded;
  const held =
    engine.runtime === "tfjs-node-gpu"
      ? "tfjs-node-gpu keeps weights, moments and activations on the GPU; checkpoints and weights as they were read are in the machine's memory"
      : `engine.provider ${provider}: activations are on the GPU, and what a graph reads for as long as it runs (weights, and with an update moments and gradients); between graphs those are in the machine's memory`;
  return [...rounded, `${held}. How much memory the GPU has is not looked at`];
};

/** What helps against a part that is large. */
const remedyOf = (name: string, stage: StageFacts, { model, engine }: RunConfig): readonly string[] => {
  switch (name) {
    case "activations":
      return [
        `lower ${stage.stage}.microBatch (${stage.rows} rows at a time now)`,
        ...(model.kind === "text" || model.checkpoint ? [] : ["set model.checkpoint: true"]),
        ...(model.kind === "text" ? [] : ["lower data.maxPixels"]),
      ];
    case "key/value cache":
      return [`lower engine.maxBatch (${engine.maxBatch} now)`];
    case "weights that are not trained":
      return engine.mapWeights ? [] : ["set engine.mapWeights: true"];
    case "reference weights":
      return ["set rl.klCoef: 0"];
    default:
      return model.kind === "qwen25vl" && model.lora === null ? ["train with model.lora"] : ["take a smaller model"];
  }
};

const LARGEST = 3;

const needText = ({ name, bytes, detail }: Need): string => `${name} ${bytesText(bytes)} (${detail})`;

/** The largest parts, and what to lower for them. */
const adviceOn = (needs: readonly Need[], stage: StageFacts, config: RunConfig): string => {
  const worth = totalBytes(needs) / 50;
  const largest = needs.filter(({ bytes }) => bytes >= worth).toSorted((a, b) => b.bytes - a.bytes).slice(0, LARGEST); // prettier-ignore
  const remedies = new Set(largest.flatMap(({ name }) => remedyOf(name, stage, config)));
  const help = remedies.size === 0 ? "" : `. What helps: ${[...remedies].join("; ")}`;
  return `the largest parts: ${largest.map(needText).join(", ")}${help}`;
};

/** What is told, and whether to begin nevertheless. */
export interface MemoryCheck {
  readonly tell: (text: string) => void;
  /** Begin although the machine has less. */
  readonly force: boolean;
  readonly machine?: MachineMemory | undefined;
}

/**
 * Compares what the stages take with what the machine has. On a GPU only what is in the machine's own memory counts.
 * @throws EngineError `out-of-memory` when a stage takes more than the machine has, and nobody insists
 */
export const checkMemory = (config: RunConfig, facts: RunFacts, check: MemoryCheck): void => {
  if (config.engine.runtime === "tfjs-node-gpu") return; // what is where, is TensorFlow's to say
  const { memoryBytes, freeBytes } = check.machine ?? machineMemory();
  const here = ({ name }: Need): boolean => !onGpu(config.engine) || !ON_GPU.includes(name);
  for (const stage of facts.stages) {
    const needs = needsOf(facts, stage).memory.filter(here);
    const needed = totalBytes(needs);
    if (needed <= freeBytes) continue;
    const over = needed > memoryBytes;
    const has = over ? `this machine has ${bytesText(memoryBytes)}` : `${bytesText(freeBytes)} are free now`;
    const text = `${stage.stage}: about ${bytesText(needed)} of memory are needed, ${has}; ${adviceOn(needs, stage, config)}`;
    if (over && !check.force)
      throw new EngineError(`${text}. --force-memory begins nevertheless, --dry-run shows all parts`, {
        reason: "out-of-memory",
      });
    check.tell(`memory: ${text}`);
  }
};
