/** Forward passes of the weights in training: log-probabilities of replies, and entropies where a recipe looks at them. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigError } from "@r1reward/core";
import type { EngineTensor } from "../engine/tensor.ts";
import type { Params, Policy, TokenRow } from "../policy/index.ts";

/** What is passed through. */
export interface ForwardOptions {
  readonly policy: Pick<Policy, "engine" | "collate" | "logp" | "name">;
  /** Rows of every graph. */
  readonly rows: number;
}

/** Log-probabilities and entropies of replies, `[N][T_n]` nats. */
export interface Scored {
  readonly logp: readonly Float32Array[];
  readonly entropy: readonly Float32Array[];
}

/** Most graphs of a kind: pairs of lengths, of which few occur. */
export const MAX_GRAPHS = 256;

/** What is kept of a row of `[B, L]`: its reply. */
export const repliesOf = (
  data: Float32Array,
  rows: readonly TokenRow[],
  at: { readonly length: number; readonly starts: readonly number[] },
): Float32Array[] =>
  rows.map(({ tokens }, n) => {
    const start = n * at.length + (at.starts[n] as number);
    return data.slice(start, start + tokens.length);
  });

/** Consecutive pieces of at most `size`. */
const piecesOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

type Passed = Readonly<Record<string, tf.Tensor>>;

/** Runs rows through a function of the policy, piece by piece. → its outputs at the replies, by name. */
const passes = (
  options: ForwardOptions,
  name: string,
  forward: (params: Params<tf.Tensor>, inputs: Params<tf.Tensor>) => Passed,
) => {
  // prettier-ignore
  const { policy, rows: size } = options;
  const { engine } = policy;
  const graph = engine.compile(forward, { name, maxGraphs: MAX_GRAPHS });
  const run = async (rows: readonly TokenRow[], weights: Params<EngineTensor>) => {
    const out: Record<string, Float32Array[]> = {};
    for (const some of piecesOf(rows, size)) {
      const { inputs, ...at } = policy.collate(some, size);
      const made = (await graph(weights as never, inputs as never)) as unknown as Params<EngineTensor>;
      for (const [output, tensor] of Object.entries(made)) {
        const { data } = await engine.read(tensor);
        (out[output] ??= []).push(...repliesOf(data as Float32Array, some, at));
      }
      engine.dispose(made);
    }
    return out;
  };
  return { run, dispose: graph.dispose };
};

/** The passes, by what they give. `present` are the weights as they are now. */
export const forwardPasses = (options: ForwardOptions, present: () => Params<EngineTensor>) => {
  const { policy } = options;
  const alone = passes(options, "logp", (params, inputs) => ({ logp: policy.logp(params, inputs).logp }));
  const both = passes(options, "logp and entropy", (params, inputs) => {
    const { logp, entropy } = policy.logp(params, inputs);
    if (entropy !== undefined) return { logp, entropy };
    throw new ConfigError(`entropyShare: the policy ${policy.name} gives no entropies; make it with entropy: true`);
  });
  return {
    logp: async (rows: readonly TokenRow[], weights?: Params<EngineTensor>): Promise<readonly Float32Array[]> =>
      (await alone.run(rows, weights ?? present())).logp ?? [],
    logpAndEntropy: async (rows: readonly TokenRow[]): Promise<Scored> => {
      const { logp = [], entropy = [] } = await both.run(rows, present());
      return { logp, entropy };
    },
    dispose: async (): Promise<void> => void (await Promise.all([alone.dispose(), both.dispose()])),
  };
};
