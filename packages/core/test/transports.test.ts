/** Both transports keep the same promises, on real sockets. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createTransport as fetchTransport } from "../src/model/transport-fetch.ts";
import { createTransport as undiciTransport, connectionOptions } from "../src/model/transport-undici.ts";
import type { TransportRequest } from "../src/model/transport.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const serve = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
};

describe("hidden limits", () => {
  it("are off: no request ends after 300 s for want of headers or bytes", () => {
    expect(connectionOptions).toMatchObject({ headersTimeout: 0, bodyTimeout: 0 });
  });
});

describe.each([
  ["undici", undiciTransport],
  ["fetch", fetchTransport],
] as const)("%s", (_name, create) => {
  const open = (maxResponseBytes = 1 << 20) => {
    const transport = create({ maxResponseBytes });
    closing.push(() => Promise.resolve(transport[Symbol.asyncDispose]()));
    return transport;
  };
  const post = (origin: string, body: NonNullable<TransportRequest["body"]>): TransportRequest => ({
    method: "POST",
    origin,
    path: "/p",
    headers: { "content-type": "application/json", "x-own": "yes" },
    body,
  });

  it("sends all pieces with their length, and gives back status, headers and text", async () => {
    const seen: { length: string | undefined; coding: string | undefined; own: unknown; body: Buffer }[] = [];
    const origin = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { "content-length": length, "transfer-encoding": coding, "x-own": own } = request.headers;
        seen.push({ length, coding, own, body: Buffer.concat(chunks) });
        response.writeHead(418, { "x-said": "ü".normalize("NFC") === "ü" ? "ok" : "" });
        // Cut in the middle of a character.
        const text = Buffer.from("é€🙂".repeat(50));
        response.write(text.subarray(0, 7));
        setTimeout(() => response.end(text.subarray(7)), 5);
      });
    });
    const transport = open();
    const bytes = new Uint8Array(300_000).map((_, i) => 65 + (i % 26));
    for (const body of [["{“text”}"], ['{"a":"', bytes, '"', "é", bytes.subarray(5, 9), '"}'], [bytes]]) {
      const response = await transport.send(post(origin, body)).response;
      expect(response.status).toBe(418);
      expect(response.text).toBe("é€🙂".repeat(50));
      expect(response.header("x-said")).toBe("ok");
      expect(response.header("absent")).toBeUndefined();
      const expected = Buffer.concat(body.map((piece) => Buffer.from(piece as Uint8Array)));
      const got = seen.at(-1)!;
      expect(got.body.equals(expected)).toBe(true);
      expect(got).toMatchObject({ length: String(expected.length), coding: undefined, own: "yes" });
    }
  });

  it("asks with GET", async () => {
    const origin = await serve((request, response) => void response.end(`${request.method} ${request.url}`));
    const response = await open().send({ method: "GET", origin, path: "/version", headers: {} }).response;
    expect(response.text).toBe("GET /version");
  });

  it("rejects at once when it is cancelled, and closes the connection", async () => {
    let asked = 0;
    let closed = 0;
    const origin = await serve((request) => {
      asked += 1;
      request.socket.on("close", () => (closed += 1));
    });
    const exchange = open().send(post(origin, ["{}"]));
    const reason = new Error("enough");
    const failed = expect(exchange.response).rejects.toBe(reason);
    await until(() => asked === 1);
    exchange.cancel(reason);
    await failed;
    await until(() => closed === 1);
    exchange.cancel(new Error("again"));
  });

  it("can be cancelled before there is a connection", async () => {
    let asked = 0;
    const origin = await serve(() => (asked += 1));
    const exchange = open().send(post(origin, ["{}"]));
    const failed = expect(exchange.response).rejects.toThrow("never mind");
    exchange.cancel(new Error("never mind"));
    await failed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toBe(0);
  });

  it("refuses a response that is too large while it arrives", async () => {
    let written = 0;
    let closed = false;
    const origin = await serve((request, response) => {
      request.socket.on("close", () => (closed = true));
      const more = () => {
        while (!closed && response.write(Buffer.alloc(65_536, 120))) written += 65_536;
        if (!closed) response.once("drain", more);
      };
      more();
    });
    const failed = open(100_000).send(post(origin, ["{}"])).response;
    await expect(failed).rejects.toMatchObject({ name: "TransportError", kind: "too-large" });
    await until(() => closed);
    expect(written).toBeLessThan(1 << 26);
  });

  it.each([
    ["refuses the connection", async () => "http://127.0.0.1:1"],
    ["hangs up", () => serve((request) => void request.socket.destroy())],
    [
      "breaks off in the middle",
      () =>
        serve((request, response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("half", () => request.socket.destroy());
        }),
    ],
  ])("rejects when the server %s", async (_how, start) => {
    const origin = await start();
    await expect(open().send(post(origin, ["{}"])).response).rejects.toBeInstanceOf(Error);
  });

  it("ends everything when it is disposed", async () => {
    let asked = 0;
    const origin = await serve(() => (asked += 1));
    const transport = create({ maxResponseBytes: 10 });
    const { response } = transport.send(post(origin, ["{}"]));
    const failed = expect(response).rejects.toBeInstanceOf(Error);
    await until(() => asked === 1);
    await transport[Symbol.asyncDispose]();
    await failed;
  });
});
