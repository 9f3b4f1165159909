/**
 * One writer for each output: a file beside it that says who is writing. It is removed at the end; what a killed process leaves
 * behind is told by its pid and taken over.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { link, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { messageOf, OutputError } from "@r1reward/core";

/** Who is writing. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it began, ISO 8601. */
  readonly since: string;
  /** Tells two locks of one process apart. */
  readonly token: string;
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Locks that this process has, or is about to take. */
const held = new Set<string>();

const removeOwn = (lock: string, text: string): void => {
  try {
    if (readFileSync(lock, "utf8") === text) rmSync(lock, { force: true });
  } catch {
    // gone already, or out of reach: a later run tells it by the pid
  }
};

/**
 * The lock of a file, the same under whatever name: it must not be passed by through a link. `null` for devices and pipes, and where
 * the folder is missing: that is the writer's to say.
 */
const lockOf = async (path: string): Promise<string | null> => {
  try {
    return (await stat(path)).isFile() ? `${await realpath(path)}.lock` : null;
  } catch {
    const folder = await realpath(dirname(path)).catch(() => null);
    return folder === null ? null : join(folder, `${basename(path)}.lock`);
  }
};

const holderOf = (text: string): Holder | null => {
  try {
    const { pid, host, since, token } = JSON.parse(text) as Partial<Holder>;
    const whole = Number.isSafeInteger(pid) && [host, since, token].every((one) => typeof one === "string");
    return whole ? ({ pid, host, since, token } as Holder) : null;
  } catch {
    return null;
  }
};

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH"; // EPERM: somebody else's, and alive
  }
};

/**
 * Did the process that made this lock end without removing it? Of other machines nobody here can tell. One with this process's own pid
 * is an earlier process's: containers give the same one again and again.
 */
const isStale = ({ pid, host }: Holder): boolean => host === hostname() && (pid === process.pid || !lives(pid));

type Refused = (lock: string, holder: Holder | null) => OutputError;

const refusing =
  (path: string, flag: string): Refused =>
  (lock, holder) => {
    const who = holder === null ? "something" : `process ${holder.pid} on ${holder.host}, since ${holder.since},`;
    const way = `wait, or choose another ${flag} (if nobody is, remove ${lock})`;
    return new OutputError(`${path}: ${who} is writing it; ${way}`);
  };

/** Puts a whole lock in its place, or tells that there is one: readers never see half of one. */
const place = async (lock: string, text: string, token: string): Promise<boolean> => {
  const made = `${lock}.${token}`;
  try {
    await writeFile(made, text, { flag: "wx" });
    await link(made, lock).catch(async (error: unknown) => {
      if (!["EPERM", "ENOTSUP", "ENOSYS", "EOPNOTSUPP"].includes(codeOf(error) ?? "")) throw error;
      await writeFile(lock, text, { flag: "wx" }); // a file system without links
    });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    await rm(made, { force: true });
  }
};

/** Takes a stale lock away, unless somebody else was faster. */
const takeAway = async (lock: string, stale: string, token: string): Promise<void> => {
  const aside = `${lock}.${token}.stale`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if ((await readFile(aside, "utf8")) !== stale) await link(aside, lock).catch(() => undefined); // a fresh one: back with it
  await rm(aside, { force: true });
};

const TRIES = 3;

const take = async (lock: string, mine: Holder, refused: Refused): Promise<string> => {
  const text = `${JSON.stringify(mine)}\n`;
  for (let left = TRIES; ; left--) {
    if (await place(lock, text, mine.token)) return text;
    const found = await readFile(lock, "utf8").catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return null; // it was removed just now
      throw error;
    });
    const holder = found === null ? null : holderOf(found);
    if (left === 1 || (found !== null && (holder === null || !isStale(holder)))) throw refused(lock, holder);
    if (found !== null) await takeAway(lock, found, mine.token);
  }
};

const NOTHING: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

/**
 * Makes this process the one writer of a file, until it is disposed of or the process ends. Devices and pipes have no lock.
 * `flag` is the one that names the file, for the message.
 * @throws OutputError naming the file and the process that writes it, or why there can be no lock
 */
export const lockOutput = async (path: string, flag = "--out"): Promise<AsyncDisposable> => {
  const refused = refusing(path, flag);
  const mine: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString(), token: randomUUID() };
  const lock = await lockOf(path);
  if (lock === null) return NOTHING;
  if (held.has(lock)) throw refused(lock, mine);
  held.add(lock);
  try {
    const text = await take(lock, mine, refused);
    const release = (): void => {
      process.removeListener("exit", release);
      held.delete(lock);
      removeOwn(lock, text);
    };
    process.on("exit", release);
    return { [Symbol.asyncDispose]: () => Promise.resolve(release()) };
  } catch (cause) {
    held.delete(lock);
    if (cause instanceof OutputError) throw cause;
    throw new OutputError(`${path}: no lock can be made beside it: ${messageOf(cause)}`, { cause });
  }
};
