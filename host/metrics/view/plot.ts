/** A plot of one quantity over the last minutes: a line for each guest, as SVG. */

export interface Series {
  readonly name: string;
  /** One value a second, the newest last; NaN for none. */
  readonly values: readonly number[];
}

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 320;
const HEIGHT = 90;
/** Room over the highest point. */
const TOP = 4;

function element(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Points of a line; values that are not known make a gap, and begin another one. */
function segments(values: readonly number[], most: number, length: number): string[] {
  const lines: string[][] = [[]];
  values.forEach((value, index) => {
    if (!Number.isFinite(value)) {
      lines.push([]);
      return;
    }
    const x = (WIDTH * (length - values.length + index)) / (length - 1);
    const y = HEIGHT - ((HEIGHT - TOP) * value) / most;
    lines.at(-1)?.push(`${x.toFixed(1)},${y.toFixed(1)}`);
  });
  return lines.filter((line) => line.length > 0).map((line) => line.join(' '));
}

/** The colour of the n-th guest: far apart for neighbours. */
export function colour(index: number): string {
  return `hsl(${(index * 137) % 360} 65% 50%)`;
}

export class Plot {
  readonly figure: HTMLElement = document.createElement('figure');
  readonly #caption = document.createElement('figcaption');
  readonly #svg: SVGElement;
  readonly #title: string;
  readonly #text: (value: number) => string;

  /** `text` writes a value. */
  constructor(title: string, text: (value: number) => string) {
    this.#title = title;
    this.#text = text;
    this.#svg = element('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': title,
    });
    this.figure.append(this.#caption, this.#svg);
  }

  /** `length` values fill its width. */
  draw(series: readonly Series[], length: number): void {
    const known = series.flatMap(({ values }) => values).filter(Number.isFinite);
    const most = Math.max(...known, Number.MIN_VALUE);
    const shown = known.length === 0 ? '-' : this.#text(Math.max(...known));
    this.#caption.textContent = `${this.#title}, up to ${shown}`;
    const lines = series.flatMap(({ name, values }, index) =>
      segments(values, most, length).map((points) => {
        const line = element('polyline', { points, stroke: colour(index) });
        const title = element('title', {});
        title.textContent = name;
        line.append(title);
        return line;
      }),
    );
    this.#svg.replaceChildren(...lines);
  }
}
