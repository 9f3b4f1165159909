/** The rows of supervised steps. */
import type { TokenRow } from "../policy/index.ts";
import { dataOrder, lengthOrder } from "./order.ts";
import type { ExampleSource } from "./types.ts";

/** What decides which rows a step gets. */
export interface RowPlan {
  readonly seed: number;
  readonly batch: number;
  /** Batches whose rows are sorted by length together; 1 sorts nothing. */
  readonly together: number;
}

/** Step (from 0) → its rows: one pass over the data after another, whatever the batch's size. A function of the step alone. */
export const rowSource = (
  examples: readonly TokenRow[] | ExampleSource,
  { seed, batch, together }: RowPlan,
): ((step: number) => Promise<readonly TokenRow[]>) => {
  const order = dataOrder({ seed, n: examples.length });
  const load = (position: number, count: number): Promise<readonly TokenRow[]> =>
    Promise.all(order(position, count).map((index) => examples.at(index) as TokenRow)); // arrays have `at` too
  let held: { readonly group: number; readonly rows: readonly TokenRow[]; readonly batches: readonly number[][] } = {
    group: -1,
    rows: [],
    batches: [],
  };
  return async (step) => {
    if (together === 1) return load(step * batch, batch);
    const group = Math.floor(step / together);
    if (held.group !== group) {
      const rows = await load(group * together * batch, together * batch);
      const lengths = rows.map(({ promptTokens, tokens }) => promptTokens.length + tokens.length);
      held = { group, rows, batches: lengthOrder(lengths, batch, [seed, group]) };
    }
    return (held.batches[step % together] ?? []).map((i) => held.rows[i] as TokenRow);
  };
};
