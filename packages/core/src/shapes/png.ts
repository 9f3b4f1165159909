/** A PNG writer for RGB pictures (ISO/IEC 15948). Without a compressor the data is stored, which every reader accepts. */

/** Compresses to the zlib format (RFC 1950); `zlib.deflateSync` of Node fits. */
export type Deflate = (data: Uint8Array) => Uint8Array;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
};

const adler32 = (bytes: Uint8Array): number => {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
};

const LONGEST_BLOCK = 65535;

/** Stored blocks of at most 65,535 bytes (RFC 1951, 3.2.4) in a zlib wrapper. */
const stored: Deflate = (data) => {
  const blocks = Math.max(1, Math.ceil(data.length / LONGEST_BLOCK));
  const out = new Uint8Array(2 + 5 * blocks + data.length + 4);
  const view = new DataView(out.buffer);
  out.set([0x78, 0x01]);
  let at = 2;
  for (let block = 0; block < blocks; block += 1) {
    const part = data.subarray(block * LONGEST_BLOCK, (block + 1) * LONGEST_BLOCK);
    out[at] = block === blocks - 1 ? 1 : 0;
    view.setUint16(at + 1, part.length, true);
    view.setUint16(at + 3, ~part.length & 0xffff, true);
    out.set(part, at + 5);
    at += 5 + part.length;
  }
  view.setUint32(at, adler32(data));
  return out;
};

const chunk = (name: string, data: Uint8Array): Uint8Array => {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let at = 0; at < 4; at += 1) out[4 + at] = name.charCodeAt(at);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
};

const header = (width: number, height: number): Uint8Array => {
  const data = new Uint8Array(13);
  const view = new DataView(data.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  data.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, deflate, filters per row, not interlaced
  return data;
};

/** Each row with its filter byte 1 and the differences to the pixel on the left: flat areas become zeros. */
const filtered = (pixels: Uint8Array, width: number, height: number): Uint8Array => {
  const row = width * 3;
  const out = new Uint8Array(height * (row + 1));
  for (let y = 0; y < height; y += 1) {
    const to = y * (row + 1) + 1;
    out[to - 1] = 1;
    for (let x = 0; x < row; x += 1) {
      const left = x < 3 ? 0 : pixels[y * row + x - 3]!;
      out[to + x] = pixels[y * row + x]! - left;
    }
  }
  return out;
};

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A PNG of RGB pixels `[height, width, 3]`. */
export const encodePng = (
  pixels: Uint8Array,
  size: { readonly width: number; readonly height: number },
  deflate: Deflate = stored,
): Uint8Array => {
  const { width, height } = size;
  if (pixels.length !== width * height * 3) {
    throw new RangeError(`pixels: expected ${width * height * 3} bytes for ${width} × ${height}, got ${pixels.length}`);
  }
  const parts = [
    SIGNATURE,
    chunk("IHDR", header(width, height)),
    chunk("IDAT", deflate(filtered(pixels, width, height))),
    chunk("IEND", new Uint8Array(0)),
  ];
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};
