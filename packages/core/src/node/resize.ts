/** Resizing images to what Qwen2.5-VL would make of them, so that every server sees the same pixels. */
import type { Sharp, SharpOptions } from "sharp";
import { ConfigError, MediaError, messageOf } from "../errors.ts";
import type { CheckedImage } from "../media/load.ts";
import { readImageHeader } from "../media/header.ts";
import { pixelBudget, referenceSize, type SmartResizeOptions } from "../media/smart-resize.ts";

/** Options of `imageResizer`. */
export interface ResizeOptions extends SmartResizeOptions {
  /** Send resized images as JPEG of this quality (1 to 100) instead of lossless PNG. */
  readonly jpegQuality?: number | undefined;
}

/** Resizes images that were checked. */
export interface ImageResizer {
  /** Everything that changes the pixels. */
  readonly fingerprint: string;
  resize(image: CheckedImage): Promise<CheckedImage>;
}

type MakeSharp = (input: Uint8Array, options: SharpOptions) => Sharp;

const loadSharp = async (): Promise<MakeSharp> => {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    throw new ConfigError("resizing images needs the optional package sharp: npm install sharp", { cause });
  }
};

/**
 * What images are resized with, for people who check a setup: `sharp` and its version.
 *
 * @throws ConfigError when the optional package cannot be loaded
 */
export const resizerVersion = async (): Promise<string> => {
  await loadSharp();
  const { versions } = (await import("sharp")).default;
  return `sharp ${versions.sharp ?? ""} (libvips ${versions.vips})`;
};

const checkQuality = (quality: number | undefined): void => {
  if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw new ConfigError(`resize: jpegQuality: expected an integer from 1 to 100, got ${quality}`);
  }
};

const encoded = async (pipeline: Sharp, quality: number | undefined): Promise<CheckedImage> => {
  // A PNG is read by the server next to us and thrown away: speed counts more than size.
  const output = quality === undefined ? pipeline.png({ compressionLevel: 3 }) : pipeline.jpeg({ quality });
  const bytes = new Uint8Array(await output.toBuffer());
  return { bytes, header: readImageHeader(bytes) };
};

/**
 * Resizes as the reference pipeline does: to the size of `referenceSize`, with a cubic kernel, alpha on white, without
 * turning by EXIF orientation and without colour profiles. (Kernels of image libraries differ in the last bits, and the
 * reference resizes some images twice: sizes are the same, pixels nearly.) An image that is that size already, opaque
 * and upright is sent as it is.
 *
 * @throws ConfigError for options that cannot work; `resize` throws ConfigError without sharp, MediaError
 *   `undecodable` for broken pixels
 */
export const imageResizer = (options: ResizeOptions = {}): ImageResizer => {
  const budget = pixelBudget(options);
  const { jpegQuality } = options;
  checkQuality(jpegQuality);
  let sharp: Promise<MakeSharp> | undefined;
  const output = jpegQuality === undefined ? "png" : `jpeg${jpegQuality}`;
  return {
    fingerprint: `resize/1 ${budget.minPixels}-${budget.maxPixels}/${budget.factor} cubic white ${output}`,
    resize: async (image) => {
      const make = await (sharp ??= loadSharp());
      const { width, height } = image.header;
      const size = referenceSize(height, width, budget);
      try {
        const pixels = width * height;
        const source = make(image.bytes, {
          failOn: "warning",
          limitInputPixels: pixels,
          ignoreIcc: true,
          pages: 1,
          autoOrient: false,
        });
        const meta = await source.metadata();
        const isUpright = meta.orientation === undefined || meta.orientation === 1;
        if (size.width === width && size.height === height && !meta.hasAlpha && isUpright) return image;
        const resized = source
          .flatten({ background: "#ffffff" })
          .resize({ ...size, fit: "fill", kernel: "cubic", fastShrinkOnLoad: false })
          .toColourspace("srgb")
          .timeout({ seconds: 30 });
        return await encoded(resized, jpegQuality);
      } catch (cause) {
        throw new MediaError("undecodable", `image: cannot be decoded: ${messageOf(cause)}`, { cause });
      }
    },
  };
};
