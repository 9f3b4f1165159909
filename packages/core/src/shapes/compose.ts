/** From what a question demands of a scene to a scene: other shapes, places and small shifts. */
import { MOST_SHAPES, type Level } from "./level.ts";
import { between, chance, pick, shuffled, type RandomStream } from "./random.ts";
import {
  CELL_NAMES,
  COLOUR_NAMES,
  DIGITS,
  LETTERS,
  SHAPE_NAMES,
  type Looks,
  type Scene,
  type SceneShape,
} from "./vocabulary.ts";

/** A shape that must be there; its place may be free. */
export interface WantedShape extends Looks {
  readonly cell?: number | undefined;
}

/** What a question demands of a scene. */
export interface SceneDraft {
  readonly shapes: readonly WantedShape[];
  /** Would a further shape with these looks spoil the question? */
  readonly clash: (looks: Looks) => boolean;
  /** No further shapes at all, as when all of them are counted. */
  readonly closed?: boolean | undefined;
  /** The text to show; left out, some scenes have one that matters to nobody. */
  readonly label?: string | undefined;
  /** Cells that nothing else may take. */
  readonly empty?: readonly number[] | undefined;
}

/** Does a shape have all these looks? */
export const matches = (looks: Looks, wanted: Partial<Looks>): boolean =>
  (wanted.shape === undefined || looks.shape === wanted.shape) &&
  (wanted.colour === undefined || looks.colour === wanted.colour) &&
  (wanted.size === undefined || looks.size === wanted.size);

const TRIES = 10_000;

/** Looks at random with some of them fixed, and none that `refused` refuses. */
export const drawLooks = (
  random: RandomStream,
  level: Level,
  fixed: Partial<Looks>,
  refused: (looks: Looks) => boolean = () => false,
): Looks => {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const looks: Looks = {
      shape: fixed.shape ?? pick(random, SHAPE_NAMES),
      colour: fixed.colour ?? pick(random, COLOUR_NAMES),
      size: fixed.size ?? (chance(random, level.small) ? "small" : "large"),
    };
    if (!refused(looks)) return looks;
  }
  throw new Error(`shapes: no looks fit ${JSON.stringify(fixed)}`);
};

/** A shape that shares the form or the colour with one of `others`, where that does not spoil the question. */
const drawFiller = (random: RandomStream, level: Level, draft: SceneDraft): Looks => {
  const model = draft.shapes.length === 0 ? undefined : pick(random, draft.shapes);
  if (model !== undefined && chance(random, level.alike)) {
    const shared: Partial<Looks> = chance(random, 50) ? { shape: model.shape } : { colour: model.colour };
    // Where every shape with this look spoils the question, the wish for likeness is dropped.
    for (let tries = 0; tries < 20; tries += 1) {
      const looks = drawLooks(random, level, shared);
      if (!draft.clash(looks)) return looks;
    }
  }
  return drawLooks(random, level, {}, draft.clash);
};

const shift = (random: RandomStream): readonly [number, number] => [between(random, -8, 8), between(random, -8, 8)];

const fillersFor = (random: RandomStream, level: Level, draft: SceneDraft, more: number): number => {
  if (draft.closed === true) return 0;
  const wanted = between(random, ...level.fillers) + more;
  const room = MOST_SHAPES - draft.shapes.length;
  const least = draft.shapes.length === 0 ? 1 : 0;
  return Math.max(least, Math.min(wanted, room));
};

const labelFor = (random: RandomStream, draft: SceneDraft): string | undefined => {
  const some = chance(random, 20) ? pick(random, [...DIGITS, ...LETTERS]) : undefined;
  return draft.label ?? some;
};

/**
 * One scene that fits the draft. `more` asks for further shapes where they are allowed, so that a scene of a given split
 * can always be found.
 */
export const composeScene = (random: RandomStream, level: Level, draft: SceneDraft, more: number): Scene => {
  const fillers = Array.from({ length: fillersFor(random, level, draft, more) }, () =>
    drawFiller(random, level, draft),
  );
  const wanted: readonly WantedShape[] = [...draft.shapes, ...fillers];
  const taken = new Set([...wanted.flatMap(({ cell }) => (cell === undefined ? [] : [cell])), ...(draft.empty ?? [])]);
  const free = shuffled(
    random,
    CELL_NAMES.flatMap((_, cell) => (taken.has(cell) ? [] : [cell])),
  );
  const shapes: SceneShape[] = wanted.map(({ cell, ...looks }) => ({
    ...looks,
    cell: cell ?? free.pop()!,
    shift: shift(random),
  }));
  const text = labelFor(random, draft);
  const label = text === undefined ? undefined : { text, cell: free.pop()!, shift: shift(random) };
  return {
    shapes: shapes.sort((a, b) => a.cell - b.cell),
    ...(label === undefined ? {} : { label }),
    noise: random.uint32(),
  };
};
