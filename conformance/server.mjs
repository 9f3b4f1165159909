/**
 * A reward server with a judge whose answers are known: `quality=0.7` in an answer is its quality, or with the option
 * `word` how often that word stands in it, and the better one of two always wins. Options come as JSON in the first
 * argument: what `serveRewards` takes, `word`, `delayMs` per judgement, and `failing`: every judgement throws.
 * Prints the port, then one line of JSON per judgement: how many pictures the judge was shown, and their digest.
 */
import { createHash } from "node:crypto";
import { simulatedJudge } from "@r1reward/core/testing";
import { serveRewards } from "@r1reward/adapters/serve";

const { delayMs = 0, failing = false, word, ...options } = JSON.parse(process.argv[2] ?? "{}");
const quality = (response) =>
  word === undefined
    ? Number(/quality=(-?[\d.]+)/.exec(response)?.[1] ?? response.length / 1000)
    : response.split(" ").filter((one) => one === word).length;
const known = simulatedJudge({ quality, scale: 1000 });

const picturesIn = (parts) =>
  parts
    .filter(({ type }) => type === "image")
    .map(({ image }) => createHash("sha256").update(JSON.stringify(image)).digest("hex").slice(0, 16));

const judge = {
  name: known.name,
  async judge(pair, how) {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    const question = pair.question.map((part) => (part.type === "text" ? part.text : `<${part.type}>`)).join("");
    process.stdout.write(`${JSON.stringify({ pictures: picturesIn(pair.question), question })}\n`);
    if (failing) throw new Error("the judge is down");
    return known.judge(pair, how);
  },
};

const server = await serveRewards({ judge, port: 0, group: { preset: "exact" }, ...options });
process.stdout.write(`${server.port}\n`);
process.stdin.resume();
process.stdin.on("end", () => void server.close().then(() => process.exit(0)));
