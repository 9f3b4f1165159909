/** What a benchmark is: a name, ways to sort its pairs into categories, and which pairs belong together. */
import { ConfigError } from "../errors.ts";
import type { JsonValue, MediaSource, Part, Preference } from "../types.ts";

/** One way to sort pairs into categories. Published benchmarks have several, and only their overall numbers compare. */
export interface Split {
  readonly name: string;
  /** Categories that are reported even when empty; others that turn up are added after them. */
  readonly categories: readonly string[];
  /** The category of a pair; `undefined` puts it under `uncategorised`. */
  readonly categoryOf: (pair: Preference) => string | undefined;
}

/** A benchmark, as a value. */
export interface Benchmark {
  readonly name: string;
  readonly splits: readonly Split[];
  /** Sizes of the published releases; another size is a warning in the report. */
  readonly sizes: readonly number[];
  /** Pairs that are right or wrong together, for Acc+; `undefined` for a pair without a group. */
  readonly groupOf: ((pair: Preference) => string | undefined) | undefined;
  /** Pairs that are not independent of each other (same image), for the clustered interval; `undefined`: on its own. */
  readonly clusterOf: (pair: Preference) => string | undefined;
}

/** What `defineBenchmark` needs; the rest has defaults. */
export interface BenchmarkDefinition {
  readonly name: string;
  readonly splits?: readonly Split[] | undefined;
  readonly sizes?: readonly number[] | undefined;
  readonly groupOf?: Benchmark["groupOf"];
  /** The image or video, else the group, unless told. */
  readonly clusterOf?: Benchmark["clusterOf"] | undefined;
}

/** Where a pair without a category is counted. */
export const UNCATEGORISED = "uncategorised";

const sourceName = (source: MediaSource): string | undefined =>
  "path" in source ? source.path : "url" in source ? source.url : undefined;

const partName = (part: Part): string | undefined => {
  if (part.type === "image") return sourceName(part.image);
  if (part.type !== "video") return undefined;
  if ("folder" in part.video) return part.video.folder;
  return part.video.frames.map(sourceName).find((name) => name !== undefined);
};

const firstString = (value: JsonValue | undefined): string | undefined => {
  const first = Array.isArray(value) ? (value as readonly JsonValue[])[0] : value;
  return typeof first === "string" && first !== "" ? first : undefined;
};

/** A string field of `meta`; own fields only, so that `constructor` is no field. */
export const metaString = (pair: Preference, field: string): string | undefined =>
  pair.meta !== undefined && Object.hasOwn(pair.meta, field) ? firstString(pair.meta[field]) : undefined;

/** The name of a pair's image or video: as its source spelled it (`meta.image`, `meta.video`), else from the question. */
export const mediaName = (pair: Preference): string | undefined =>
  metaString(pair, "image") ??
  metaString(pair, "video") ??
  pair.question.map(partName).find((name) => name !== undefined);

const requireUnique = (where: string, names: readonly string[]): void => {
  const twice = names.find((name, i) => name === "" || names.indexOf(name) !== i);
  if (twice !== undefined) throw new ConfigError(`${where}: expected distinct, non-empty names, got "${twice}"`);
};

/** Makes a benchmark of your own. Throws `ConfigError` for an empty name or two splits or categories of one name. */
export const defineBenchmark = (definition: BenchmarkDefinition): Benchmark => {
  const { name, splits = [], sizes = [], groupOf } = definition;
  requireUnique("benchmark name", [name]);
  requireUnique(
    `splits of benchmark ${name}`,
    splits.map((split) => split.name),
  );
  for (const split of splits) requireUnique(`categories of split ${split.name}`, split.categories);
  const clusterOf = definition.clusterOf ?? ((pair: Preference) => mediaName(pair) ?? pair.group);
  return { name, splits, sizes, groupOf, clusterOf };
};

/** What may be told about a set of your own. */
export interface CustomBenchmarkOptions {
  /** The category of a pair; `meta.category` unless told. */
  readonly category?: ((pair: Preference) => string | undefined) | undefined;
}

/** Any set of labelled pairs. Its one split is called `category`; Acc+ is reported when the pairs have groups. */
export const customBenchmark = (name: string, options: CustomBenchmarkOptions = {}): Benchmark =>
  defineBenchmark({
    name,
    splits: [
      {
        name: "category",
        categories: [],
        categoryOf: options.category ?? ((pair) => metaString(pair, "category")),
      },
    ],
    groupOf: (pair) => pair.group,
  });
