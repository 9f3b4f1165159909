/** The alphabet of byte-level BPE (GPT-2): each byte is one printable character of a vocabulary's tokens. */

const isPrintable = (byte: number): boolean =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);

/** The character of each byte. */
export const byteCharacters: readonly string[] = (() => {
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + hidden++));
})();

const bytesByCharacter = new Map(byteCharacters.map((character, byte) => [character, byte]));
const utf8 = new TextEncoder();

/** The bytes that a token of a vocabulary stands for; one with a character outside of the alphabet is plain text. */
export const bytesOfToken = (token: string): Uint8Array => {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = bytesByCharacter.get(token[i]!);
    if (byte === undefined) return utf8.encode(token);
    bytes[i] = byte;
  }
  return bytes;
};
