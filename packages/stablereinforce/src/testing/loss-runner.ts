/** Runs a loss on an engine from plain numbers, and reads everything back. */
import type { Scalar, Tensor2D } from "@tensorflow/tfjs-core";
import { lossAndGradient } from "../algorithm/gradient.ts";
import type { Loss, LossInputs, LossStats } from "../algorithm/types.ts";
import type { Compiled, Engine, EngineTensor } from "../engine/index.ts";

/** `[B][T]` */
export type Rows = readonly (readonly number[])[];

/** `LossInputs` as plain numbers. */
export interface LossRows {
  readonly logp: Rows;
  readonly logpOld: Rows;
  readonly logpRef?: Rows | undefined;
  readonly logpRollout?: Rows | undefined;
  readonly entropy?: Rows | undefined;
  readonly advantage: Rows;
  readonly mask: Rows;
  readonly total?: { readonly sequences: number; readonly tokens: number } | undefined;
}

/** What came out, as plain numbers. */
export interface LossResult {
  readonly loss: number;
  readonly stats: Readonly<Record<keyof LossStats, number>>;
  /** ∂loss/∂logp `[B][T]` */
  readonly gradient: Rows;
}

/** A loss compiled for an engine. */
export interface LossRunner {
  readonly run: (rows: LossRows) => Promise<LossResult>;
  readonly dispose: () => Promise<void>;
}

const ROWS = ["logp", "logpOld", "logpRef", "logpRollout", "entropy", "advantage", "mask"] as const;

interface Given {
  readonly tensors: Readonly<Record<(typeof ROWS)[number], Tensor2D>>;
  readonly total?: { readonly sequences: Scalar; readonly tokens: Scalar };
}

interface Kept {
  readonly loss: EngineTensor;
  readonly gradient: EngineTensor;
  readonly stats: Readonly<Record<string, EngineTensor>>;
}

const upload = (engine: Engine, rows: LossRows): object => {
  const shape = [rows.logp.length, rows.logp[0]?.length ?? 0];
  const present = ROWS.flatMap((name) => (rows[name] === undefined ? [] : [[name, rows[name]] as const]));
  const tensors = present.map(([name, x]) => [name, engine.tensor(Float32Array.from(x.flat()), shape)] as const);
  const { total } = rows;
  const counts = total && { sequences: engine.tensor(total.sequences), tokens: engine.tensor(total.tokens) };
  return { tensors: Object.fromEntries(tensors), ...(counts && { total: counts }) };
};

const readBack = async (engine: Engine, out: Kept, width: number): Promise<LossResult> => {
  const flat = [...(await engine.read(out.gradient)).data];
  const gradient = Array.from({ length: flat.length / Math.max(1, width) }, (_, b) =>
    flat.slice(b * width, (b + 1) * width),
  );
  const stats = await Promise.all(
    Object.entries(out.stats).map(async ([name, x]) => [name, await engine.number(x)] as const),
  );
  return {
    loss: await engine.number(out.loss),
    stats: Object.fromEntries(stats) as LossResult["stats"],
    gradient,
  };
};

/** Compiles loss and gradient; the same graph serves all inputs of one shape. */
export const lossRunner = (engine: Engine, loss: Loss): LossRunner => {
  const step = ({ tensors, total }: Given) =>
    lossAndGradient(loss, { ...tensors, ...(total === undefined ? {} : { total }) } as LossInputs);
  const compiled: Compiled<typeof step> = engine.compile(step, { name: "loss" });
  const run = async (rows: LossRows): Promise<LossResult> => {
    const given = upload(engine, rows);
    try {
      const out = (await compiled(given as never)) as unknown as Kept;
      const result = await readBack(engine, out, rows.logp[0]?.length ?? 0);
      engine.dispose(out);
      return result;
    } finally {
      engine.dispose(given);
    }
  };
  return { run, dispose: () => compiled.dispose() };
};
