/** Samples of one prompt that are wanted at the same time, asked for in one request. */
import { onAbort } from "./abort.ts";
import { AbortError, ModelError } from "./errors.ts";
import type { ChatModel, SampleOptions } from "./interfaces.ts";
import type { Completion, LoadedPart, Message } from "./types.ts";

/** A sample that is wanted. */
export interface WantedSample {
  readonly messages: readonly Message<LoadedPart>[];
  readonly sampling: SampleOptions;
  /** Equal for samples of one prompt that are taken in one way. */
  readonly prompt: string;
  readonly signal: AbortSignal;
}

/** Somebody who may want a sample, and whom those who want one of the same prompt wait for. */
export interface Seat {
  /** @throws what the model throws; ModelError when it gives fewer replies than were asked for */
  readonly ask: (wanted: WantedSample) => Promise<Completion>;
  /** No sample is wanted, after all. May be called at any time, and more than once. */
  readonly leave: () => void;
}

/** Gathers samples. `about` is what their prompts are made of: seats that are taken for the same thing wait for each other. */
export interface SampleBatches {
  readonly seat: (about: object) => Seat;
}

interface Order extends WantedSample {
  readonly resolve: (reply: Completion) => void;
  readonly reject: (error: unknown) => void;
}

interface Table {
  /** Seats whose holders have neither asked nor left. */
  undecided: number;
  readonly orders: Order[];
}

type CompleteMany = NonNullable<ChatModel["completeMany"]>;

/** Fires when nobody is left who wants a reply. */
const allGone = (orders: readonly Order[]) => {
  const control = new AbortController();
  let left = orders.length;
  const gone = (reason: unknown): void => {
    left -= 1;
    if (left === 0) control.abort(reason);
  };
  const stays = orders.map(({ signal }) => onAbort(signal, gone));
  return { signal: control.signal, stop: () => stays.forEach((stay) => stay()) };
};

const sendMany = async (model: ChatModel, orders: readonly Order[]): Promise<void> => {
  const [{ messages, sampling }] = orders as [Order];
  const { signal, stop } = allGone(orders);
  try {
    const replies = await (model.completeMany as CompleteMany)(messages, orders.length, { ...sampling, signal });
    const problem = `${model.name}: expected ${orders.length} replies, got ${replies.length}`;
    orders.forEach(({ resolve, reject }, i) => {
      const reply = replies[i];
      if (reply === undefined) reject(new ModelError(problem, { model: model.name, retryable: true }));
      else resolve(reply);
    });
  } catch (error) {
    for (const { reject } of orders) reject(error);
  } finally {
    stop();
  }
};

const sendOne = async (model: ChatModel, { messages, sampling, signal, resolve, reject }: Order): Promise<void> => {
  try {
    resolve(await model.complete(messages, { ...sampling, signal }));
  } catch (error) {
    reject(error);
  }
};

const sendAll = (model: ChatModel, orders: readonly Order[], most: number): void => {
  const byPrompt = new Map<string, Order[]>();
  for (const order of orders) {
    const { prompt, signal, reject } = order;
    if (signal.aborted) reject(new AbortError("aborted by the caller", { cause: signal.reason }));
    else byPrompt.set(prompt, [...(byPrompt.get(prompt) ?? []), order]);
  }
  for (const equal of byPrompt.values()) {
    for (let at = 0; at < equal.length; at += most) {
      const some = equal.slice(at, at + most);
      void (some.length === 1 ? sendOne(model, some[0] as Order) : sendMany(model, some));
    }
  }
};

/**
 * Batches of at most `most` samples for a model that has `completeMany`. A sample waits for those who took a seat for the same thing and have
 * not decided yet, and for nothing else: there is no clock in it.
 */
export const sampleBatches = (model: ChatModel, most: number): SampleBatches => {
  const tables = new WeakMap<object, Table>();
  return {
    seat: (about) => {
      const table = tables.get(about) ?? { undecided: 0, orders: [] };
      tables.set(about, table);
      table.undecided += 1;
      let decided = false;
      const decide = (): void => {
        if (decided) return;
        decided = true;
        table.undecided -= 1;
        if (table.undecided === 0) sendAll(model, table.orders.splice(0), most);
      };
      const ask = (wanted: WantedSample): Promise<Completion> =>
        new Promise((resolve, reject) => {
          table.orders.push({ ...wanted, resolve, reject });
          decide();
        });
      return { ask, leave: decide };
    },
  };
};
