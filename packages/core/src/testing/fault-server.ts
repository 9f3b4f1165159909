/**
 * A real HTTP server that speaks the OpenAI chat completions API and misbehaves on purpose, for tests and demos. What
 * goes wrong depends on the seed, on what is asked and on how often it was asked before, never on the order in which
 * requests happen to arrive: two runs with one seed meet the same faults.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  completionJson,
  errorJson,
  misbehave,
  pickFault,
  promptOf,
  sendJson,
  type FaultKind,
  type FaultServerOptions,
  type FaultServerRequest,
  type FaultState,
} from "./fault-reply.ts";

export type { FaultKind, FaultServerOptions, FaultServerReply, FaultServerRequest } from "./fault-reply.ts";

/** Counted since the start. */
export interface FaultServerStats {
  /** Chat completion requests. */
  readonly requests: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Requests whose client hung up before it was answered. */
  readonly hungUp: number;
  readonly mostAtOnce: number;
  /** Refused because of `capacity`. */
  readonly refused: number;
  /** How many good replies each prompt was given. */
  readonly replies: ReadonlyMap<string, number>;
}

/** A running server. */
export interface FaultServer extends AsyncDisposable {
  /** Base URL with `/v1`. */
  readonly url: string;
  stats(): FaultServerStats;
  /** Breaks all connections and stops listening. */
  close(): Promise<void>;
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
};

const refusal = (options: FaultServerOptions, request: FaultServerRequest): [number, string] | undefined => {
  if (options.apiKey !== undefined && request.headers["authorization"] !== `Bearer ${options.apiKey}`) {
    return [401, `invalid key: ${String(request.headers["authorization"])}`];
  }
  const model = request.body["model"];
  if (options.model !== undefined && model !== options.model)
    return [404, `The model ${String(model)} does not exist.`];
  return undefined;
};

const answer = async (state: FaultState, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableEnded) gone.abort();
  });
  const raw = await readBody(request);
  const body = JSON.parse(raw) as Record<string, unknown>;
  const read: FaultServerRequest = { body, prompt: promptOf(body), headers: request.headers };
  const refused = refusal(state.options, read);
  if (refused !== undefined) return sendJson(response, refused[0], errorJson(refused[1], refused[0]));
  if (state.atOnce > (state.options.capacity ?? Infinity)) {
    state.refused += 1;
    return sendJson(response, 503, errorJson("queue full", 503));
  }
  const fault = pickFault(state, raw);
  const stallMs = fault === "stall" ? (state.options.faults?.stallMs ?? 2 ** 31 - 1) : 0;
  const waitMs = (state.options.delayMs ?? 0) + stallMs;
  if (waitMs > 0) await sleep(waitMs, undefined, { signal: gone.signal }).catch(() => undefined);
  if (gone.signal.aborted) {
    state.hungUp += 1;
    return;
  }
  if (fault !== undefined && fault !== "stall") return misbehave(state, fault, read, response);
  const text = completionJson(state, read);
  response.writeHead(200, { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) });
  response.end(text);
};

const handle = async (state: FaultState, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const path = request.url ?? "/";
  if (request.method === "POST" && path === "/v1/chat/completions") {
    state.requests += 1;
    state.atOnce += 1;
    state.mostAtOnce = Math.max(state.mostAtOnce, state.atOnce);
    try {
      await answer(state, request, response);
    } finally {
      state.atOnce -= 1;
    }
    return;
  }
  const { routes = {}, model } = state.options;
  if (Object.hasOwn(routes, path)) sendJson(response, 200, routes[path]);
  else if (path === "/v1/models") sendJson(response, 200, { object: "list", data: [{ id: model ?? "m" }] });
  else sendJson(response, 404, errorJson("not found", 404));
};

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });

/** Starts a server on the loopback interface. Close it when done: it keeps the process alive. */
export const startFaultServer = async (options: FaultServerOptions = {}): Promise<FaultServer> => {
  const state: FaultState = {
    options,
    asked: new Map(),
    replies: new Map(),
    faults: {},
    requests: 0,
    hungUp: 0,
    refused: 0,
    atOnce: 0,
    mostAtOnce: 0,
  };
  const server = createServer((request, response) => {
    // A request that breaks off while it is read ends here; there is nobody left to tell.
    handle(state, request, response).catch(() => response.destroy());
  });
  await listen(server, options.port ?? 0);
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stats: () => {
      const { requests, hungUp, refused, mostAtOnce } = state;
      return { requests, hungUp, refused, mostAtOnce, faults: { ...state.faults }, replies: new Map(state.replies) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
