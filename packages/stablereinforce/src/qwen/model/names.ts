/** The two ways in which checkpoints name the same parameters. */

const RUNTIME: readonly (readonly [runtime: string, disk: string])[] = [
  ["model.visual.", "visual."],
  ["model.language_model.", "model."],
];

const replaced = (name: string, from: string, to: string): string | undefined =>
  name.startsWith(from) ? to + name.slice(from.length) : undefined;

/** `model.language_model.layers.0…` and `model.visual.…` as checkpoints of the model have them; other names as they are. */
export const diskName = (name: string): string => {
  for (const [runtime, disk] of RUNTIME) {
    const found = replaced(name, runtime, disk);
    if (found !== undefined) return found;
  }
  return name;
};

/** The name that a parameter has in a running model of transformers 4.52 and later, which adapters are saved with. */
export const runtimeName = (name: string): string => {
  for (const [runtime, disk] of RUNTIME) {
    const found = replaced(name, disk, runtime);
    if (found !== undefined) return found;
  }
  return name;
};
