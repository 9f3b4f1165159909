import { completionProblem } from "../../completion-shape.ts";
import { isR1Error, messageOf } from "../../errors.ts";
import type { ChatModel } from "../../interfaces.ts";
import type { LoadedPart, Message } from "../../types.ts";
import { type ContractCheck, expectAbort, expectThat, firedSignal, frozen, nameCheck } from "./check.ts";

/** What the checks of a chat model need. */
export interface ChatModelContract {
  /** A model that answers. Called for every check. */
  readonly create: () => ChatModel;
  /** What to ask it. */
  readonly messages?: readonly Message<LoadedPart>[] | undefined;
  /** A model whose backend fails. Without it, failures are not checked. */
  readonly createFailing?: (() => ChatModel) | undefined;
}

const HELLO: readonly Message<LoadedPart>[] = [{ role: "user", content: [{ type: "text", text: "Say hello." }] }];
const OPTIONS = { temperature: 0, maxTokens: 64 };

const expectCompletion = (reply: unknown): void => {
  const problem = completionProblem(reply);
  expectThat(problem === null, `reply.${problem}`);
};

const failures = (createFailing: () => ChatModel, messages: readonly Message<LoadedPart>[]): ContractCheck => ({
  name: "rejects with one of the library's errors when its backend fails",
  run: async () => {
    const error: unknown = await createFailing()
      .complete(messages, OPTIONS)
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expectThat(isR1Error(error), `failing backend: expected an R1Error, got ${messageOf(error)}`);
  },
});

const abortChecks = (create: () => ChatModel, messages: readonly Message<LoadedPart>[]): readonly ContractCheck[] => [
  {
    name: "rejects with AbortError when the signal has fired",
    run: () => expectAbort(() => create().complete(messages, { ...OPTIONS, signal: firedSignal() }), "fired signal"),
  },
  {
    name: "settles when the signal fires under way: with AbortError, or with the reply it had",
    run: async () => {
      const controller = new AbortController();
      const reply = create().complete(messages, { ...OPTIONS, signal: controller.signal });
      controller.abort();
      await reply.then(expectCompletion, (error: unknown) =>
        expectAbort(() => Promise.reject(error), "abort under way"),
      );
    },
  },
];

/** What every `ChatModel` promises, as checks for any test runner. */
export const chatModelContract = ({ create, messages = HELLO, createFailing }: ChatModelContract): ContractCheck[] => [
  nameCheck(create),
  {
    name: "gives a whole completion, with and without options",
    run: async () => {
      expectCompletion(await create().complete(messages));
      expectCompletion(await create().complete(messages, OPTIONS));
    },
  },
  {
    name: "leaves messages and options as they are",
    run: async () => expectCompletion(await create().complete(frozen(messages), Object.freeze({ ...OPTIONS }))),
  },
  {
    name: "answers eight requests at once",
    run: async () => {
      const model = create();
      const replies = await Promise.all(Array.from({ length: 8 }, () => model.complete(messages, OPTIONS)));
      replies.forEach(expectCompletion);
    },
  },
  ...abortChecks(create, messages),
  {
    name: "gives n completions where it can give several",
    run: async () => {
      const replies = await create().completeMany?.(messages, 3, { ...OPTIONS, temperature: 1 });
      expectThat(replies === undefined || replies.length === 3, `completeMany: expected 3, got ${replies?.length}`);
      replies?.forEach(expectCompletion);
    },
  },
  ...(createFailing === undefined ? [] : [failures(createFailing, messages)]),
];
