/** Requests on their way into a running batch: those of equal settings together, equal prompts under one key. */
import { AbortError, ModelError, messageOf, isR1Error } from "@r1reward/core";
import type { Completion, SamplePrompt, SampleSource } from "../../sample/index.ts";
import { gatherPictures } from "../policy/pictures.ts";
import type { QwenRow } from "../inputs/types.ts";
import type { Settings } from "./settings.ts";

/** A request, ready for the sampler. */
export interface Request {
  readonly row: QwenRow;
  readonly seeds: readonly number[];
  readonly maxTokens: number;
  readonly settings: Settings;
  /** Is this sequence over, whatever the model says? */
  readonly ended: (tokens: readonly number[]) => boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Ticket {
  readonly request: Request;
  readonly group: string;
  readonly key: string;
  readonly got: Completion[];
  readonly resolve: (made: readonly Completion[]) => void;
  readonly reject: (error: unknown) => void;
  left: number;
  gone: boolean;
}

/** Runs a batch until it is empty and nothing more comes. */
export type Serve = (settings: Settings, source: SampleSource, signal: AbortSignal) => Promise<void>;

/** A queue in front of a sampler. */
export interface Queue {
  /** → one completion per seed. @throws AbortError, ModelError, EngineError */
  readonly ask: (request: Request) => Promise<readonly Completion[]>;
  readonly mostAtOnce: () => number;
  /** Rejects what waits, ends what is under way, and waits for it. */
  readonly close: () => Promise<void>;
}

const sameTokens = (a: QwenRow, b: QwenRow): boolean =>
  a.tokens.length === b.tokens.length && a.tokens.every((id, i) => id === b.tokens[i]);

const samePrompt = (a: QwenRow, b: QwenRow): boolean => {
  if (a === b) return true;
  if (!sameTokens(a, b) || a.grids.join(";") !== b.grids.join(";")) return false;
  const { starts } = gatherPictures([a, b], 1); // equal pictures stand at equal places
  return starts[0]?.join() === starts[1]?.join();
};

interface State {
  readonly name: string;
  readonly serve: Serve;
  readonly windowMs: number;
  readonly own: AbortController;
  readonly waiting: Ticket[];
  readonly active: Map<SamplePrompt, Ticket>;
  running: Promise<void> | undefined;
  nextKey: number;
  most: number;
}

const drop = (state: State, ticket: Ticket, error: unknown): void => {
  ticket.gone = true; // its sequences end with their next token
  const at = state.waiting.indexOf(ticket);
  if (at >= 0) state.waiting.splice(at, 1);
  ticket.reject(error);
};

const promptOf = (ticket: Ticket): SamplePrompt => {
  const { row, seeds, maxTokens, ended } = ticket.request;
  return {
    tokens: row.tokens,
    seeds,
    offset: row.ropeDelta,
    media: row,
    key: ticket.key,
    maxTokens,
    ended: (tokens) => ticket.gone || ended(tokens),
  };
};

/** Prompts for the batch under way: from the front of the queue, as long as they are of its settings and there is room. */
const take = (state: State, group: string, room: number): SamplePrompt[] => {
  const taken: SamplePrompt[] = [];
  let left = room;
  while (left > 0 && state.waiting[0]?.group === group) {
    const ticket = state.waiting.shift() as Ticket;
    const prompt = promptOf(ticket);
    state.active.set(prompt, ticket);
    taken.push(prompt);
    left -= ticket.request.seeds.length;
  }
  const under = [...state.active.values()].reduce((sum, ticket) => sum + ticket.left, 0);
  state.most = Math.max(state.most, under);
  return taken;
};

const receive = (state: State, [completion, prompt, index]: Parameters<SampleSource["onCompletion"]>): void => {
  const ticket = state.active.get(prompt);
  if (ticket === undefined) return;
  ticket.got[index] = completion;
  ticket.left -= 1;
  if (ticket.left > 0) return;
  state.active.delete(prompt);
  if (!ticket.gone) ticket.resolve(ticket.got);
};

const wrapped = (error: unknown, model: string): unknown =>
  isR1Error(error)
    ? error
    : new ModelError(`${model}: ${messageOf(error)}`, { model, retryable: false }, { cause: error });

const runOne = async (state: State): Promise<void> => {
  const { group, request } = state.waiting[0] as Ticket;
  const source: SampleSource = {
    next: (room) => take(state, group, room),
    onCompletion: (...told) => receive(state, told),
  };
  try {
    await state.serve(request.settings, source, state.own.signal);
  } catch (error) {
    const closed = state.own.signal.aborted;
    const why = closed ? new AbortError(`${state.name} was closed`, { cause: error }) : wrapped(error, state.name);
    const lost = [...state.active.values()];
    state.active.clear();
    // What was not even taken would fail for the same reason: a batch that cannot begin must not be tried for ever.
    for (const ticket of lost.length === 0 ? [...state.waiting] : lost) if (!ticket.gone) drop(state, ticket, why);
  }
};

const runAll = async (state: State): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, state.windowMs));
  while (state.waiting.length > 0) await runOne(state);
  state.running = undefined;
};

const keyOf = (state: State, row: QwenRow): string => {
  const same = [...state.active.values(), ...state.waiting].find(({ request }) => samePrompt(request.row, row));
  return same?.key ?? String(state.nextKey++);
};

const ask = (state: State, request: Request): Promise<readonly Completion[]> =>
  new Promise((resolve, reject) => {
    const { signal } = request;
    const aborted = (): AbortError => new AbortError("aborted by the caller", { cause: signal?.reason });
    if (signal?.aborted === true) return reject(aborted());
    if (state.own.signal.aborted) return reject(new AbortError(`${state.name} was closed`));
    const leave = (): void => drop(state, ticket, aborted());
    const settled =
      <A>(settle: (value: A) => void) =>
      (value: A): void => {
        signal?.removeEventListener("abort", leave);
        settle(value);
      };
    const ticket: Ticket = {
      request,
      group: JSON.stringify(request.settings),
      key: keyOf(state, request.row),
      got: [],
      resolve: settled(resolve),
      reject: settled(reject),
      left: request.seeds.length,
      gone: false,
    };
    signal?.addEventListener("abort", leave, { once: true });
    state.waiting.push(ticket);
    state.running ??= runAll(state);
  });

/** A queue that serves one batch at a time. */
export const requestQueue = (name: string, serve: Serve, windowMs: number): Queue => {
  const state: State = {
    name,
    serve,
    windowMs,
    own: new AbortController(),
    waiting: [],
    active: new Map(),
    running: undefined,
    nextKey: 0,
    most: 0,
  };
  return {
    ask: (request) => ask(state, request),
    mostAtOnce: () => state.most,
    close: async () => {
      state.own.abort();
      const closed = new AbortError(`${name} was closed`);
      for (const ticket of [...state.waiting]) drop(state, ticket, closed);
      await state.running;
    },
  };
};
