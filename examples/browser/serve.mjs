#!/usr/bin/env node
// Bundles the page and serves it on loopback: `node serve.mjs`, then open the address it prints.
// `node serve.mjs --check [picture.png]` opens it in a headless Chromium instead, waits for the result and judges it.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const ortFolder = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
const { outputFiles } = await build({
  entryPoints: [join(here, "train.mjs")],
  bundle: true,
  format: "esm",
  platform: "browser",
  write: false,
  logLevel: "error",
  // ONNX Runtime starts its threads from its own file: it must stay a file of its own (see the import map of the page).
  external: ["onnxruntime-web", "onnxruntime-web/webgpu"],
  tsconfigRaw: {}, // what is bundled is what is published: the paths of this repository do not count
});
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
let finish;
const result = new Promise((resolve) => (finish = resolve));

const server = createServer((request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  const send = (body, type) => {
    // Both headers together make the page cross-origin isolated: only then may WebAssembly use threads.
    response.writeHead(200, {
      "content-type": type,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(body);
  };
  if (path === "/result" && request.method === "POST") {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => (send("", "text/plain"), finish(JSON.parse(text))));
  } else if (path === "/") send(readFileSync(join(here, "index.html")), "text/html");
  else if (path === "/train.js") send(outputFiles[0].contents, "text/javascript");
  else if (/^\/ort[\w.-]+$/.test(path) && existsSync(join(ortFolder, path)))
    send(readFileSync(join(ortFolder, path)), TYPES[extname(path)] ?? "text/plain");
  else response.writeHead(404).end();
});
await new Promise((resolve) => server.listen(process.argv.includes("--check") ? 0 : 8123, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}/`;

const chromium = () =>
  ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"].find((path) => existsSync(path));

/** The browser's helpers outlive it for a moment and go on writing: what is left then is removed anew. */
const removeFolder = async (path) => {
  for (let tries = 0; existsSync(path); tries += 1) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
};

const check = async () => {
  const program = chromium();
  if (program === undefined) {
    console.log("skipped: no Chromium on this machine (Debian: apt-get install chromium)");
    return 0;
  }
  const profile = mkdtempSync(join(tmpdir(), "r1reward-browser-"));
  const picture = process.argv[process.argv.indexOf("--check") + 1];
  const debug = ["--remote-debugging-port=0", `--user-data-dir=${profile}`];
  const browser = spawn(
    program,
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=900,1000", ...debug, address],
    { stdio: "ignore" },
  );
  const timeout = setTimeout(() => finish({ error: "no result within 120 s" }), 120_000);
  const outcome = await result;
  clearTimeout(timeout);
  if (picture !== undefined) await takePicture(profile, picture);
  browser.kill();
  await new Promise((resolve) => browser.once("exit", resolve));
  await removeFolder(profile);
  console.log(JSON.stringify(outcome));
  return outcome.error === undefined && outcome.losses[1] < 0.3 && outcome.sorted >= 7 ? 0 : 1;
};

/** A screenshot of the page as it stands, through the browser's debugging port. */
const takePicture = async (profile, file) => {
  const { default: WebSocket } = await import("undici").then(({ WebSocket }) => ({ default: WebSocket }));
  const { writeFileSync } = await import("node:fs");
  const [port] = readFileSync(join(profile, "DevToolsActivePort"), "utf8").split("\n");
  const pages = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
  const socket = new WebSocket(pages.find(({ url }) => url === address).webSocketDebuggerUrl);
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const shot = new Promise((resolve) =>
    socket.addEventListener("message", ({ data }) => resolve(JSON.parse(data).result.data)),
  );
  socket.send(JSON.stringify({ id: 1, method: "Page.captureScreenshot", params: { format: "png" } }));
  writeFileSync(file, Buffer.from(await shot, "base64"));
  socket.close();
};

if (process.argv.includes("--check")) {
  process.exitCode = await check();
  server.close();
  server.closeAllConnections();
} else console.log(`open ${address}`);
