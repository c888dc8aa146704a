/** What a person meant who mistyped a word. */

/** More mistakes than this, and it is another word. */
const MISTAKES_MAX = 2;

/** How many letters must be put in, left out or replaced to make one word of the other. */
function mistakes(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let k = 1; k <= to.length; k++) {
      const replaced = row[k - 1] + Number(from[i - 1] !== to[k - 1]);
      next.push(Math.min(replaced, row[k] + 1, next[k - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}

/** A word without what separates its parts. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[_-]/g, '');
}

/** The known word that is most like `word`, also one with other separators; undefined if none. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, count: mistakes(plain(word), plain(each)) }))
    .toSorted((a, b) => a.count - b.count);
  return best !== undefined && best.count <= MISTAKES_MAX ? best.each : undefined;
}
