/** The manifest: written last, it makes a checkpoint whole. It lists every file with its length and SHA-256. */
import { ConfigError, type JsonValue } from "@r1reward/core";
import { CheckpointError } from "../errors.ts";

const FORMAT = "r1reward-checkpoint/1";

/** One file of a checkpoint. */
export interface ManifestFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a manifest says. */
export interface Manifest {
  readonly step: number;
  readonly files: readonly ManifestFile[];
  readonly state: Readonly<Record<string, JsonValue>>;
  readonly meta: Readonly<Record<string, JsonValue>>;
}

/** SHA-256 as lower-case hex. @throws ConfigError where there is no Web Crypto (pages not served over https) */
export const sha256 = async (bytes: Uint8Array): Promise<string> => {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined)
    throw new ConfigError("checkpoints: expected Web Crypto (Node, or a page served over https)");
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** The manifest's bytes, with a hash of its own. */
export const encodeManifest = async (manifest: Manifest): Promise<Uint8Array> => {
  const body = JSON.stringify(manifest);
  const hash = await sha256(new TextEncoder().encode(body));
  return new TextEncoder().encode(`{"format":"${FORMAT}","sha256":"${hash}","manifest":${body}}\n`);
};

// A name can lead nowhere else: a manifest from a stranger must not make us read other files.
const FILE_NAME = /^[a-z]+-\d{5}\.safetensors$/;

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);

const isFile = (x: unknown): x is ManifestFile =>
  isRecord(x) &&
  typeof x.name === "string" &&
  FILE_NAME.test(x.name) &&
  typeof x.bytes === "number" &&
  typeof x.sha256 === "string";

const isManifest = (x: unknown): x is Manifest =>
  isRecord(x) &&
  Number.isSafeInteger(x.step) &&
  Array.isArray(x.files) &&
  x.files.every(isFile) &&
  new Set(x.files.map(({ name }: ManifestFile) => name)).size === x.files.length &&
  isRecord(x.state) &&
  isRecord(x.meta);

const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
};

/** @throws CheckpointError `bad-manifest` */
export const decodeManifest = async (file: string, bytes: Uint8Array): Promise<Manifest> => {
  const bad = (problem: string): CheckpointError => new CheckpointError({ file, problem: "bad-manifest" }, problem);
  const outer = parse(bytes);
  if (!isRecord(outer)) throw bad("expected JSON: truncated or damaged");
  if (outer.format !== FORMAT) throw bad(`expected format ${FORMAT}, got ${JSON.stringify(outer.format)}`);
  const hash = await sha256(new TextEncoder().encode(JSON.stringify(outer.manifest)));
  if (hash !== outer.sha256) throw bad("its own hash differs: changed or damaged");
  if (!isManifest(outer.manifest)) throw bad("expected step, files, state and meta");
  return outer.manifest;
};
