import type { Preference } from "../../types.ts";
import { expected, hasFields, idField, metaOf, own, stringField, textField } from "../fields.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "../format.ts";
import { imageField, questionOf, withoutImageMarks, type MediaField } from "../media-fields.ts";

const BETTER: Readonly<Record<string, 0 | 1>> = Object.freeze({ Output1: 0, Output2: 1 });

const winnerOf = (row: DatasetRow, context: RowContext): 0 | 1 => {
  const better = own(row, "Better");
  const winner = typeof better === "string" && Object.hasOwn(BETTER, better) ? BETTER[better] : undefined;
  return winner ?? expected(context, "Better", `"Output1" or "Output2"`, better);
};

const question = (row: DatasetRow, context: RowContext): string => {
  const text = own(row, "Text");
  return text === null || text === undefined
    ? expected(context, "Text", "the question, which the publisher's download script fills in", text)
    : withoutImageMarks(textField(row, "Text", context));
};

const image = (row: DatasetRow, context: RowContext): MediaField => imageField(own(row, "Image"), "Image", context);

/**
 * Multimodal RewardBench: `ID, Text, Image, Output1, Output2, Better, Category` (paper section 7.2). `meta.category`
 * is the publisher's category, `meta.image` the path.
 */
export const multimodalRewardBenchFormat: DatasetFormat = defineDatasetFormat({
  name: "multimodal-reward-bench",
  detect: (row) => hasFields(row, "ID", "Text", "Image", "Output1", "Output2", "Better"),
  toPreferences: (row, context): readonly Preference[] => {
    const picture = image(row, context);
    return [
      {
        id: idField(row, "ID", context),
        question: questionOf(question(row, context), picture),
        responses: [stringField(row, "Output1", context), stringField(row, "Output2", context)],
        human: winnerOf(row, context),
        meta: {
          ...metaOf(row, ["ID", "Text", "Image", "Output1", "Output2", "Better", "Category"]),
          category: textField(row, "Category", context),
          ...(picture.path === undefined ? {} : { image: picture.path }),
        },
      },
    ];
  },
});
