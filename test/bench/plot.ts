import type { CurveLine } from './report.js';

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 56;
const RIGHT = 130;
const TOP = 44;
const BOTTOM = 48;
/** Names at the right end stand at least this far apart. */
const NAME_PX = 16;

const COLOURS = ['#555555', '#d1495b', '#1b7837', '#2a6fbb', '#8e5ea2', '#b8860b'] as const;
const COST_TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100] as const;

interface Scale {
  readonly low: number;
  readonly high: number;
  /** Where the lowest and the highest value stand. */
  readonly from: number;
  readonly to: number;
}

/** The place of a value on a logarithmic scale, to a tenth of a pixel. */
const place = ({ low, high, from, to }: Scale, value: number): number => {
  const share = Math.log(value / low) / Math.log(high / low);
  return Math.round((from + share * (to - from)) * 10) / 10;
};

const text = (x: number, y: number, anchor: string, words: string, more = ''): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${more}>${words}</text>`;

const rule = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#dddddd"/>`;

const grid = (
  x: Scale,
  y: Scale,
  watched: readonly number[],
  ticks: readonly number[],
): readonly string[] => [
  ...watched.flatMap((count) => [
    rule(place(x, count), y.from, place(x, count), y.to),
    text(place(x, count), y.from + 18, 'middle', count.toLocaleString('en')),
  ]),
  ...ticks.flatMap((cost) => [
    rule(x.from, place(y, cost), x.to, place(y, cost)),
    text(x.from - 8, place(y, cost) + 4, 'end', `×${cost}`),
  ]),
];

/** Where the names stand: at their lines' ends, pushed upwards where those lie too close. */
const nameHeights = (ends: readonly number[]): readonly number[] => {
  const heights = [...ends];
  const order = ends.map((_, i) => i).toSorted((a, b) => (ends[b] ?? 0) - (ends[a] ?? 0));
  let limit = Infinity;
  for (const i of order) {
    heights[i] = Math.min(ends[i] ?? 0, limit);
    limit = heights[i] - NAME_PX;
  }
  return heights;
};

/** The curve as an SVG picture, both axes logarithmic. */
export const drawCurve = (lines: readonly CurveLine[]): string => {
  const points = lines.flatMap((line) => line.points);
  const watched = [...new Set(points.map((point) => point.watched))].toSorted((a, b) => a - b);
  const costs = points.map(({ cost }) => cost);
  const [low, high] = [Math.min(...watched), Math.max(...watched)];
  const x = { low, high, from: LEFT, to: WIDTH - RIGHT };
  const y = {
    low: Math.min(0.5, ...costs),
    high: Math.max(2, ...costs),
    from: HEIGHT - BOTTOM,
    to: TOP,
  };
  const names = nameHeights(lines.map((line) => place(y, line.points.at(-1)?.cost ?? 1)));
  const drawn = lines.flatMap(({ server, points: along }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = along.map((point) => `${place(x, point.watched)},${place(y, point.cost)}`);
    return [
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(x.to + 8, (names[i] ?? 0) + 4, 'start', server, ` fill="${colour}"`),
    ];
  });
  const ticks = COST_TICKS.filter((cost) => cost >= y.low && cost <= y.high);
  const title = 'CPU time per event, 64 connections active (C with epoll among 100 = 1)';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-size="12"`,
    ' font-family="sans-serif" fill="#333333">',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 24, 'start', title, ' font-size="14"'),
    ...grid(x, y, watched, ticks),
    ...drawn,
    text((x.from + x.to) / 2, HEIGHT - 10, 'middle', 'descriptors watched'),
    '</svg>\n',
  ].join('\n');
};
