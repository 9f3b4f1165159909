/** Plain text tables: columns as wide as their widest cell, numbers to the right. */

/** A column and where its cells stand. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const width = (text: string): number => [...text].length;

const pad = (text: string, to: number, align: Column["align"]): string => {
  const space = " ".repeat(Math.max(0, to - width(text)));
  return align === "left" ? text + space : space + text;
};

/** Renders rows under column titles, two spaces apart. */
export const table = (columns: readonly Column[], rows: readonly (readonly string[])[]): string => {
  const widths = columns.map(({ title }, i) => Math.max(width(title), ...rows.map((row) => width(row[i] ?? ""))));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, i) => pad(cells[i] ?? "", widths[i] ?? 0, align))
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ title }) => title)), line(widths.map((w) => "─".repeat(w))), ...rows.map(line)].join(
    "\n",
  );
};

/** A fraction as a percentage with one decimal; a dash for "cannot tell". */
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
