#!/usr/bin/env node
// Draws the images of the sample records (packages/cli/samples/images) from the SVG scenes below.
// Run by hand when a scene changes (`node tools/samples/draw.mjs`; needs sharp and a DejaVu Sans font); the PNG files are committed.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const out = fileURLToPath(new URL("../../packages/cli/samples/images/", import.meta.url));

const frame = (body, width = 240, height = 180) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="DejaVu Sans" font-size="13">` +
  `<rect width="100%" height="100%" fill="#fff"/>${body}</svg>`;
const text = (x, y, s, extra = "") => `<text x="${x}" y="${y}" ${extra}>${s}</text>`;
const rect = (x, y, w, h, fill) => `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${fill}"/>`;
const circle = (x, y, r, fill) => `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}"/>`;
const line = (x1, y1, x2, y2, width = 2, color = "#222") =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${width}" stroke-linecap="round"/>`;

const bars = [
  ["Mon", 40],
  ["Tue", 65],
  ["Wed", 30],
  ["Thu", 90],
  ["Fri", 55],
];

const hand = (angle, length, width) => {
  const a = ((angle - 90) * Math.PI) / 180;
  return line(120, 90, 120 + length * Math.cos(a), 90 + length * Math.sin(a), width);
};

const scenes = {
  "bar-chart": frame(
    text(50, 18, "Visitors per day") +
      bars
        .map(
          ([day, n], i) =>
            rect(30 + i * 40, 150 - n, 26, n, "#4477aa") + text(30 + i * 40, 167, day) + text(33 + i * 40, 145 - n, n),
        )
        .join("") +
      line(20, 150, 230, 150),
  ),
  clock: frame(
    `<circle cx="120" cy="90" r="75" fill="#f7f7f0" stroke="#222" stroke-width="3"/>` +
      [12, 3, 6, 9].map((h, i) => text([112, 178, 116, 52][i], [34, 95, 158, 95][i], h)).join("") +
      hand(30 * 4 + 10, 38, 5) +
      hand(120, 60, 3),
  ),
  shapes: frame(
    circle(50, 50, 25, "#cc3311") +
      circle(190, 60, 20, "#cc3311") +
      circle(120, 130, 22, "#0077bb") +
      rect(30, 110, 40, 40, "#0077bb") +
      `<polygon points="185,110 215,160 155,160" fill="#009988"/>` +
      circle(115, 45, 15, "#cc3311"),
  ),
  "no-entry": frame(rect(115, 130, 10, 50, "#777") + circle(120, 75, 60, "#c00") + rect(80, 65, 80, 20, "#fff")),
  receipt: frame(
    text(80, 22, "CORNER CAFE", 'font-weight="bold"') +
      text(30, 55, "2 x Tea") +
      text(170, 55, "5.00") +
      text(30, 78, "1 x Cake") +
      text(170, 78, "3.50") +
      text(30, 101, "1 x Juice") +
      text(170, 101, "2.80") +
      line(25, 112, 215, 112, 1) +
      text(30, 135, "TOTAL", 'font-weight="bold"') +
      text(165, 135, "11.30", 'font-weight="bold"') +
      text(30, 165, "Paid by card"),
  ),
  thermometer: frame(
    rect(105, 20, 30, 120, "#eee") +
      rect(113, 68, 14, 80, "#d22") +
      circle(120, 150, 20, "#d22") +
      [0, 10, 20, 30, 40]
        .map((t, i) => line(135, 140 - i * 28, 145, 140 - i * 28, 2) + text(150, 145 - i * 28, `${t} °C`))
        .join(""),
  ),
  table: frame(
    rect(20, 100, 200, 12, "#8b5a2b") +
      rect(30, 112, 10, 60, "#8b5a2b") +
      rect(200, 112, 10, 60, "#8b5a2b") +
      circle(70, 85, 15, "#2a2") +
      circle(105, 85, 15, "#d22") +
      circle(140, 85, 15, "#fb0") +
      rect(175, 55, 25, 45, "#48a"),
  ),
  house: frame(
    rect(60, 80, 120, 90, "#e8c9a0") +
      `<polygon points="50,80 120,25 190,80" fill="#a33"/>` +
      rect(105, 125, 30, 45, "#633") +
      rect(72, 95, 25, 22, "#9cf") +
      rect(143, 95, 25, 22, "#9cf") +
      rect(150, 30, 14, 30, "#a33") +
      circle(215, 25, 14, "#fc0"),
  ),
  "line-graph": frame(
    text(60, 18, "Temperature, 24 h") +
      line(30, 150, 225, 150) +
      line(30, 150, 30, 30) +
      `<polyline points="30,130 65,140 100,110 135,60 170,50 205,95" fill="none" stroke="#c33" stroke-width="3"/>` +
      ["0", "4", "8", "12", "16", "20"].map((h, i) => text(26 + i * 35, 168, h)).join("") +
      text(6, 55, "20°") +
      text(6, 145, "5°"),
  ),
  arrows: frame(
    text(20, 50, "Beach") +
      line(90, 45, 200, 45, 5, "#07b") +
      `<polygon points="200,33 225,45 200,57" fill="#07b"/>` +
      text(160, 105, "Station") +
      line(60, 100, 145, 100, 5, "#07b") +
      `<polygon points="60,88 35,100 60,112" fill="#07b"/>` +
      text(20, 155, "Museum") +
      line(120, 165, 120, 130, 5, "#07b") +
      `<polygon points="108,135 120,115 132,135" fill="#07b"/>`,
  ),
  menu: frame(
    rect(15, 10, 210, 160, "#233") +
      text(95, 35, "LUNCH", 'fill="#fff" font-weight="bold"') +
      text(35, 65, "Soup of the day ... 4", 'fill="#fff"') +
      text(35, 90, "Veg. lasagne ...... 9", 'fill="#fff"') +
      text(35, 115, "Fish &amp; rice ....... 11", 'fill="#fff"') +
      text(35, 150, "contains nuts: lasagne", 'fill="#fc6" font-size="11"'),
  ),
  dice: frame(
    [20, 90, 160]
      .map((x) => `<rect x="${x}" y="60" width="60" height="60" rx="10" fill="#fff" stroke="#222" stroke-width="3"/>`)
      .join("") +
      circle(35, 75, 6, "#222") +
      circle(65, 105, 6, "#222") +
      circle(50, 90, 6, "#222") +
      circle(120, 90, 6, "#222") +
      [175, 205].flatMap((x) => [75, 90, 105].map((y) => circle(x, y, 6, "#222"))).join(""),
  ),
};

mkdirSync(out, { recursive: true });
for (const [name, svg] of Object.entries(scenes))
  await sharp(Buffer.from(svg)).png({ palette: true }).toFile(`${out}${name}.png`);
