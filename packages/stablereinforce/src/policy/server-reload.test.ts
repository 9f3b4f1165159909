import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { postReload, sglangReload, vllmLoraReload } from "./index.ts";

interface Seen {
  readonly path: string | undefined;
  readonly key: string | undefined;
  readonly body: unknown;
}

let answer: (path: string, response: ServerResponse) => void;
let seen: Seen[];
let url: string;
let close: () => Promise<void>;
beforeEach(async () => {
  seen = [];
  answer = (_path, response) => response.end("{}");
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      seen.push({ path: request.url, key: request.headers.authorization, body: JSON.parse(text) });
      answer(request.url ?? "", response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
});
afterEach(() => close());

const [a, b] = [1, 2].map((n) => ({ name: `step-${n}`, path: `/weights/step-${n}` })) as [Target, Target];
interface Target {
  readonly name: string;
  readonly path: string;
}

describe("what servers are sent", () => {
  it("SGLang: the folder, at its root, with or without /v1", async () => {
    for (const address of [`${url}/v1`, url, `${url}/v1/`])
      expect(await sglangReload({ url: address, model: "m", apiKey: "k" })(a, {})).toBe("m");
    const sent = { path: "/update_weights_from_disk", key: "Bearer k", body: { model_path: a.path } };
    expect(seen).toEqual([sent, sent, sent]);
  });

  it("vLLM: adapters under a name of their own, and those before given up", async () => {
    const reload = vllmLoraReload({ url, model: "m" });
    expect([await reload(a, {}), await reload(b, {}), await reload(b, {})]).toEqual([
      "m-step-1",
      "m-step-2",
      "m-step-2",
    ]);
    expect(seen.map(({ path, body }) => [path, body])).toEqual([
      ["/v1/load_lora_adapter", { lora_name: "m-step-1", lora_path: a.path }],
      ["/v1/load_lora_adapter", { lora_name: "m-step-2", lora_path: b.path }],
      ["/v1/unload_lora_adapter", { lora_name: "m-step-1" }],
      ["/v1/load_lora_adapter", { lora_name: "m-step-2", lora_path: b.path }],
    ]);
  });

  it("vLLM: what it has already is taken, what it keeps is told", async () => {
    const kept: string[] = [];
    const reload = vllmLoraReload({ url, model: "m" }, (problem) => kept.push(problem));
    answer = (path, response) => {
      const message = path.includes("unload") ? "no" : "The lora adapter 'm-step-1' has already been loaded.";
      response.writeHead(400).end(JSON.stringify({ error: { message } }));
    };
    expect(await reload(a, {})).toBe("m-step-1");
    await reload(b, {});
    expect(kept).toEqual([expect.stringContaining(`POST ${url}/v1/unload_lora_adapter`)]);
  });

  it("any other server: its own address, with words filled in wherever they stand", async () => {
    const body = { from: ["{folder}", 1, null], as: "{model}/{name}/{other}" };
    await postReload({ url, model: "m" }, { url: `${url}/x/load`, body })(a, {});
    expect(seen).toEqual([
      { path: "/x/load", key: undefined, body: { from: [a.path, 1, null], as: "m/step-1/{other}" } },
    ]);
  });
});

describe("what goes wrong", () => {
  const failure = async (options: { timeoutMs?: number } = {}): Promise<unknown> =>
    sglangReload({ url, model: "m", attempts: 2, waitMs: 5, ...options })(a, {}).catch((error: unknown) => error);

  it("names the address and what came back", async () => {
    answer = (_path, response) => response.writeHead(503).end("out of\n memory");
    const error = await failure();
    const message = `POST ${url}/update_weights_from_disk: expected the weights to be loaded, got HTTP 503: out of memory`;
    expect(error).toMatchObject({ code: "R1_MODEL", status: 503, model: "m", message });
    answer = (_path, response) => response.end('{"success": false, "message": "no such folder"}');
    expect(String(await failure())).toContain("no such folder");
  });

  it("a server that is busy is asked again, one that says no is not", async () => {
    const statuses = [503, 429, 500, 200];
    answer = (_path, response) => response.writeHead(statuses[seen.length - 1]!).end("{}");
    const reload = sglangReload({ url, model: "m", waitMs: 1 });
    expect(await reload(a, {})).toBe("m");
    expect(seen).toHaveLength(4);
    for (const say of [
      (response: ServerResponse) => response.writeHead(404).end("no such route"),
      (response: ServerResponse) => response.end('{"success": false}'),
    ]) {
      seen = [];
      answer = (_path, response) => say(response);
      await expect(reload(a, {})).rejects.toMatchObject({ code: "R1_MODEL", retryable: false });
      expect(seen).toHaveLength(1);
    }
    answer = (_path, response) => response.writeHead(503).end();
    const waiting = sglangReload({ url, model: "m", waitMs: 60_000 })(a, { signal: AbortSignal.timeout(50) });
    await expect(waiting).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it("a server that is gone, that never answers, that sends elsewhere; an abort", async () => {
    answer = () => undefined;
    expect(String(await failure({ timeoutMs: 40 }))).toContain("got no answer within 0.04 s");
    const aborted = sglangReload({ url, model: "m" })(a, { signal: AbortSignal.timeout(30) });
    await expect(aborted).rejects.toMatchObject({ code: "R1_ABORTED" });
    answer = (_path, response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
    expect(await failure()).toMatchObject({ code: "R1_MODEL" });
    await close();
    expect(String(await failure())).toMatch(/POST http:\/\/127\.0\.0\.1:\d+\/update_weights_from_disk: .*cannot be reached: .*ECONNREFUSED/); // prettier-ignore
  });

  it("an address that is none", async () => {
    for (const address of ["localhost:8000", "ftp://x", ""])
      await expect(sglangReload({ url: address, model: "m" })(a, {})).rejects.toMatchObject({ code: "R1_CONFIG" });
  });
});
