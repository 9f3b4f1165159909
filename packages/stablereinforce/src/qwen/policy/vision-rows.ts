/** What the vision tower makes of pictures, made once for each distinct one and kept as long as the weights stay. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine, Given } from "../../engine/types.ts";
import { visionInputs, type QwenModel, type QwenParams, type VisionInputs } from "../model/index.ts";
import { samePicture, type Picture } from "./pictures.ts";

/** Rows of pictures, `[G, D]` each. */
export interface VisionRows extends AsyncDisposable {
  /** In the order given. Pictures that were seen before are not run again. @throws EngineError */
  readonly of: (params: Given<QwenParams<Tensor>>, pictures: readonly Picture[]) => Promise<readonly Float32Array[]>;
  /** Forgets all rows: the weights have changed. */
  readonly forget: () => void;
}

/** How many pictures go through the tower at once, and how many bytes of their rows are kept. */
export interface VisionRowsOptions {
  readonly atOnce?: number | undefined;
  /** 256 MiB by default. */
  readonly room?: number | undefined;
}

interface Kept {
  readonly picture: Picture;
  readonly rows: Float32Array;
}

/** Rows by picture; those used longest ago go first. */
const keeper = (room: number) => {
  const kept = new Set<Kept>();
  const held = { bytes: 0 };
  const drop = (entry: Kept): void => {
    kept.delete(entry);
    held.bytes -= entry.rows.byteLength + entry.picture.patches.byteLength;
  };
  return {
    find: (picture: Picture): Float32Array | undefined => {
      for (const entry of kept) {
        if (!samePicture(entry.picture, picture)) continue;
        kept.delete(entry);
        kept.add(entry); // the newest stands last
        return entry.rows;
      }
      return undefined;
    },
    add: (entry: Kept): void => {
      kept.add(entry);
      held.bytes += entry.rows.byteLength + entry.picture.patches.byteLength;
      for (const oldest of kept) if (held.bytes > room && kept.size > 1) drop(oldest);
    },
    clear: (): void => {
      kept.clear();
      held.bytes = 0;
    },
  };
};

/** Pictures of one grid go together: their graph has no padding inside. */
const byGrid = (pictures: readonly Picture[]): readonly (readonly Picture[])[] => {
  const groups = new Map<string, Picture[]>();
  for (const picture of pictures) {
    const key = picture.grid.join();
    groups.set(key, [...(groups.get(key) ?? []), picture]);
  }
  return [...groups.values()];
};

/** The compiled tower: pictures of one grid in, the rows of each out. */
const compileTower = (engine: Engine, model: QwenModel) => {
  const size = model.config.text.hiddenSize;
  const unit = model.config.vision.mergeSize ** 2;
  const tower = engine.compile(
    (params: QwenParams<Tensor>, inputs: VisionInputs<Tensor>): Tensor => model.vision(params, inputs),
    { name: "vision", maxGraphs: 256 },
  );
  const run = async (params: Given<QwenParams<Tensor>>, some: readonly Picture[]): Promise<Kept[]> => {
    const grids = some.map(({ grid }) => grid);
    const inputs = visionInputs(
      grids,
      some.map(({ patches }) => patches),
      model.config,
    );
    const made = await tower(params, inputs as Given<VisionInputs<Tensor>>);
    const data = (await engine.take(made)).data as Float32Array;
    let at = 0;
    return some.map((picture) => {
      const [t, h, w] = picture.grid;
      return { picture, rows: data.slice(at, (at += ((t * h * w) / unit) * size)) };
    });
  };
  return { run, dispose: () => tower.dispose() };
};

/** Runs a model's vision tower apart from the rest. */
export const visionRows = (engine: Engine, model: QwenModel, options: VisionRowsOptions = {}): VisionRows => {
  const { atOnce = 16, room = 256 * 2 ** 20 } = options;
  const known = keeper(room);
  const tower = compileTower(engine, model);
  return {
    of: async (params, pictures) => {
      const found = new Map<Picture, Float32Array>();
      const missing: Picture[] = [];
      for (const picture of pictures) {
        const rows = known.find(picture);
        if (rows === undefined) missing.push(picture);
        else found.set(picture, rows);
      }
      for (const group of byGrid(missing)) {
        for (let at = 0; at < group.length; at += atOnce) {
          for (const entry of await tower.run(params, group.slice(at, at + atOnce))) {
            found.set(entry.picture, entry.rows);
            known.add(entry);
          }
        }
      }
      return pictures.map((picture) => found.get(picture) as Float32Array);
    },
    forget: known.clear,
    [Symbol.asyncDispose]: () => tower.dispose(),
  };
};
