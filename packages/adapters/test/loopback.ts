import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** One request that a loopback server received. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

const read = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** A server on a loopback port that answers JSON and remembers what it was asked. `undefined` is a 404. */
export const loopback = async (answer: (received: Received) => unknown) => {
  const requests: Received[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const received = { method: request.method!, path: request.url!, body: await read(request) };
      requests.push(received);
      const reply = answer(received);
      response.writeHead(reply === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(reply ?? {}));
    })().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
