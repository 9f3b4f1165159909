// How training pictures are drawn: half as `plain`, half each in a style of its own. The `ood` style is none of them: its colours, its
// sloping background and its font are in no training picture.
import { plainStyle } from "@r1reward/core/shapes";
import { mixed } from "./random.mjs";

const UNIT = 16; // lengths of styles are sixteenths of a pixel
const upright = [1024, 0];
const tilted = [
  [1016, 125],
  [1002, 213],
  [979, 301],
  [949, 384],
].flatMap(([cos, sin]) => [
  [cos, sin],
  [cos, -sin],
]);

/** A channel, a little off: no two pictures have the same red. */
const off = (below, most) => (channel) => Math.min(255, Math.max(0, channel + below(2 * most + 1) - most));

const towards = (goal, share) => (channel) => Math.round(channel + ((goal - channel) * share) / 100);

/** Dark or light, filled or outlined, upright or turned. */
const varied = (seed, index) => {
  const below = mixed(seed, index);
  const dark = below(2) === 1;
  const ground = dark ? 5 + below(70) : 185 + below(65);
  const shade = dark ? towards(255, below(60)) : towards(0, below(15));
  const noise = 2 + below(8);
  const ink = dark ? 215 + below(40) : 5 + below(60);
  return {
    ...plainStyle,
    name: `varied-${seed}-${index}`,
    palette: Object.fromEntries(
      Object.entries(plainStyle.palette).map(([name, rgb]) => [name, rgb.map(shade).map(off(below, 16))]),
    ),
    stroke: below(2) === 1 ? (2 + below(5)) * UNIT + 8 : null,
    turns: below(2) === 1 ? [upright, ...tilted] : [upright],
    pitch: (35 + below(3)) * UNIT,
    background: [ground, ground, ground],
    tint: 14,
    noise,
    ink: [ink, ink, ink],
  };
};

/** The style of picture number `index`. */
export const trainingStyle = (seed) => (index) => (index % 4 < 2 ? plainStyle : varied(seed, index));
