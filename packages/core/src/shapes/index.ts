/**
 * `@r1reward/core/shapes`: a small world of drawn scenes, questions and two answers of which one is right. Everything is
 * made from a seed, so no data has to be downloaded; runs in Node and in browsers.
 */
export {
  shapesBenchmark,
  shapesDataset,
  shapesMeta,
  shapesNames,
  shapesPair,
  shapesStyle,
  type ShapesPair,
  type ShapesPairOptions,
} from "./pair.ts";
export { shapesRecord, splitOfScene, swapShapes, type ShapesOptions, type ShapesRecord } from "./record.ts";
export { renderScene, SHAPES_IMAGE_SIZE } from "./render.ts";
export { describeScene, SHAPES_PHRASINGS, shapesReasoning, type ShapesReasoningOptions } from "./reasoning.ts";
export { SHAPES_TEMPLATE, shapesProtocol } from "./protocol.ts";
export { oodStyle, plainStyle, shapesStyles, type Rgb, type ShapesStyle, type ShapesStyleName } from "./style.ts";
export { encodePng, type Deflate } from "./png.ts";
export * from "./kinds/index.ts";
export type { QuestionKind, QuestionPlan, Said, Which } from "./question.ts";
export type { SceneDraft, WantedShape } from "./compose.ts";
export { LEVELS, type Level } from "./level.ts";
export { dotFont, lineFont, type GlyphFont, type TextPlacement } from "./glyphs.ts";
export type { Point, Region, Turn } from "./geometry.ts";
export type { RandomStream } from "./random.ts";
export * from "./vocabulary.ts";
