import { Client } from "langsmith";
import { evaluate, evaluateComparative, type EvaluatorT } from "langsmith/evaluation";
import type { Example } from "langsmith/schemas";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { langsmithComparativeEvaluator, langsmithEvaluator, type LangsmithArgs } from "../src/langsmith/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import { loopback, type Received } from "./loopback.ts";

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const dataset = uuid(1);
const now = "2026-01-01T00:00:00Z";

const example = (n: number, question: string, answer: string): Example => ({
  id: uuid(n),
  dataset_id: dataset,
  inputs: { question },
  outputs: { answer },
  created_at: now,
  modified_at: now,
  runs: [],
});

const examples = [example(10, "one?", "good 5"), example(11, "two?", "good 5")];

const runOf = (n: number, session: string, answer: string) => ({
  id: uuid(n),
  trace_id: uuid(n),
  session_id: session,
  name: "policy",
  run_type: "chain",
  start_time: now,
  inputs: { question: "one?" },
  outputs: { answer },
  reference_example_id: uuid(10),
});

// Two experiments over the first example, as a server that ran them would tell.
const experiments: Record<string, { id: string; runs: object[] }> = {
  weak: { id: uuid(100), runs: [runOf(200, uuid(100), "good 1")] },
  strong: { id: uuid(101), runs: [runOf(201, uuid(101), "good 8")] },
};

const answer = ({ method, path, body }: Received): unknown => {
  const { pathname, searchParams } = new URL(path, "http://x");
  const project = (id: string, name: string) => ({
    id,
    name,
    tenant_id: uuid(3),
    reference_dataset_id: dataset,
    start_time: now,
  });
  if (pathname === "/info") return {};
  if (pathname === "/sessions" && method === "POST") return project((body as { id?: string }).id ?? uuid(2), "run");
  if (pathname === "/sessions") {
    const name = searchParams.get("name") ?? "weak"; // without a name: anybody's, to learn the tenant
    return [project(experiments[name]!.id, name)];
  }
  if (pathname.startsWith("/sessions/")) return project(pathname.split("/")[2]!, "experiment");
  if (pathname === "/datasets/comparative")
    return { ...(body as object), tenant_id: uuid(3), created_at: now, modified_at: now };
  if (pathname.startsWith("/datasets")) return { id: dataset, name: "set", created_at: now, modified_at: now };
  if (pathname === "/runs/query") {
    const [session] = (body as { session: string[] }).session;
    return { runs: Object.values(experiments).find(({ id }) => id === session)!.runs, cursors: {} };
  }
  if (pathname === "/examples") return searchParams.get("offset") === "0" ? examples : [];
  return {};
};

const clientFor = (url: string) =>
  new Client({ apiUrl: url, webUrl: url, apiKey: "none", autoBatchTracing: false, callerOptions: { maxRetries: 0 } });

const read = ({ inputs, outputs, referenceOutputs }: LangsmithArgs) => ({
  question: inputs["question"] as string,
  response: outputs["answer"] as string,
  reference: referenceOutputs?.["answer"] as string | undefined,
});

beforeEach(() => {
  vi.stubEnv("LANGSMITH_TRACING", "false");
  for (const level of ["log", "error", "warn"] as const) vi.spyOn(console, level).mockImplementation(() => undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const feedback = (requests: readonly Received[]) =>
  requests.filter(({ path }) => path.startsWith("/feedback")).map(({ body }) => body as Record<string, unknown>);

const runEvaluation = async (evaluator: EvaluatorT) => {
  await using server = await loopback(answer);
  const client = clientFor(server.url);
  const target = async ({ question }: { question: string }) => ({ answer: question === "one?" ? "good 9" : "good 1" });
  const { results } = await evaluate(target, {
    data: examples,
    evaluators: [evaluator],
    client,
    experimentPrefix: "run",
  });
  await client.awaitPendingTraceBatches();
  return {
    results: results.map(({ evaluationResults }) => evaluationResults.results),
    sent: feedback(server.requests),
  };
};

describe("langsmith", () => {
  it("has the package's types", () => {
    expectTypeOf(langsmithEvaluator({ judge: numberJudge(), read })).toExtend<EvaluatorT>();
    const options = { judge: numberJudge(), question: () => "q", answer: () => "a" };
    type Comparative = Parameters<typeof evaluateComparative>[1]["evaluators"][number];
    expectTypeOf(langsmithComparativeEvaluator(options)).toExtend<Comparative>();
  });

  it("scores an experiment against the examples' answers, with the critique as comment", async () => {
    const evaluator = langsmithEvaluator({ judge: numberJudge(), read });
    const { results, sent } = await runEvaluation(evaluator);
    expect(results.map(([one]) => one!.score).sort()).toEqual([0, 1]);
    expect(sent.map(({ key, score }) => [key, score])).toEqual(
      expect.arrayContaining([
        ["r1reward", 1],
        ["r1reward", 0],
      ]),
    );
    expect(sent.map(({ comment }) => comment).join()).toContain("the judge preferred the other");
    evaluator.assertHealthy();
  });

  it("drops an evaluator's error without a word, which is what stats are for", async () => {
    const broken = { name: "out", judge: () => Promise.reject(new Error("down")) };
    const throwing = langsmithEvaluator({ judge: broken, read });
    expect((await runEvaluation(throwing)).results).toEqual([[], []]);
    expect(() => throwing.assertHealthy()).toThrow(/2 of 2 answers have no score.*down/);
    const abstaining = langsmithEvaluator({ judge: broken, read, onError: "abstain" });
    const { results } = await runEvaluation(abstaining);
    expect(results[0]![0]).toMatchObject({
      score: null,
      comment: expect.stringMatching(/^Not judged: .*down/) as string,
    });
    const chosen = langsmithEvaluator({ judge: broken, read, onError: 0.5 });
    expect((await runEvaluation(chosen)).results[0]![0]!.score).toBe(0.5);
  });

  it("reads pictures from attachments", async () => {
    const judge = numberJudge();
    const evaluator = langsmithEvaluator({
      judge,
      read: ({ attachments, ...args }) => ({
        ...read(args),
        question: [
          { type: "image", image: { url: (attachments!["photo"] as { presigned_url: string }).presigned_url } },
        ],
      }),
    });
    const attachments = { photo: { presigned_url: "https://example.org/a.png" } };
    await evaluator({ inputs: {}, outputs: { answer: "1" }, referenceOutputs: { answer: "2" }, attachments });
    expect(judge.asked[0]!.pair.question).toEqual([{ type: "image", image: { url: "https://example.org/a.png" } }]);
  });
});

describe("langsmith, comparing experiments", () => {
  const options = {
    question: (inputs: Readonly<Record<string, unknown>>) => inputs["question"] as string,
    answer: (outputs: Readonly<Record<string, unknown>>) => outputs["answer"] as string,
  };

  it("gives each run its score within the example", async () => {
    await using server = await loopback(answer);
    const evaluator = langsmithComparativeEvaluator({ judge: numberJudge(), ...options });
    const { results } = await evaluateComparative(["weak", "strong"], {
      evaluators: [evaluator],
      client: clientFor(server.url),
    });
    const { scores } = results[0] as unknown as { scores: Record<string, number> };
    expect(scores[uuid(201)]!).toBeGreaterThan(0.5);
    expect(scores[uuid(200)]! + scores[uuid(201)]!).toBeCloseTo(1, 9);
    expect(feedback(server.requests).map(({ run_id }) => run_id)).toEqual([uuid(200), uuid(201)]);
    evaluator.assertHealthy();
  });

  it("leaves out runs that could not be judged", async () => {
    const evaluator = langsmithComparativeEvaluator({ judge: numberJudge(), onError: "abstain", ...options });
    const outputs = [{ answer: "THROW" }, { answer: "good 1" }];
    const runs = [{ id: "a" }, { id: "b" }];
    expect(await evaluator({ runs, inputs: { question: "q" }, outputs })).toEqual({ key: "r1reward", scores: {} });
  });
});
