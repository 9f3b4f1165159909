/** Plain text tables: columns padded by code points, no colours, no box drawing. */

const lengthOf = (text: string): number => [...text].length;

const pad = (text: string, width: number, right: boolean): string => {
  const gap = " ".repeat(Math.max(0, width - lengthOf(text)));
  return right ? gap + text : text + gap;
};

/** Cuts a text to a width, with an ellipsis where it was cut; control characters, which a terminal would obey, become spaces. */
export const fit = (text: string, width: number): string => {
  const points = [...text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ")];
  return points.length <= width ? points.join("") : `${points.slice(0, Math.max(0, width - 1)).join("")}…`;
};

/** Breaks a text at spaces to lines of a width; longer words are cut. Lines after the first are indented. */
export const wrap = (text: string, width: number, indent = ""): readonly string[] => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const start = lines.length === 0 ? "" : indent;
    const room = width - lengthOf(start);
    const longer = line === "" ? start + fit(word, room) : `${line} ${word}`;
    if (lengthOf(longer) <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = indent + fit(word, width - lengthOf(indent));
  }
  return [...lines, line];
};

/**
 * Rows of cells as lines no wider than `width`: the first column is left-aligned and gives way, the others are
 * right-aligned; columns that do not fit are left out from the right.
 */
export const table = (rows: readonly (readonly string[])[], width: number): readonly string[] => {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => lengthOf(row[i] ?? ""))));
  const least = Math.min(widths[0] ?? 0, 16);
  let shown = columns;
  const others = (): number => widths.slice(1, shown).reduce((sum, each) => sum + each + 2, 0);
  while (shown > 1 && least + others() > width) shown -= 1;
  const first = Math.max(0, Math.min(widths[0] ?? 0, width - others()));
  return rows.map((row) => {
    const rest = widths.slice(1, shown).map((each, i) => `  ${pad(row[i + 1] ?? "", each, true)}`);
    return (pad(fit(row[0] ?? "", first), first, false) + rest.join("")).trimEnd();
  });
};
