/** Line charts as SVG text: axes, grid, lines with gaps, bands. No script, no style from elsewhere. */

/** A line. `null` and numbers that are not finite are gaps. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** Lower and upper end around each point. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[] | undefined;
  /** Marks every point: for few of them. */
  readonly dots?: boolean | undefined;
}

/** A chart. */
export interface Chart {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Ends of the vertical axis; told from the points by default. */
  readonly range?: readonly [number, number] | undefined;
  /** What the horizontal axis counts; `step` by default. */
  readonly over?: string | undefined;
  /** A horizontal line with a name, e.g. chance. */
  readonly mark?: { readonly at: number; readonly name: string } | undefined;
}

const SIZE = { width: 460, height: 240, left: 52, right: 14, top: 34, bottom: 46 } as const;

/** Hues that stay apart for colour-blind eyes (Okabe and Ito), dark enough on white. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#9b59b6", "#b8860b", "#555555"] as const;

/** Text that may stand in HTML and SVG. */
export const escapeText = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Few digits, and an exponent only where it is shorter. */
export const shortNumber = (x: number): string => {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-3) return x.toExponential(1).replace(".0e", "e").replace("e+", "e");
  return String(Number(x.toPrecision(3)));
};

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

/** Beyond this, differences are no numbers any more. */
const LARGEST = 1e150;

const isNumber = (x: number | null | undefined): x is number => typeof x === "number" && Math.abs(x) < LARGEST;

/** Round steps of 1, 2 or 5 times a power of ten, `least` at least. */
const axisOf = (low: number, high: number, count: number, least = 0): Axis => {
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Values that differ by rounding alone are one value.
  const width = high - low > Math.max(1e-100, 1e-9 * size) ? high - low : Math.max(1, size);
  const raw = width / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(least, ([1, 2, 5, 10].find((n) => n * power >= raw) ?? 10) * power);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return { low: ticks[0] as number, high: ticks.at(-1) as number, ticks };
};

const extremes = (values: readonly number[]): readonly [number, number] =>
  values.reduce<readonly [number, number]>(
    ([low, high], x) => [Math.min(low, x), Math.max(high, x)],
    [Infinity, -Infinity],
  );

const valuesOf = ({ lines, mark }: Chart): number[] => [
  ...lines
    .flatMap(({ points, band = [] }) => [...points.map(([, y]) => y), ...band.flatMap(([, a, b]) => [a, b])])
    .filter(isNumber),
  ...(mark === undefined ? [] : [mark.at]),
];

interface Frame {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly xAxis: Axis;
  readonly yAxis: Axis;
}

const frameOf = (chart: Chart): Frame => {
  const { width, height, left, right, top, bottom } = SIZE;
  const xs = chart.lines.flatMap(({ points }) => points.map(([x]) => x));
  const [x0, x1] = xs.length === 0 ? [0, 1] : extremes(xs);
  const values = valuesOf(chart);
  const [y0, y1] = chart.range ?? (values.length === 0 ? [0, 1] : extremes(values));
  const [xAxis, yAxis] = [axisOf(x0, Math.max(x1, x0 + 1), 5, 1), axisOf(y0, y1, 4)];
  const place = (axis: Axis, from: number, to: number) => (value: number) =>
    from + ((Math.min(Math.max(value, axis.low), axis.high) - axis.low) / (axis.high - axis.low)) * (to - from);
  return { xAxis, yAxis, x: place(xAxis, left, width - right), y: place(yAxis, height - bottom, top) };
};

const at = (x: number): string => x.toFixed(1);

const gridOf = ({ x, y, xAxis, yAxis }: Frame): string => {
  const { width, height, left, right, bottom } = SIZE;
  const rows = yAxis.ticks.map(
    (tick) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(tick))}" y2="${at(y(tick))}"/>` +
      `<text x="${left - 6}" y="${at(y(tick) + 4)}" text-anchor="end">${shortNumber(tick)}</text>`,
  );
  const columns = xAxis.ticks.map(
    (tick) => `<text x="${at(x(tick))}" y="${height - bottom + 16}" text-anchor="middle">${shortNumber(tick)}</text>`,
  );
  return rows.join("") + columns.join("");
};

const lineOf = ({ points, band = [], dots }: Line, { x, y }: Frame, colour: string): string => {
  let pen = "M";
  let path = "";
  for (const [at0, value] of points) {
    if (!isNumber(value)) pen = "M";
    else {
      path += `${pen}${at(x(at0))} ${at(y(value))}`;
      pen = "L";
    }
  }
  const area = [
    ...band.map(([s, , high]) => [s, high] as const),
    ...band.toReversed().map(([s, low]) => [s, low] as const),
  ];
  const shade =
    band.length > 1
      ? `<path d="M${area.map(([s, v]) => `${at(x(s))} ${at(y(v))}`).join("L")}Z" fill="${colour}" opacity="0.15"/>`
      : "";
  const whiskers = band.map(([s, low, high]) => `M${at(x(s))} ${at(y(low))}V${at(y(high))}`).join("");
  const ends = whiskers === "" ? "" : `<path d="${whiskers}" stroke="${colour}" opacity="0.5" fill="none"/>`;
  const marks = points.flatMap(([s, v]) =>
    isNumber(v) && (dots === true || points.length === 1)
      ? [`<circle cx="${at(x(s))}" cy="${at(y(v))}" r="3" fill="${colour}"/>`]
      : [],
  );
  return `${shade}${ends}<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.8" stroke-linejoin="round"/>${marks.join("")}`;
};

const LEGEND_ROW = 16;

/** Names of the lines below the chart, in as many rows as they need. → their SVG, and the height of the rows after the first */
const legendOf = (lines: readonly Line[]): { readonly svg: string; readonly more: number } => {
  if (lines.length < 2) return { svg: "", more: 0 };
  let [x, more]: [number, number] = [SIZE.left, 0];
  const entries = lines.map(({ name }, i) => {
    const width = 28 + name.length * 6.4;
    if (x > SIZE.left && x + width > SIZE.width) [x, more] = [SIZE.left, more + LEGEND_ROW];
    const y = SIZE.height - 6 + more;
    const entry = `<text x="${x + 14}" y="${y}">${escapeText(name)}</text><rect x="${x}" y="${y - 8}" width="10" height="10" rx="2" fill="${COLOURS[i % COLOURS.length]}"/>`;
    x += width;
    return entry;
  });
  return { svg: entries.join(""), more };
};

const markOf = ({ mark }: Chart, { y }: Frame): string =>
  mark === undefined
    ? ""
    : `<line class="mark" x1="${SIZE.left}" x2="${SIZE.width - SIZE.right}" y1="${at(y(mark.at))}" y2="${at(y(mark.at))}"/>` +
      `<text class="quiet" x="${SIZE.width - SIZE.right}" y="${at(y(mark.at) - 4)}" text-anchor="end">${escapeText(mark.name)}</text>`;

/** Has the chart anything to show? */
export const hasPoints = ({ lines }: Chart): boolean => lines.some(({ points }) => points.some(([, y]) => isNumber(y)));

/** A chart as one `<svg>` element; colours of text and grid come from the page's `--ink` and `--line`. */
export const drawChart = (chart: Chart): string => {
  const frame = frameOf(chart);
  const { width, height, left, top } = SIZE;
  const lines = chart.lines.map((line, i) => lineOf(line, frame, COLOURS[i % COLOURS.length] as string));
  const legend = legendOf(chart.lines);
  const label = escapeText(`${chart.title}: ${chart.lines.map(({ name }) => name).join(", ")}`);
  return (
    `<svg viewBox="0 0 ${width} ${height + legend.more}" role="img" aria-label="${label}">${gridOf(frame)}${markOf(chart, frame)}${lines.join("")}` +
    `<text class="title" x="${left}" y="${top - 14}">${escapeText(chart.title)}</text>${legend.svg}` +
    `<text class="quiet" x="${width - SIZE.right}" y="${height - SIZE.bottom + 30}" text-anchor="end">${escapeText(chart.over ?? "step")}</text></svg>`
  );
};

const ALONE =
  "<style>.grid{stroke:#ddd}.mark{stroke:#888;stroke-dasharray:4 3}.title{font-weight:bold}.quiet{fill:#777}</style>" +
  '<rect width="100%" height="100%" fill="white"/>';

/** A chart as an SVG file of its own, for pages that have no style for it: dark on white. */
export const drawChartFile = (chart: Chart): string =>
  drawChart(chart)
    .replace("<svg ", `<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" width="720" `)
    .replace(/>/, `>${ALONE}`) + "\n";
