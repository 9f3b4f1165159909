/** bfloat16 and IEEE half precision, from and to float32. Rounding is to nearest, ties to even; NaN stays NaN. */

/** Float32 values of raw bfloat16 patterns, into `out` when it is given. Exact: bfloat16 is the upper half of a float32. */
export const bf16ToFloat32 = (raw: Uint16Array, out: Float32Array = new Float32Array(raw.length)): Float32Array => {
  const bits = new Int32Array(out.buffer, out.byteOffset, raw.length);
  const pairs = raw.byteOffset % 4 === 0 ? raw.length >>> 1 : 0;
  const words = new Int32Array(raw.buffer, pairs === 0 ? 0 : raw.byteOffset, pairs);
  // Two at a time: a third of the time of one at a time.
  for (let i = 0; i < pairs; i++) {
    const word = words[i] as number;
    bits[2 * i] = word << 16;
    bits[2 * i + 1] = word & 0xffff0000;
  }
  for (let i = 2 * pairs; i < raw.length; i++) bits[i] = (raw[i] as number) << 16;
  return out;
};

/** Raw bfloat16 patterns nearest to the given values. Overflow becomes infinity, as IEEE 754 rounding has it. */
export const float32ToBf16 = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const raw = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i] as number;
    // Adding 0x7fff plus the kept part's last bit rounds ties to even; on NaN it could carry into infinity.
    const isNan = (b & 0x7fffffff) > 0x7f800000;
    raw[i] = isNan ? ((b >>> 16) & 0x8000) | 0x7fc0 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return raw;
};

const halfBitsToFloat = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

const halfTable: { values?: Float32Array } = {};

/** Float32 values of raw half-precision patterns, subnormals included, into `out` when it is given. Exact. */
export const f16ToFloat32 = (raw: Uint16Array, out: Float32Array = new Float32Array(raw.length)): Float32Array => {
  const table = (halfTable.values ??= Float32Array.from({ length: 65_536 }, (_, half) => halfBitsToFloat(half)));
  for (let i = 0; i < raw.length; i++) out[i] = table[raw[i] as number] as number;
  return out;
};

/** `bits / 2^shift` rounded to nearest, ties to even. `shift` is 1 to 31. */
const shiftToEven = (bits: number, shift: number): number => {
  const kept = bits >>> shift;
  const rest = bits & (2 ** shift - 1);
  const half = 2 ** (shift - 1);
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
};

const floatBitsToHalf = (b: number): number => {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) return sign | shiftToEven(magnitude - 0x38000000, 13); // 2^-14 and above: normal
  const shift = 126 - (magnitude >>> 23); // below: count units of 2^-24
  if (shift > 24) return sign;
  return sign | shiftToEven((magnitude & 0x7fffff) | 0x800000, shift);
};

/** Raw half-precision patterns nearest to the given values, subnormals included. */
export const float32ToF16 = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const raw = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) raw[i] = floatBitsToHalf(bits[i] as number);
  return raw;
};
