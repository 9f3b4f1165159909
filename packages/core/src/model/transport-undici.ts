/** The transport of Node: undici clients, one per connection, without hidden time limits. */
import { Writable } from "node:stream";
import { buildConnector, Client, type Dispatcher } from "undici";
import {
  tooLarge,
  TransportError,
  type Exchange,
  type Transport,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

const CONNECT_TIMEOUT_MS = 10_000;

// The bodies lie in memory already, so a socket need not hold back what is written to it.
const socketBuffers = { highWaterMark: undefined, readableHighWaterMark: 65_536, writableHighWaterMark: 2 ** 30 };
const open = buildConnector({ timeout: CONNECT_TIMEOUT_MS, ...socketBuffers } as buildConnector.BuildOptions);

/**
 * undici flushes a socket after each piece of a body. Flushed one tick later, the headers, the texts and the images of a
 * request leave together, in one system call: a fifth of the CPU time of a request with an image.
 */
const flushLater = (socket: Writable): void => {
  const flush = (): void => {
    Writable.prototype.uncork.call(socket);
  };
  let later = false;
  const uncork = (): void => {
    if (later || socket.writableCorked !== 1) {
      flush();
      return;
    }
    later = true;
    process.nextTick(() => {
      later = false;
      flush();
    });
  };
  socket.uncork = uncork;
};

const connect: buildConnector.connector = (options, callback) => {
  const opened: buildConnector.Callback = (...result) => {
    if (result[0] === null) flushLater(result[1]);
    callback(...result);
  };
  open(options, opened);
};

/**
 * Options of every connection. undici gives up on headers and bodies after 300 s by default, and so would cut off a
 * judgement that queues and thinks for longer, to send it again; the client's deadline takes the place of both limits.
 */
export const connectionOptions: Readonly<Client.Options> = {
  headersTimeout: 0,
  bodyTimeout: 0,
  connect,
  pipelining: 1,
};

/**
 * Connections of one origin that have nothing to do, the last used on top. The limiter says how many requests there are
 * at a time, so no queue is needed here, and undici's `Pool` would search all connections for a free one each time.
 */
interface Connections {
  readonly origin: string;
  readonly all: Client[];
  readonly idle: Client[];
}

const connection = (connections: Connections): Client => {
  const idle = connections.idle.pop();
  if (idle !== undefined) return idle;
  const client = new Client(connections.origin, connectionOptions);
  connections.all.push(client);
  return client;
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
  /** Gives the connection back. */
  readonly land: () => void;
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
    flight.land();
    resolve(response(flight.status, flight.headers, flight.chunks));
  },
  onResponseError: (_controller, error) => {
    flight.land();
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

const send = (connections: Connections, request: TransportRequest, limit: number): Exchange => {
  const client = connection(connections);
  const flight: Flight = {
    land: () => {
      connections.idle.push(client);
    },
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
    client.dispatch({ path, method, ...payload(request) }, handler(flight, limit, resolve, reject));
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

/** A transport on undici, with as many connections per origin as there are requests in flight. */
export const createTransport = ({ maxResponseBytes }: TransportOptions): Transport => {
  const origins = new Map<string, Connections>();
  let closed = false;
  const connectionsOf = (origin: string): Connections => {
    if (closed) throw new TransportError("closed", "the transport was closed");
    const known = origins.get(origin);
    if (known !== undefined) return known;
    const connections: Connections = { origin, all: [], idle: [] };
    origins.set(origin, connections);
    return connections;
  };
  return {
    send: (request) => send(connectionsOf(request.origin), request, maxResponseBytes),
    [Symbol.asyncDispose]: async () => {
      closed = true;
      const clients = [...origins.values()].flatMap(({ all }) => all);
      await Promise.all(clients.map((client) => client.destroy()));
    },
  };
};
