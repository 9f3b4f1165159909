/** The few rules of Python that the reference repository's parser depends on. */

/** What `str.strip()` removes: Unicode white space and the four ASCII separators, but not U+FEFF. */
const isPythonSpace = (char: string | undefined): boolean =>
  char !== undefined && char !== "\uFEFF" && (/\s/u.test(char) || /[\u001C-\u001F\u0085]/u.test(char));

/** `str.strip()`. */
export const pythonStrip = (text: string): string => {
  let [start, end] = [0, text.length];
  while (start < end && isPythonSpace(text[start])) start++;
  while (end > start && isPythonSpace(text[end - 1])) end--;
  return text.slice(start, end);
};

const isDecimal = (codePoint: number): boolean => /^\p{Nd}$/u.test(String.fromCodePoint(codePoint));

/** Unicode's decimal digits come in runs of ten that begin at zero, so a digit's value is its place in the run. */
const digitValue = (codePoint: number): number => {
  let zero = codePoint;
  while (zero > 0 && isDecimal(zero - 1)) zero--;
  return (codePoint - zero) % 10;
};

/** Any script's digits as ASCII, as `float` and `int` read them; other characters stay. */
const asciiDigits = (text: string): string =>
  Array.from(text, (char) => (/^\p{Nd}$/u.test(char) ? String(digitValue(char.codePointAt(0) ?? 0)) : char)).join("");

const FLOAT = /^[+-]?(?:\d+(?:_\d+)*(?:\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;
const INT = /^[+-]?\d+(?:_\d+)*$/;

/** CPython refuses to read longer integers (since 3.10.7). */
const MAX_INT_DIGITS = 4300;

/** `float(text)`; `undefined` where Python raises. Infinities and NaN, which Python reads, are never 1: NaN here. */
export const pythonFloat = (text: string): number | undefined => {
  const ascii = asciiDigits(pythonStrip(text));
  if (/^[+-]?(?:inf|infinity|nan)$/i.test(ascii)) return NaN;
  return FLOAT.test(ascii) ? Number(ascii.replaceAll("_", "")) : undefined;
};

/** `int(text)` of a string, as a float; `undefined` where Python raises. */
export const pythonInt = (text: string): number | undefined => {
  const ascii = asciiDigits(pythonStrip(text));
  if (!INT.test(ascii)) return undefined;
  const digits = ascii.replaceAll("_", "").replace(/^[+-]/, "");
  return digits.length > MAX_INT_DIGITS ? undefined : Number(ascii.replaceAll("_", ""));
};
