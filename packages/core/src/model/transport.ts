/** What the model client needs of HTTP: one request, one whole reply, and a way to hang up. */

/** One request. Replies are read whole: the client never streams. */
export interface TransportRequest {
  readonly method: "GET" | "POST";
  /** Scheme, host and port, e.g. `http://127.0.0.1:8000`. */
  readonly origin: string;
  /** Path, starting with a slash. */
  readonly path: string;
  /** Lower-case names. `content-length` is the transport's to set. */
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces to be sent one after the other; strings as UTF-8. They must not change until the response is there. */
  readonly body?: readonly (string | Uint8Array)[] | undefined;
}

/** A whole reply, whatever its status. */
export interface TransportResponse {
  readonly status: number;
  /** The body, decoded as UTF-8. */
  readonly text: string;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
}

/** A request on its way. */
export interface Exchange {
  /** Rejects with `TransportError` or whatever the network threw; with the reason of `cancel`, when that was called. */
  readonly response: Promise<TransportResponse>;
  /** Rejects `response` at once and closes the connection, so that the server stops working on the request. */
  cancel(reason: Error): void;
}

/** Sends requests. Must impose no time limit of its own beyond connecting: the client has one deadline. */
export interface Transport extends AsyncDisposable {
  send(request: TransportRequest): Exchange;
}

/** What the client tells its transport. */
export interface TransportOptions {
  /** Larger response bodies are refused while they arrive. */
  readonly maxResponseBytes: number;
}

/** A failure that the client treats differently from a broken connection. */
export class TransportError extends Error {
  /** `too-large`: the response passed `maxResponseBytes`. `closed`: the transport was disposed. */
  readonly kind: "too-large" | "closed";

  constructor(kind: "too-large" | "closed", message: string) {
    super(message);
    this.name = "TransportError";
    this.kind = kind;
  }
}

/** The error for a response that passes the limit. */
export const tooLarge = (maxResponseBytes: number): TransportError =>
  new TransportError("too-large", `response body is larger than maxResponseBytes (${maxResponseBytes})`);
