/** Models that came with the install: names for `--model`. */
import { fileURLToPath } from "node:url";
import { trainedProtocol } from "./judge-file.ts";
import type { JudgeFlags } from "./options.ts";

/** A model in this package. */
export interface BundledModel {
  readonly name: string;
  /** Its folder. */
  readonly path: string;
  /** The protocol it was trained on; another one is nonsense to a model this small. */
  readonly protocol: string;
}

const folder = (name: string): string => fileURLToPath(new URL(`../models/${name}`, import.meta.url));

const MODELS: readonly BundledModel[] = [{ name: "tiny", path: folder("tiny"), protocol: "shapes" }];

/** The bundled model that the flags name. A server may have a model of that name, so it is only meant when there is no server. */
export const bundledModel = ({
  model,
  baseUrl = [],
}: Pick<JudgeFlags, "model" | "baseUrl">): BundledModel | undefined =>
  baseUrl.length === 0 ? MODELS.find(({ name }) => name === model) : undefined;

/** The protocol that a bundled model, or a folder of the user's, was trained on; `undefined` when nothing says so. @throws ConfigError */
export const protocolOfModel = async (flags: Pick<JudgeFlags, "model" | "baseUrl">): Promise<string | undefined> =>
  bundledModel(flags)?.protocol ?? (flags.model === undefined ? undefined : await trainedProtocol(flags.model));

/** The folder that a path of a run's config names: a bundled model's by its name, any other as it is. */
export const modelFolder = (path: string): string => MODELS.find(({ name }) => name === path)?.path ?? path;
