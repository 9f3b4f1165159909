/** The transport of browsers, workers and edge runtimes: `fetch`. */
import {
  tooLarge,
  type Exchange,
  type Transport,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";

const join = (pieces: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> => {
  const encoder = new TextEncoder();
  const parts = pieces.map((piece) => (typeof piece === "string" ? encoder.encode(piece) : piece));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const readText = async (response: Response, limit: number, abort: (reason: Error) => void): Promise<string> => {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > limit) {
      const error = tooLarge(limit);
      abort(error);
      throw error;
    }
    text += decoder.decode(value, { stream: true });
  }
};

const exchange = async (
  request: TransportRequest,
  limit: number,
  controller: AbortController,
): Promise<TransportResponse> => {
  const { method, headers, body } = request;
  const init: RequestInit = { method, headers: { ...headers }, signal: controller.signal, redirect: "error" };
  if (body !== undefined) init.body = join(body);
  const response = await fetch(`${request.origin}${request.path}`, init);
  const text = await readText(response, limit, (reason) => {
    controller.abort(reason);
  });
  return { status: response.status, text, header: (name) => response.headers.get(name) ?? undefined };
};

const send = (request: TransportRequest, limit: number, open: Set<AbortController>): Exchange => {
  const controller = new AbortController();
  open.add(controller);
  let refuse: (reason: Error) => void = () => undefined;
  const cancelled = new Promise<never>((_resolve, reject) => {
    refuse = reject;
  });
  const response = Promise.race([exchange(request, limit, controller), cancelled]).finally(() => {
    open.delete(controller);
  });
  return {
    response,
    cancel: (reason) => {
      refuse(reason);
      controller.abort(reason);
    },
  };
};

/** A transport on the runtime's `fetch`. Time limits that a runtime builds into `fetch` cannot be lifted here. */
export const createTransport = ({ maxResponseBytes }: TransportOptions): Transport => {
  const open = new Set<AbortController>();
  return {
    send: (request) => send(request, maxResponseBytes, open),
    [Symbol.asyncDispose]: async () => {
      for (const controller of open) controller.abort(new Error("the transport was closed"));
      await Promise.resolve();
    },
  };
};
