/** Options of the reward server, checked once. */
import {
  ConfigError,
  type Anchor,
  type CompareOptions,
  type GroupOptions,
  type PairwiseJudge,
  type RewardModel,
} from "@r1reward/core";
import type { ServeClock } from "./clock.ts";
import type { JudgePolicy } from "./guard.ts";
import type { DatasetIndex } from "./images.ts";
import type { ServeLimits } from "./limits.ts";
import type { HoldPolicy, WireFormat } from "./types.ts";

/** Something that happened. Holds names, numbers and keys; never a prompt, an answer or a token. */
export type ServeEvent =
  | {
      readonly kind: "group";
      readonly key: string;
      readonly members: number;
      readonly expected: number | null;
      readonly tookMs: number;
    }
  | { readonly kind: "failure"; readonly message: string }
  | { readonly kind: "alarm"; readonly message: string }
  | { readonly kind: "recovered"; readonly groups: number };

/** What a reward server is made of: a judge or a reward model, and how clients are treated. */
export interface ServeRewardsOptions {
  /** Judges pairs while siblings arrive. Either this or `rewardModel`. */
  readonly judge?: PairwiseJudge | undefined;
  /** Scores groups when they are whole. */
  readonly rewardModel?: RewardModel | undefined;
  /** Dialects that are spoken; all of `wireFormats` unless given. */
  readonly formats?: readonly WireFormat[] | undefined;
  /** Siblings per prompt, when requests do not say. Without it a group is whole when nobody has come for `quietMs`. */
  readonly groupSize?: number | undefined;
  /** Default 2,000. */
  readonly quietMs?: number | undefined;
  /** Default 20240; 0 for any free port. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. Any address but a loopback one needs `auth`. */
  readonly host?: string | undefined;
  /** Tokens, one of which every request but `/healthz` must carry: as a bearer token, or as `?token=`. */
  readonly auth?: { readonly tokens: readonly string[] } | undefined;
  readonly limits?: Partial<ServeLimits> | undefined;
  /** Where images, and references if it has them, are found by prompt, label or id. Made by `datasetIndex`. */
  readonly dataset?: DatasetIndex | undefined;
  /** Answers of known score that a lone answer is measured against. */
  readonly anchors?: readonly Anchor[] | undefined;
  /** How groups are judged. */
  readonly group?: Omit<GroupOptions, "signal" | "onComparison"> | undefined;
  /** How single pairs are judged: once in each order unless told otherwise. */
  readonly compare?: Omit<CompareOptions, "signal"> | undefined;
  /** How the judge is treated. */
  readonly judging?: JudgePolicy | undefined;
  /** Changes to the dialects' hold policies, by the dialect's name. */
  readonly hold?: Readonly<Record<string, Partial<HoldPolicy>>> | undefined;
  /** Folder in which open groups and results survive a restart. It will hold prompts and answers. None unless given. */
  readonly stateDir?: string | undefined;
  readonly onEvent?: ((event: ServeEvent) => void) | undefined;
  /** Own time, for tests. */
  readonly clock?: ServeClock | undefined;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/;

const check = (ok: boolean, field: string, expected: string, got: unknown): void => {
  if (!ok) throw new ConfigError(`serveRewards ${field}: expected ${expected}, got ${String(got)}`);
};

const checkRoutes = (formats: readonly WireFormat[]): void => {
  const seen = new Map<string, string>();
  for (const { name, routes } of formats) {
    for (const { method, path } of routes) {
      const other = seen.get(`${method} ${path}`);
      check(other === undefined, `formats.${name}`, `a route that is not taken by ${other}`, `${method} ${path}`);
      seen.set(`${method} ${path}`, name);
    }
  }
};

const checkAnchors = (anchors: readonly Anchor[]): void => {
  for (const [i, { text, score }] of anchors.entries()) {
    check(typeof text === "string" && text !== "", `anchors[${i}].text`, "the text of an answer", JSON.stringify(text));
    check(score > -1 && score < 1, `anchors[${i}].score`, "a number between -1 and 1", score);
  }
};

/** Checks what was asked for. @throws {ConfigError} naming the option. */
export const checkOptions = (options: ServeRewardsOptions, formats: readonly WireFormat[]): void => {
  const { judge, rewardModel, groupSize, port = 0, host = "127.0.0.1", auth, quietMs = 0 } = options;
  const one = (judge === undefined) !== (rewardModel === undefined);
  check(one, "judge", "either a judge or a rewardModel", judge === undefined ? "neither" : "both");
  const sizeOk = groupSize === undefined || (Number.isInteger(groupSize) && groupSize >= 1 && groupSize <= 256);
  check(sizeOk, "groupSize", "a whole number from 1 to 256", groupSize);
  check(Number.isInteger(port) && port >= 0 && port < 65_536, "port", "a port", port);
  check(quietMs >= 0 && quietMs < Infinity, "quietMs", "milliseconds", quietMs);
  const tokens = auth?.tokens ?? [];
  const tokensOk = tokens.every((token) => /^[\x21-\x7e]{8,}$/.test(token));
  check(
    tokensOk && (auth === undefined || tokens.length > 0),
    "auth.tokens",
    "tokens of 8 printable characters or more",
    "others",
  );
  check(LOOPBACK.test(host) || tokens.length > 0, "auth", `tokens, since ${host} is no loopback address`, "none");
  const names = new Set(formats.map(({ name }) => name));
  for (const name of Object.keys(options.hold ?? {})) {
    check(names.has(name), "hold", `one of ${[...names].join(", ")}`, name);
  }
  checkAnchors(options.anchors ?? []);
  checkRoutes(formats);
};
