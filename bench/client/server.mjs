// A chat completions server that does as little as it can, so that the clients are what is measured: reads headers just
// far enough to know where the body ends, and answers every request with the same bytes, after /d<milliseconds>/.
import { createServer } from "node:net";

const text = `<think>${"Both answers name the animal, but the second one counts the stripes wrongly. ".repeat(22)}</think><answer>1</answer>`;
const json = JSON.stringify({
  id: "chatcmpl-0123456789",
  object: "chat.completion",
  created: 1_760_000_000,
  model: "R1-Reward",
  choices: [{ index: 0, message: { role: "assistant", content: text }, logprobs: null, finish_reason: "stop" }],
  usage: { prompt_tokens: 640, completion_tokens: 400, total_tokens: 1040 },
});
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\nconnection: keep-alive\r\n\r\n${json}`,
);
const END = Buffer.from("\r\n\r\n");
const waits = { count: 0, ms: 0 };

const reply = (socket, delay) => {
  if (delay === 0) return void socket.write(answer);
  const began = performance.now();
  setTimeout(() => {
    waits.count += 1;
    waits.ms += performance.now() - began;
    if (!socket.destroyed) socket.write(answer);
  }, delay);
};

const server = createServer({ noDelay: true }, (socket) => {
  let head = Buffer.alloc(0);
  let missing = 0;
  let delay = 0;
  const take = (chunk) => {
    if (missing > 0) {
      missing -= Math.min(missing, chunk.length);
      if (missing === 0) reply(socket, delay);
      return;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const end = head.indexOf(END);
    if (end < 0) return;
    const lines = head.toString("latin1", 0, end);
    const length = /\ncontent-length: *(\d+)/i.exec(lines);
    if (length === null) return void socket.destroy(new Error("a request without content-length"));
    delay = Number(/^[A-Z]+ \/d(\d+)\//.exec(lines)?.[1] ?? 0);
    const got = head.length - end - END.length;
    head = Buffer.alloc(0);
    missing = Number(length[1]) - got;
    if (missing <= 0) reply(socket, delay);
  };
  socket.on("data", take).on("error", () => socket.destroy());
});

// Tells how long its own waits really were: timers are late, and no client can answer for that.
process.on("message", () => {
  process.send({ meanWaitMs: waits.count === 0 ? 0 : waits.ms / waits.count });
  waits.count = waits.ms = 0;
});
process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
