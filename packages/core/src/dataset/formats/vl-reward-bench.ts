import type { Preference, Winner } from "../../types.ts";
import { expected, hasFields, idField, metaOf, own, pairField, textField } from "../fields.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "../format.ts";
import { imageField, questionOf, withoutImageMarks } from "../media-fields.ts";
import { fromChosenRejected, isChosenRejected } from "./chosen-rejected.ts";

const isPublished = (row: DatasetRow): boolean => hasFields(row, "id", "query", "response", "human_ranking");

/** The index of the response with the better rank, where 0 is better than 1. */
const preferred = (row: DatasetRow, context: RowContext): Winner => {
  const value = own(row, "human_ranking");
  const ranks = Array.isArray(value) && value.length === 2 ? (value as readonly unknown[]).map(Number) : [];
  const [first, second] = ranks;
  if (first === 0 && second === 1) return 0;
  if (first === 1 && second === 0) return 1;
  return expected(context, "human_ranking", "the ranks [0, 1] or [1, 0]", Array.isArray(value) ? value.join() : value);
};

const fromPublished = (row: DatasetRow, context: RowContext): Preference => {
  const picture = imageField(own(row, "image"), "image", context);
  return {
    id: idField(row, "id", context),
    question: questionOf(withoutImageMarks(textField(row, "query", context)), picture),
    responses: pairField(row, "response", context),
    human: preferred(row, context),
    meta: {
      ...metaOf(row, ["id", "query", "response", "image", "human_ranking"]),
      ...(picture.path === undefined ? {} : { image: picture.path }),
    },
  };
};

// The sources that make up the benchmark, as the ids of the reference repository's file spell them.
const KNOWN_ID = /^(?:hallucination|RLAIF|RLHF|wildvision|mathverse|mmmu|jailbreak|LRVInstruction|politics|svit)/;

const isReferenceFile = (row: DatasetRow): boolean => {
  const id = own(row, "id");
  const image = own(row, "image");
  if (!isChosenRejected(row) || typeof id !== "string" || typeof image !== "string") return false;
  return KNOWN_ID.test(id) || image.startsWith("vl_reward/");
};

/**
 * VL-RewardBench, both as published (`id, query, response, image, human_ranking, …`, ranks: 0 is better) and in the
 * shape of the reference repository (`id, prompt, chosen, rejected, image`), paper section 7.1. Ids repeat. What else
 * the row says (`models`, `judge`, `query_source`, …) is in `meta`.
 */
export const vlRewardBenchFormat: DatasetFormat = defineDatasetFormat({
  name: "vl-reward-bench",
  detect: (row) => isPublished(row) || isReferenceFile(row),
  toPreferences: (row, context) => {
    if (isPublished(row)) return [fromPublished(row, context)];
    const media = imageField(own(row, "image"), "image", context);
    return [fromChosenRejected(row, { field: "image", media }, context)];
  },
});
