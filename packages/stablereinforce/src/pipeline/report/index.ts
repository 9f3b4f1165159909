/** Reports of runs. */
export { chartsOf } from "./charts.ts";
export { drawChart, drawChartFile, escapeText, shortNumber, type Chart, type Line } from "./plot.ts";
export { renderHtml, renderMarkdown } from "./render.ts";
export type { RunStory, StageStory } from "./types.ts";
