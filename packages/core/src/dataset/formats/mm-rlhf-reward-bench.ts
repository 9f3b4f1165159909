import { expected, idField, own } from "../fields.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "../format.ts";
import { imageField, videoFolderField } from "../media-fields.ts";
import { fromChosenRejected, isChosenRejected, type NamedMedia } from "./chosen-rejected.ts";

const CATEGORY_FOLDER = /(?:^|[\\/])(?:mcq|long|short|safety|video)[\\/]/;

const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

const mediaOf = (row: DatasetRow, context: RowContext): NamedMedia => {
  const image = own(row, "image");
  const video = own(row, "video");
  if (isSet(image) === isSet(video)) {
    return expected(context, "image", "an image or a video", isSet(image) ? "both" : undefined);
  }
  return isSet(image)
    ? { field: "image", media: imageField(image, "image", context) }
    : { field: "video", media: videoFolderField(video, "video", context) };
};

/**
 * MM-RLHF-RewardBench in the shape of the reference repository: `id, prompt, chosen, rejected` and `image` or `video`
 * (a folder of frames). The id names the group of a ranking, and Acc+ counts groups (paper section 7.3).
 * `meta.image` or `meta.video` is the path, whose first folder is the category.
 */
export const mmRlhfRewardBenchFormat: DatasetFormat = defineDatasetFormat({
  name: "mm-rlhf-reward-bench",
  detect: (row) => {
    const path = own(row, "image") ?? own(row, "video");
    return isChosenRejected(row) && typeof path === "string" && path.length < 4096 && CATEGORY_FOLDER.test(path);
  },
  toPreferences: (row, context) => [
    { ...fromChosenRejected(row, mediaOf(row, context), context), group: idField(row, "id", context) },
  ],
});
