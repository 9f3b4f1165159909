/** From a request to its reply: routing, tokens, decoding, errors. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { handle, type Desk } from "./desk.ts";
import { decodeBody, isMsgpack, readBody, sendReply, type BodyBudget } from "./http.ts";
import { digest } from "./keys.ts";
import type { HoldPolicy, WireFormat, WireRequest } from "./types.ts";
import { isWireError, WireError } from "./wire-error.ts";

/** What routing needs. */
export interface Router {
  readonly desk: Desk;
  readonly formats: readonly WireFormat[];
  readonly hold: Readonly<Record<string, Partial<HoldPolicy>>>;
  readonly groupSize: number | undefined;
  readonly budget: BodyBudget;
  readonly allowed: (request: IncomingMessage, query: URLSearchParams) => boolean;
  readonly health: () => { readonly status: string };
  readonly onError: (error: unknown) => void;
}

interface Target {
  readonly path: string;
  readonly query: URLSearchParams;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
}

/** Path and query of a request's target. A target that is a whole address, as proxies send it, is known by no route. */
const targetOf = ({ url = "/" }: IncomingMessage): Target => {
  const cut = url.indexOf("?");
  return cut < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, cut), query: new URLSearchParams(url.slice(cut + 1)) };
};

const formatFor = (router: Router, method: string, path: string): WireFormat => {
  const onPath = router.formats.filter(({ routes }) => routes.some((route) => route.path === path));
  const found = onPath.find(({ routes }) => routes.some((route) => route.path === path && route.method === method));
  if (found !== undefined) return found;
  if (onPath.length > 0) throw new WireError(405, `${method} is not known here`);
  throw new WireError(404, "no such route");
};

const isJsonLines = (work: { readonly kind: string }): boolean => "stream" in work && work.stream !== undefined;

const wireRequest = async (router: Router, { request, target }: Exchange, format: WireFormat): Promise<WireRequest> => {
  const bytes = await readBody(request, router.budget);
  const msgpack = isMsgpack(request, format.msgpack === true);
  let known: string | undefined;
  return {
    method: request.method ?? "GET",
    path: target.path,
    query: new Map(target.query),
    body: decodeBody(bytes, msgpack),
    get digest() {
      return (known ??= digest(bytes)); // most requests never ask for it
    },
    msgpack,
    groupSize: router.groupSize,
  };
};

const emitter =
  (response: ServerResponse) =>
  (line: unknown): void => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.write(`${JSON.stringify(line)}\n`);
  };

/** Tells, once, when the exchange is over: was the reply handed over whole? */
const watchEnd = ({ socket }: IncomingMessage, response: ServerResponse) => {
  const gone = new AbortController();
  const ends: ((delivered: boolean) => void)[] = [];
  // The client may have left while its body was read: nobody will say so again.
  if (response.destroyed || socket.readableEnded) gone.abort();
  // The end of what the client sends comes some turns before the response is closed, and before whatever it sends elsewhere.
  const left = (): void => gone.abort();
  socket.once("end", left);
  response.once("close", () => {
    socket.off("end", left);
    if (!response.writableFinished) gone.abort();
    for (const end of ends) end(response.writableFinished);
  });
  return { gone: gone.signal, onEnd: (end: (delivered: boolean) => void) => void ends.push(end) };
};

/**
 * After a stall, a request, its client's leaving and the client's next try may all be there at once. The end of a stream is
 * read one turn after the data before it: only then is a return told from a copy.
 */
const twoTurns = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

const serve = async (router: Router, exchange: Exchange, format: WireFormat): Promise<void> => {
  const { request, response, target } = exchange;
  const work = format.decode(await wireRequest(router, exchange, format));
  const { gone, onEnd } = watchEnd(request, response);
  await twoTurns();
  const emit = emitter(response);
  const policy = { ...format.hold, ...router.hold[format.name] };
  const client = request.socket.remoteAddress ?? "";
  const run = target.query.get("run")?.slice(0, 256);
  const handled = await handle(router.desk, work, { client, run, format: format.name, policy, gone, emit });
  if (gone.aborted || response.destroyed) {
    // What is written to a connection that is half closed would count as delivered.
    response.destroy();
    return handled.settle(false);
  }
  onEnd(handled.settle);
  const { status = 200, body, msgpack = false } = handled.reply;
  router.desk.metrics.add("requests_total", 1, { format: format.name, status: String(status) });
  if (!isJsonLines(work)) return sendReply(response, { status, body, msgpack });
  emit(body);
  response.end();
};

const refusalOf = (error: unknown): WireError =>
  isWireError(error) ? error : new WireError(500, `internal error ${randomUUID().slice(0, 8)}`);

const refuse = (
  router: Router,
  exchange: { response: ServerResponse; format: WireFormat | undefined },
  error: unknown,
) => {
  const { response, format } = exchange;
  const { status, message, retryAfter } = refusalOf(error);
  if (status === 500) router.onError(error);
  const { metrics } = router.desk;
  metrics.add("requests_total", 1, { format: format?.name ?? "none", status: String(status) });
  if (status === 400) metrics.add("bad_input_total", 1, { kind: "body" });
  if (status === 401) metrics.add("unauthorised_total");
  if (response.destroyed) return;
  if (response.headersSent) return void response.end();
  const headers = {
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    // What is left of a body that was refused is not waited for.
    ...(status === 413 || status === 415 ? { connection: "close" } : {}),
  };
  const body = format?.refuse?.(status, message) ?? { error: { message, type: "r1reward", code: status } };
  sendReply(response, { status, body, msgpack: false }, headers);
};

const own = (router: Router, response: ServerResponse, path: string): boolean => {
  if (path === "/healthz") {
    const health = router.health();
    sendReply(response, { status: health.status === "draining" ? 503 : 200, body: health, msgpack: false });
    return true;
  }
  if (path !== "/metrics") return false;
  response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  response.end(router.desk.metrics.render());
  return true;
};

/** Answers one request, whatever it is. Never rejects. */
export const answer = async (router: Router, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  let format: WireFormat | undefined;
  response.on("error", () => undefined); // the client left while it was written to
  try {
    const target = targetOf(request);
    const isHealth = target.path === "/healthz";
    // A page in somebody's browser has no business here, whatever it can reach.
    if (request.headers.origin !== undefined) throw new WireError(403, "requests from browsers are refused");
    if (!isHealth && !router.allowed(request, target.query)) throw new WireError(401, "expected a valid token");
    if (request.method === "GET" && own(router, response, target.path)) return;
    format = formatFor(router, request.method ?? "GET", target.path);
    await serve(router, { request, response, target }, format);
  } catch (error) {
    refuse(router, { response, format }, error);
  }
};
