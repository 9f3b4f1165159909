// Curves as SVG: one file per quantity, one panel per learning rate, one thin line per seed and a thick one for the median.
const COLOURS = ["#b3261e", "#c77700", "#1b6ca8", "#1a7f37"];
const PANEL = { width: 420, height: 260, left: 58, right: 12, top: 34, bottom: 36 };

const number = (x) => (x === null ? NaN : Number(x));

const median = (xs) => {
  const sorted = xs.filter((x) => !Number.isNaN(x)).sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.floor(sorted.length / 2)];
};

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** A scale from values to pixels; logarithmic ones clamp at their floor. */
const scaleOf = (values, { log }, [from, to]) => {
  const finite = values.filter(Number.isFinite);
  let low = Math.min(...finite, log ? Infinity : 0);
  let high = Math.max(...finite);
  if (!(high > low)) high = low + 1;
  if (log) [low, high] = [10 ** Math.floor(Math.log10(Math.max(low, 1e-6))), 10 ** Math.ceil(Math.log10(high))];
  const at = (x) => (log ? Math.log10(Math.max(x, low)) : x);
  const place = (x) => from + ((Math.min(at(x), at(high)) - at(low)) / (at(high) - at(low))) * (to - from);
  const decades = Math.round(Math.log10(high / low));
  const every = Math.max(1, Math.ceil(decades / 5));
  const ticks = log
    ? Array.from({ length: Math.floor(decades / every) + 1 }, (_, i) => low * 10 ** (i * every))
    : Array.from({ length: 5 }, (_, i) => low + ((high - low) * i) / 4);
  return { place, ticks };
};

const label = (x) =>
  x !== 0 && (Math.abs(x) >= 1e4 || Math.abs(x) < 1e-2) ? x.toExponential(0) : String(Number(x.toPrecision(3)));

const path = (points) => {
  let pen = "M";
  let d = "";
  for (const [x, y] of points) {
    if (Number.isNaN(y)) pen = "M";
    else {
      d += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
  }
  return d;
};

const axes = (y, x, steps, title) => {
  const { width, height, left, right, top, bottom } = PANEL;
  const lines = y.ticks.map(
    (tick) =>
      `<line x1="${left}" x2="${width - right}" y1="${y.place(tick).toFixed(1)}" y2="${y.place(tick).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${left - 6}" y="${(y.place(tick) + 4).toFixed(1)}" text-anchor="end">${label(tick)}</text>`,
  );
  const marks = [1, Math.round(steps / 2), steps].map(
    (step) => `<text x="${x(step).toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle">${step}</text>`,
  );
  return `${lines.join("")}${marks.join("")}<text x="${left}" y="${top - 12}" font-weight="bold">${escape(title)}</text>
<text x="${width / 2}" y="${height - 4}" text-anchor="middle">step (64 replies, 16 updates)</text>`;
};

const panel = (data, quantity, learningRate, range) => {
  const { width, height, left, right, top, bottom } = PANEL;
  const runs = data.runs.filter((run) => run.learningRate === learningRate);
  const y = scaleOf(range, quantity, [height - bottom, top]);
  const x = (step) => left + ((step - 1) / Math.max(1, data.steps - 1)) * (width - left - right);
  const names = [...new Set(data.runs.map((run) => run.algorithm))];
  const curves = names.map((name, k) => {
    const rows = runs.filter((run) => run.algorithm === name).map((run) => run.rows.map((row) => quantity.of(row)));
    const thin = rows.map(
      (values) =>
        `<path d="${path(values.map((v, i) => [x(i + 1), Number.isNaN(v) ? NaN : y.place(v)]))}" stroke-width="0.7" opacity="0.35"/>`,
    );
    const middle = Array.from({ length: data.steps }, (_, i) => median(rows.map((values) => values[i])));
    const thick = `<path d="${path(middle.map((v, i) => [x(i + 1), Number.isNaN(v) ? NaN : y.place(v)]))}" stroke-width="2"/>`;
    return `<g fill="none" stroke="${COLOURS[k]}">${thin.join("")}${thick}</g>`;
  });
  return axes(y, x, data.steps, `${quantity.title}, learning rate ${learningRate}`) + curves.join("");
};

const QUANTITIES = [
  { file: "reward.svg", title: "mean reward", of: (row) => number(row.reward) },
  {
    file: "loss.svg",
    title: "largest |loss| of a step",
    log: true,
    of: (row) => Math.max(Math.abs(number(row.lossPeak)), 1e-3),
  },
  { file: "kl.svg", title: "KL to the cold start, nats per token", of: (row) => number(row.kl) },
  { file: "length.svg", title: "tokens per reply", of: (row) => number(row.length) },
  {
    file: "log-ratio.svg",
    title: "largest |log-ratio| of a step, nats",
    log: true,
    of: (row) => number(row.logRatioMax),
  },
];

/** → [file name, SVG] for every quantity. */
export const drawPlots = (data) => {
  const rates = [...new Set(data.runs.map((run) => run.learningRate))];
  const names = [...new Set(data.runs.map((run) => run.algorithm))];
  return QUANTITIES.map((quantity) => {
    const range = data.runs.flatMap((run) => run.rows.map((row) => quantity.of(row)));
    const width = PANEL.width * rates.length;
    const panels = rates.map(
      (rate, i) => `<g transform="translate(${i * PANEL.width} 0)">${panel(data, quantity, rate, range)}</g>`,
    );
    const legend = names.map(
      (name, k) =>
        `<text x="${PANEL.left + k * 160}" y="${PANEL.height + 16}" fill="${COLOURS[k]}" font-weight="bold">${escape(name)}</text>`,
    );
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${PANEL.height + 26}" width="${width}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>${panels.join("")}${legend.join("")}
</svg>
`;
    return [quantity.file, svg];
  });
};
