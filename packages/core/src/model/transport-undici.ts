/** The transport of Node: an undici pool per origin, without hidden time limits. */
import { Pool, type Dispatcher } from "undici";
import {
  tooLarge,
  TransportError,
  type Exchange,
  type Transport,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

/**
 * Options of every pool. undici gives up on headers and bodies after 300 s by default, and so would cut off a judgement
 * that queues and thinks for longer, to send it again; the client's deadline takes the place of both limits.
 */
export const poolOptions: Readonly<Pool.Options> = {
  headersTimeout: 0,
  bodyTimeout: 0,
  connectTimeout: 10_000,
  connections: null,
  pipelining: 1,
};

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const response = (status: number, headers: Headers, chunks: readonly Buffer[]): TransportResponse => ({
  status,
  text: chunks.length === 1 ? chunks[0]!.toString("utf8") : Buffer.concat(chunks).toString("utf8"),
  header: (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  },
});

/** Where a request stands: filled in by undici's callbacks. */
interface Flight {
  controller: Dispatcher.DispatchController | undefined;
  cancelled: Error | undefined;
  status: number;
  headers: Headers;
  size: number;
  readonly chunks: Buffer[];
}

const handler = (
  flight: Flight,
  limit: number,
  resolve: (value: TransportResponse) => void,
  reject: (reason: Error) => void,
): Dispatcher.DispatchHandler => ({
  onRequestStart: (controller) => {
    flight.controller = controller;
    if (flight.cancelled !== undefined) controller.abort(flight.cancelled);
  },
  onResponseStart: (_controller, status, headers) => {
    flight.status = status;
    flight.headers = headers;
  },
  onResponseData: (controller, chunk) => {
    flight.size += chunk.length;
    if (flight.size > limit) controller.abort(tooLarge(limit));
    else flight.chunks.push(chunk);
  },
  onResponseEnd: () => {
    resolve(response(flight.status, flight.headers, flight.chunks));
  },
  onResponseError: (_controller, error) => {
    reject(error);
  },
});

type Sent = Pick<Dispatcher.DispatchOptions, "body" | "headers">;

/** Text alone goes as one buffer; with images, the pieces go one by one, so that no image is ever copied. */
const payload = ({ body, headers }: TransportRequest): Sent => {
  if (body === undefined) return { headers };
  if (body.length === 1) {
    const only = body[0]!;
    return { headers, body: typeof only === "string" ? Buffer.from(only) : only };
  }
  const pieces = body.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  // undici takes any iterable of buffers, though its types know only streams.
  const spliced = pieces as unknown as NonNullable<Sent["body"]>;
  return { headers: { ...headers, "content-length": String(length) }, body: spliced };
};

const send = (pool: Pool, request: TransportRequest, limit: number): Exchange => {
  const flight: Flight = {
    controller: undefined,
    cancelled: undefined,
    status: 0,
    headers: {},
    size: 0,
    chunks: [],
  };
  let refuse: (reason: Error) => void = () => undefined;
  const reply = new Promise<TransportResponse>((resolve, reject) => {
    refuse = reject;
    const { path, method } = request;
    pool.dispatch({ path, method, ...payload(request) }, handler(flight, limit, resolve, reject));
  });
  return {
    response: reply,
    cancel: (reason) => {
      flight.cancelled = reason;
      refuse(reason);
      flight.controller?.abort(reason);
    },
  };
};

/** A transport on undici pools, one per origin, as many connections as there are requests in flight. */
export const createTransport = ({ maxResponseBytes }: TransportOptions): Transport => {
  const pools = new Map<string, Pool>();
  let closed = false;
  const poolOf = (origin: string): Pool => {
    if (closed) throw new TransportError("closed", "the transport was closed");
    const known = pools.get(origin);
    if (known !== undefined) return known;
    const pool = new Pool(origin, poolOptions);
    pools.set(origin, pool);
    return pool;
  };
  return {
    send: (request) => send(poolOf(request.origin), request, maxResponseBytes),
    [Symbol.asyncDispose]: async () => {
      closed = true;
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
};
