/**
 * What must survive a restart where a client would retry: seats of open groups, and the results of frozen ones. One file
 * of JSON lines, appended to; a line that was torn by a crash is left out. It holds prompts and answers, so it is
 * readable by its owner alone.
 */
import { chmod, mkdir, open, readFile, rename, stat, writeFile, appendFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf, type MediaSource } from "@r1reward/core";
import type { HoldPolicy, MemberResult, Submission } from "./types.ts";

/** A seat of an open group. The group's first seat carries the whole submission. */
export interface SeatRecord {
  readonly t: "seat";
  readonly at: number;
  readonly key: string;
  readonly n: number;
  readonly response: string;
  readonly member?: string | undefined;
  readonly submission?: Submission | undefined;
  readonly policy?: HoldPolicy | undefined;
}

/** A seat of a frozen group. */
export interface FrozenSeat {
  readonly response: string;
  readonly member?: string | undefined;
  readonly late: boolean;
  readonly result: MemberResult;
}

/** A frozen group; replaces what was written about it before. */
export interface FrozenRecord {
  readonly t: "frozen";
  readonly at: number;
  readonly key: string;
  readonly n: number;
  readonly size?: number | undefined;
  readonly seats: readonly FrozenSeat[];
}

/** What a journal holds. */
export type JournalRecord = SeatRecord | FrozenRecord;

/** A journal that is being written. */
export interface Journal {
  /** What a server before this one left behind. */
  readonly found: readonly JournalRecord[];
  append(record: JournalRecord): void;
  /** Writes what is under way, and nothing more. */
  close(): Promise<void>;
}

/** How a journal is kept. */
export interface JournalOptions {
  readonly folder: string;
  readonly retainMs: number;
  /** Bytes after which what is no longer needed is thrown out. */
  readonly compactBytes?: number | undefined;
  readonly onError: (error: unknown) => void;
}

const inText = (source: MediaSource): MediaSource =>
  "bytes" in source
    ? { dataUri: `data:application/octet-stream;base64,${Buffer.from(source.bytes).toString("base64")}` }
    : source;

const outOfText = (source: MediaSource): MediaSource => {
  const lead = "data:application/octet-stream;base64,";
  if (!("dataUri" in source) || !source.dataUri.startsWith(lead)) return source;
  return { bytes: new Uint8Array(Buffer.from(source.dataUri.slice(lead.length), "base64")) };
};

const withMedia = (submission: Submission, change: (source: MediaSource) => MediaSource): Submission => ({
  ...submission,
  prompt: { ...submission.prompt, media: submission.prompt.media.map(change) },
});

const lineOf = (record: JournalRecord): string => {
  const plain =
    record.t === "seat" && record.submission !== undefined
      ? { ...record, submission: withMedia(record.submission, inText) }
      : record;
  return `${JSON.stringify(plain)}\n`;
};

const isRecord = (value: unknown): value is JournalRecord => {
  const record = value as Partial<JournalRecord> | null;
  const known = record?.t === "seat" || (record?.t === "frozen" && Array.isArray(record.seats));
  return known && typeof record?.key === "string" && Number.isInteger(record.n) && Number.isFinite(record.at);
};

const recordOf = (line: string): JournalRecord | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // torn by a crash
  }
  if (!isRecord(value)) return undefined;
  return value.t === "seat" && value.submission !== undefined
    ? { ...value, submission: withMedia(value.submission, outOfText) }
    : value;
};

/** What is still needed of a journal's text: of frozen groups the last word, of others the seats. */
export const readJournal = (text: string, oldest: number): readonly JournalRecord[] => {
  const frozen = new Map<string, FrozenRecord>();
  const seats = new Map<string, SeatRecord[]>();
  for (const line of text.split("\n")) {
    const record = line === "" ? undefined : recordOf(line);
    // A record from the future was written before the clock was set back: it is no older than any other.
    if (record === undefined || record.at < oldest) continue;
    const name = `${record.key}.${record.n}`;
    if (record.t === "frozen") {
      frozen.set(name, record);
      seats.delete(name);
    } else if (!frozen.has(name)) seats.set(name, [...(seats.get(name) ?? []), record]);
  }
  const whole = [...seats.values()].filter(([first]) => first?.submission !== undefined);
  return [...frozen.values(), ...whole.flat()];
};

const textOf = async (file: string): Promise<string> => {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
};

/** Replaces the file as a whole: a crash leaves the old one or the new one. */
const rewrite = async (file: string, records: readonly JournalRecord[]): Promise<number> => {
  const text = records.map(lineOf).join("");
  const scratch = `${file}.new`;
  await writeFile(scratch, text, { mode: 0o600 });
  const handle = await open(scratch, "r+");
  await handle.sync();
  await handle.close();
  await rename(scratch, file);
  return Buffer.byteLength(text);
};

const prepare = async (folder: string, file: string, retainMs: number) => {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = readJournal(await textOf(file), Date.now() - retainMs);
    const bytes = await rewrite(file, found);
    await chmod(file, 0o600);
    return { found, bytes };
  } catch (cause) {
    throw new ConfigError(`stateDir: expected a folder that can be written: ${messageOf(cause)}`, { cause });
  }
};

/**
 * Opens the journal of a folder and throws out what is no longer needed.
 *
 * @throws {ConfigError} when the folder cannot be used.
 */
export const openJournal = async (options: JournalOptions): Promise<Journal> => {
  const { folder, retainMs, onError, compactBytes = 128 * 1024 * 1024 } = options;
  const file = join(folder, "groups.jsonl");
  const prepared = await prepare(folder, file, retainMs);
  let bytes = prepared.bytes;
  let limit = Math.max(compactBytes, 2 * bytes);
  let closed = false;
  let queue: Promise<void> = Promise.resolve();
  const compact = async (): Promise<void> => {
    await rewrite(file, readJournal(await textOf(file), Date.now() - retainMs));
    bytes = (await stat(file)).size;
    limit = Math.max(compactBytes, 2 * bytes);
  };
  return {
    found: prepared.found,
    append(record) {
      if (closed) return;
      const line = lineOf(record);
      bytes += Buffer.byteLength(line);
      const full = bytes > limit;
      queue = queue
        .then(() => appendFile(file, line, { mode: 0o600 }))
        .then(() => (full ? compact() : undefined))
        .catch(onError);
    },
    close() {
      closed = true;
      return queue;
    },
  };
};
