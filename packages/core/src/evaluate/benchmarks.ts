/** The three benchmarks of the paper (PAPER section 7), with every category convention in use. */
import type { Preference } from "../types.ts";
import { defineBenchmark, mediaName, metaString, type Benchmark } from "./benchmark.ts";

const VL_CATEGORIES = ["general", "hallucination", "reasoning"] as const;
type VlCategory = (typeof VL_CATEGORIES)[number];

const vlCategories = (hallucination: ReadonlySet<string>): ((pair: Pick<Preference, "id">) => VlCategory) => {
  const reasoning = new Set(["mathverse", "mmmu"]);
  return ({ id }) => {
    const prefix = id.split(/[_-]/, 1)[0]!;
    return reasoning.has(prefix) ? "reasoning" : hallucination.has(prefix) ? "hallucination" : "general";
  };
};

/** The official rule since 8 May 2025, by what stands before the first `_` or `-`: 183 / 749 / 318. */
const official = vlCategories(new Set(["RLAIF", "RLHF", "hallucination"]));

/** The official rule before: pairs named `hallucination…` (POVID) counted as general: 631 / 301 / 318. */
const official2024 = vlCategories(new Set(["RLAIF", "RLHF"]));

/** The reference repository's rule: lower-case words anywhere in the id, so RLHF and RLAIF do not match: 484 / 448 / 318. */
const r1Reward = ({ id }: Pick<Preference, "id">): VlCategory =>
  /mmmu|mathverse/.test(id) ? "reasoning" : /hallucination|rlhf|rlaif/.test(id) ? "hallucination" : "general";

/**
 * VL-RewardBench: 1,250 pairs. Three conventions of its categories are in the wild and all are reported; macro accuracies
 * compare only within one, overall accuracy always. An id that repeats is one question about one image: the cluster.
 */
export const vlRewardBench: Benchmark = defineBenchmark({
  name: "vl-rewardbench",
  sizes: [1250],
  splits: [
    { name: "official", categories: VL_CATEGORIES, categoryOf: official },
    { name: "official-2024", categories: VL_CATEGORIES, categoryOf: official2024 },
    { name: "r1-reward", categories: VL_CATEGORIES, categoryOf: r1Reward },
  ],
  clusterOf: ({ id }) => id,
});

const multimodalCategory = (pair: Preference): string | undefined => {
  const category = metaString(pair, "category");
  const id = pair.id.toLowerCase();
  if (category === "safety") return id.startsWith("pairs") ? "safety/bias" : "safety/toxicity";
  if (category === "reasoning") return id.startsWith("math") ? "reasoning/math" : "reasoning/coding";
  return category;
};

/**
 * Multimodal RewardBench: 4,711 pairs as released, 5,211 with the withheld toxicity pairs. `meta.category` is the
 * record's `Category`; safety and reasoning are divided by id as the official script does, any other is its own bucket.
 */
export const multimodalRewardBench: Benchmark = defineBenchmark({
  name: "multimodal-rewardbench",
  sizes: [4711, 5211],
  splits: [{ name: "official", categories: [], categoryOf: multimodalCategory }],
});

const MM_RLHF_CATEGORIES = ["mcq", "long", "short", "safety", "video"] as const;

/**
 * The folder that names the category, nearest to the file first: `mcq/1.png`, `/data/video-sets/mcq/1.png` and
 * `/video/mcq/1.png` are all `mcq`. The reference script searches the whole path for the words instead, in a fixed order,
 * and so is fooled by the folder the data happen to lie in. On the published paths the two agree.
 */
const mmRlhfCategory = (pair: Preference): string | undefined => {
  const folders = (mediaName(pair) ?? "").split(/[\\/]+/).slice(0, -1);
  return folders.findLast((folder) => (MM_RLHF_CATEGORIES as readonly string[]).includes(folder));
};

/**
 * MM-RLHF-RewardBench: 170 pairs in 46 groups. Acc is the share of pairs that are right, Acc+ the share of groups (ids)
 * whose pairs are all right, both per category too.
 */
export const mmRlhfRewardBench: Benchmark = defineBenchmark({
  name: "mm-rlhf-rewardbench",
  sizes: [170],
  splits: [{ name: "official", categories: MM_RLHF_CATEGORIES, categoryOf: mmRlhfCategory }],
  groupOf: (pair) => pair.group ?? pair.id,
  clusterOf: (pair) => pair.group ?? pair.id,
});
