/** What a picture is known by: its bytes, or what it looks like. */
import { ConfigError, isR1Error, MediaError, messageOf } from "../errors.ts";
import type { CallOptions, MediaLoader } from "../interfaces.ts";
import { decodeBase64 } from "../media/base64.ts";
import type { LoadedImage, MediaSource } from "../types.ts";

/** How pictures are recognised. */
export interface PictureKeyOptions {
  /** Reads the pictures. */
  readonly media: MediaLoader;
  /**
   * `bytes` (default): the same file. `looks`: the same picture in another size, format or quality as well, by a difference
   * hash of 64 bits; needs sharp.
   */
  readonly by?: "bytes" | "looks" | undefined;
}

const WIDTH = 9;
const HEIGHT = 8;

/** Grey values are averaged over this many samples each way: single samples move when a picture is scaled. */
const FINER = 2;

const greyOf = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const { default: sharp } = await import("sharp").catch((cause: unknown) => {
    throw new ConfigError("recognising pictures by their looks needs the optional package sharp: npm install sharp", {
      cause,
    });
  });
  return sharp(bytes, { pages: 1 })
    .flatten({ background: "#ffffff" })
    .greyscale()
    .resize(WIDTH * FINER, HEIGHT * FINER, { fit: "fill", kernel: "cubic", fastShrinkOnLoad: false })
    .raw()
    .toBuffer();
};

/** Sums over blocks: `[8 × 9]`, row by row. */
const blockSums = (grey: Uint8Array): readonly number[] => {
  const sums = new Array<number>(WIDTH * HEIGHT).fill(0);
  grey.forEach((value, at) => {
    const x = Math.floor((at % (WIDTH * FINER)) / FINER);
    const y = Math.floor(at / (WIDTH * FINER * FINER));
    sums[y * WIDTH + x]! += value;
  });
  return sums;
};

/**
 * Is each of 9 × 8 grey values darker than its right neighbour? 64 bits, of which few change when a picture is scaled or
 * encoded again. `null` for a picture with next to no structure: there the bits are chance.
 */
const differenceHash = async (bytes: Uint8Array): Promise<string | null> => {
  const grey = await greyOf(bytes);
  if (Math.max(...grey) - Math.min(...grey) < 8) return null;
  const sums = blockSums(grey);
  let bits = 0n;
  sums.forEach((sum, at) => {
    if (at % WIDTH < WIDTH - 1) bits = (bits << 1n) | (sum < sums[at + 1]! ? 1n : 0n);
  });
  return bits.toString(16).padStart(16, "0");
};

const looksOf = async ({ base64 }: LoadedImage): Promise<string | null> => {
  try {
    return await differenceHash(decodeBase64(new TextDecoder().decode(base64)));
  } catch (cause) {
    throw isR1Error(cause)
      ? cause
      : new MediaError("undecodable", `image: cannot be decoded: ${messageOf(cause)}`, { cause });
  }
};

const MOST_REMEMBERED = 200_000;

/**
 * Names pictures by their content, for `fingerprintOf({ picture })`. A folder of video frames is known by its path.
 *
 * @throws MediaError what the loader refuses; ConfigError without sharp when it is needed
 */
export const pictureKey = ({ media, by = "bytes" }: PictureKeyOptions) => {
  const known = new Map<string, Promise<string | null>>();
  return async (source: MediaSource, options: CallOptions = {}): Promise<string | null> => {
    const image = await media.image(source, options);
    if (by === "bytes") return `sha256:${image.sha256}`;
    const before = known.get(image.sha256);
    if (before !== undefined) return before;
    if (known.size >= MOST_REMEMBERED) known.clear();
    const name = looksOf(image).then((hash) => (hash === null ? `sha256:${image.sha256}` : `looks:${hash}`));
    known.set(image.sha256, name);
    return name;
  };
};
