/** What the two JSONL files of the reference repository have in common: `id, prompt, chosen, rejected` and a medium. */
import type { Preference } from "../../types.ts";
import { hasFields, idField, metaOf, stringField, textField } from "../fields.ts";
import type { DatasetRow, RowContext } from "../format.ts";
import { questionOf, withoutImageMarks, type MediaField } from "../media-fields.ts";

/** Has the row the fields that the two layouts share? */
export const isChosenRejected = (row: DatasetRow): boolean => hasFields(row, "id", "prompt", "chosen", "rejected");

/** The medium of a record: which field holds it, and what it yields. */
export interface NamedMedia {
  readonly field: "image" | "video";
  readonly media: MediaField;
}

/** A preference whose chosen response comes first, as the file has it: order is the judge's business, not the file's. */
export const fromChosenRejected = (row: DatasetRow, { field, media }: NamedMedia, context: RowContext): Preference => ({
  id: idField(row, "id", context),
  question: questionOf(withoutImageMarks(textField(row, "prompt", context)), media),
  responses: [stringField(row, "chosen", context), stringField(row, "rejected", context)],
  human: 0,
  meta: {
    ...metaOf(row, ["id", "prompt", "chosen", "rejected", "image", "video"]),
    ...(media.path === undefined ? {} : { [field]: media.path }),
  },
});
