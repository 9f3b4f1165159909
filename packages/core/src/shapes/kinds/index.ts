import type { QuestionKind } from "../question.ts";
import { colourKind, shapeKind } from "./attribute.ts";
import { relationKind, sizeKind } from "./compare.ts";
import { countKind } from "./count.ts";
import { existenceKind } from "./existence.ts";
import { positionKind } from "./position.ts";
import { textKind } from "./text.ts";

export { colourKind, countKind, existenceKind, positionKind, relationKind, shapeKind, sizeKind, textKind };

/** All kinds of questions, in the order in which they are taken in turn. */
export const shapesKinds: readonly QuestionKind[] = Object.freeze([
  countKind,
  positionKind,
  colourKind,
  shapeKind,
  sizeKind,
  relationKind,
  textKind,
  existenceKind,
]);
