// One way each to ask the same question. Every peer does the whole work for each request: builds its messages, writes
// the body, sends it, reads the reply and gives back its text. Only `pool-prebuilt` does not: it is the lower bound.
import { readFileSync } from "node:fs";

const question = readFileSync(new URL("question.txt", import.meta.url), "utf8");
const model = "R1-Reward";

// 150 000 bytes: 200 000 characters of base64.
const bytes = Buffer.from(Uint8Array.from({ length: 150_000 }, (_, i) => (i * 7919 + (i >> 8) * 104_729) & 255));
const base64 = bytes.toString("base64");
const dataUri = `data:image/jpeg;base64,${base64}`;

const content = (image) => {
  const text = { type: "text", text: question };
  return image ? [{ type: "image_url", image_url: { url: dataUri } }, text] : question;
};
const body = (image) => ({
  model,
  messages: [{ role: "user", content: content(image) }],
  temperature: 0,
  max_completion_tokens: 4096,
});
const textOf = (json) => json.choices[0].message.content;

const ours = async (baseURL, image, concurrency, core) => {
  const { openaiCompatible, dialects } = await import(core);
  const judge = openaiCompatible({
    baseURL,
    model,
    dialect: dialects.vllm,
    concurrency: { initial: concurrency, max: concurrency },
  });
  const encoded = new Uint8Array(Buffer.from(base64, "latin1"));
  const loaded = { mediaType: "image/jpeg", width: 1280, height: 960, base64: encoded, sha256: "" };
  return async () => {
    const text = { type: "text", text: question };
    const parts = image ? [{ type: "image", image: loaded }, text] : [text];
    const reply = await judge.complete([{ role: "user", content: parts }], { temperature: 0, maxTokens: 4096 });
    return reply.text;
  };
};

const openai = async (baseURL, image) => {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
  return async () => textOf(await client.chat.completions.create(body(image)));
};

const ai = async (baseURL, image) => {
  const [{ generateText }, { createOpenAICompatible }] = await Promise.all([
    import("ai"),
    import("@ai-sdk/openai-compatible"),
  ]);
  const chat = createOpenAICompatible({ name: "bench", baseURL })(model);
  return async () => {
    const text = { type: "text", text: question };
    const parts = image ? [{ type: "image", image: bytes, mediaType: "image/jpeg" }, text] : [text];
    const messages = [{ role: "user", content: parts }];
    const reply = await generateText({ model: chat, messages, temperature: 0, maxOutputTokens: 4096, maxRetries: 0 });
    return reply.text;
  };
};

const headers = { "content-type": "application/json" };

const fetchPeer = async (baseURL, image) => async () => {
  const response = await fetch(`${baseURL}/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body(image)),
  });
  return textOf(await response.json());
};

const bare = (write) => async (baseURL, image) => {
  const { Pool } = await import("undici");
  const { origin, pathname } = new URL(baseURL);
  const pool = new Pool(origin, { headersTimeout: 0, bodyTimeout: 0 });
  const path = `${pathname}/chat/completions`;
  const prebuilt = Buffer.from(JSON.stringify(body(image)));
  return async () => {
    const sent = write ? JSON.stringify(body(image)) : prebuilt;
    const response = await pool.request({ path, method: "POST", headers, body: sent });
    return textOf(JSON.parse(await response.body.text()));
  };
};

/** Peers by name: each takes (baseURL, image, concurrency, core) and gives a function that asks once. */
export const peers = {
  "@r1reward/core": ours,
  openai,
  ai,
  fetch: fetchPeer,
  "undici pool": bare(true),
  "pool-prebuilt": bare(false),
};
