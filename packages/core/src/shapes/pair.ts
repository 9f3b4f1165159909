/** Pairs with their pictures, as judges and trainers take them. */
import { ConfigError } from "../errors.ts";
import { customBenchmark } from "../evaluate/benchmark.ts";
import type { Benchmark } from "../evaluate/benchmark.ts";
import type { JsonValue, Preference } from "../types.ts";
import { encodePng, type Deflate } from "./png.ts";
import { shapesRecord, type ShapesOptions, type ShapesRecord } from "./record.ts";
import { renderScene, SHAPES_IMAGE_SIZE } from "./render.ts";
import { shapesStyles, type ShapesStyle, type ShapesStyleName } from "./style.ts";

/** Which pairs, and how they are drawn. */
export interface ShapesPairOptions extends ShapesOptions {
  /** `plain` (default), `ood`, or a style of your own. The scenes and texts do not depend on it. */
  readonly style?: ShapesStyleName | ShapesStyle | undefined;
  /** Compresses the PNG; stored without compression unless given. */
  readonly deflate?: Deflate | undefined;
}

/** A pair with its picture. */
export interface ShapesPair extends ShapesRecord {
  readonly style: string;
  /** RGB bytes `[112, 112, 3]`, as drawn. */
  readonly pixels: Uint8Array;
  /** The same pair as judges take it: PNG first, then the question; `human` is the truth, `group` the two twins. */
  readonly pair: Preference;
  /** The `meta` of `pair`. */
  readonly meta: Readonly<Record<string, JsonValue>>;
}

/** The style of a name. Throws `ConfigError` when there is none. */
export const shapesStyle = (style: ShapesStyleName | ShapesStyle = "plain"): ShapesStyle => {
  if (typeof style !== "string") return style;
  if (Object.hasOwn(shapesStyles, style)) return shapesStyles[style];
  throw new ConfigError(`style: expected ${Object.keys(shapesStyles).join(" or ")}, got ${JSON.stringify(style)}`);
};

/** What a pair says about itself beyond the pair: never shown to a judge. */
export const shapesMeta = (record: ShapesRecord, style: string): Readonly<Record<string, JsonValue>> => ({
  category: record.kind,
  grade: String(record.grade),
  split: record.split,
  style,
  values: record.values,
});

/** The name of a pair in a style; the two twins are a group. */
export const shapesNames = (record: ShapesRecord, style: string): { readonly id: string; readonly group: string } => {
  const stem = record.id.slice(0, record.id.lastIndexOf("-"));
  return { id: `${record.id}-${style}`, group: `${stem}-${Math.floor(record.index / 2)}-${style}` };
};

/**
 * Pair number `index` with its picture.
 *
 * @throws ConfigError for an option or index that cannot be
 */
export const shapesPair = (options: ShapesPairOptions & { readonly index: number }): ShapesPair => {
  const style = shapesStyle(options.style);
  const record = shapesRecord(options);
  const pixels = renderScene(record.scene, style);
  const png = encodePng(pixels, { width: SHAPES_IMAGE_SIZE, height: SHAPES_IMAGE_SIZE }, options.deflate);
  const meta = shapesMeta(record, style.name);
  const { id, group } = shapesNames(record, style.name);
  const pair: Preference = {
    id,
    question: [
      { type: "image", image: { bytes: png } },
      { type: "text", text: record.question },
    ],
    responses: record.answers,
    human: record.truth,
    group,
    meta,
  };
  return { ...record, style: style.name, pixels, pair, meta };
};

/** Pairs 0 to n − 1, made one at a time. Twins stand next to each other. Throws `ConfigError` for a bad `n`. */
export function* shapesDataset(options: ShapesPairOptions & { readonly n: number }): Generator<ShapesPair, void> {
  const { n } = options;
  if (!Number.isSafeInteger(n) || n < 0) throw new ConfigError(`n: expected a whole number ≥ 0, got ${n}`);
  for (let index = 0; index < n; index += 1) yield shapesPair({ ...options, index });
}

/** How pairs of this world are reported: by kind of question and by grade; Acc+ counts twins that are both right. */
export const shapesBenchmark: Benchmark = (() => {
  const base = customBenchmark("shapes");
  const grade = (pair: Preference): string | undefined => {
    const value = pair.meta?.["grade"];
    return typeof value === "string" ? value : undefined;
  };
  return { ...base, splits: [...base.splits, { name: "grade", categories: [], categoryOf: grade }] };
})();
