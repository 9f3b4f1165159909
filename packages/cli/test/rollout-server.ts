/**
 * A server as SGLang is one, over a real socket: samples from a Hugging Face folder with the policy's own code, tells token ids and
 * log-probabilities, and loads other weights from disk when it is told to.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Message } from "@r1reward/core";
import type { Engine, EngineTensor, SampleRequest } from "@r1reward/stablereinforce";
import { openQwen, type QwenPipelineModel } from "@r1reward/stablereinforce/node";

type Json = Readonly<Record<string, unknown>>;

interface Loaded {
  readonly model: QwenPipelineModel<unknown>;
  readonly params: Readonly<Record<string, EngineTensor>>;
}

export interface RolloutServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Folders that were loaded on demand, in order. */
  readonly loaded: readonly string[];
  /** Rollouts that were asked for: their seeds. */
  readonly seeds: readonly number[];
}

interface WirePart {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: { readonly url: string };
}

const messagesOf = (body: Json): Message[] =>
  (body.messages as { role: "user" | "system"; content: string | WirePart[] }[]).map(({ role, content }) => ({
    role,
    content: (typeof content === "string" ? [{ type: "text", text: content }] : content).map(
      ({ type, text, image_url }: WirePart) =>
        type === "text"
          ? { type: "text" as const, text: text ?? "" }
          : { type: "image" as const, image: { dataUri: image_url?.url ?? "" } },
    ),
  }));

const load = async (engine: Engine, folder: string): Promise<Loaded> => {
  const model = await openQwen<unknown>(folder, { engine, context: 512, maxPixels: 12_544 });
  const host = Object.entries(model.policy.parameters());
  const params = host.map(([name, { data, shape }]) => [name, engine.tensor(data.slice(), shape)] as const);
  return { model, params: Object.fromEntries(params) };
};

const complete = async ({ model, params }: Loaded, body: Json): Promise<Json> => {
  const prompt = { id: "served", prompt: messagesOf(body), truth: undefined };
  const requests: SampleRequest[] = [{ prompt, group: "served", seeds: [body.seed as number] }];
  const maxTokens = (body.max_completion_tokens ?? body.max_tokens) as number;
  for await (const made of model.policy.sample(params, requests, {
    temperature: body.temperature as number,
    maxTokens,
  })) {
    const content = Array.from(made.tokens, (id, t) => ({ token: `token_id:${id}`, logprob: made.logpRollout?.[t], top_logprobs: [] })); // prettier-ignore
    const message = { role: "assistant", content: made.text };
    const usage = { prompt_tokens: made.promptTokens.length, completion_tokens: made.tokens.length };
    return { choices: [{ index: 0, message, finish_reason: made.finishReason, logprobs: { content } }], usage };
  }
  throw new Error("nothing was sampled");
};

const bodyOf = async (request: IncomingMessage): Promise<Json> => {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Json);
};

/** Starts one on a free port, or on the given one. */
export const rolloutServer = async (engine: Engine, folder: string, port = 0): Promise<RolloutServer> => {
  let now = await load(engine, folder);
  const [loaded, seeds]: [string[], number[]] = [[], []];
  let queue: Promise<unknown> = Promise.resolve(); // one thing at a time: weights never change under a reply
  const answer = async (path: string, body: Json): Promise<readonly [number, Json]> => {
    if (path === "/get_model_info") return [200, { model_path: folder }];
    if (path === "/v1/chat/completions") {
      seeds.push(body.seed as number);
      return [200, await complete(now, body)];
    }
    if (path !== "/update_weights_from_disk") return [404, { error: { message: `no such path: ${path}` } }];
    const before = now;
    now = await load(engine, body.model_path as string);
    loaded.push(body.model_path as string);
    engine.dispose(before.params);
    await before.model[Symbol.asyncDispose]();
    return [200, { success: true, message: "Succeeded to update model weights." }];
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    queue = queue
      .then(async () => answer(request.url ?? "", await bodyOf(request)))
      .catch((error: unknown) => [500, { error: { message: String(error) } }] as const)
      .then(([status, body]) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
      );
  };
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const { port: at } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${at}/v1`,
    port: at,
    loaded,
    seeds,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await queue;
      engine.dispose(now.params);
      await now.model[Symbol.asyncDispose]();
    },
  };
};
