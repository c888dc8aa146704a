/** The middle of `values`; the mean of the two middle ones where their number is even. */
export const median = (values: readonly number[]): number => {
  if (values.length === 0) throw new RangeError('the median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted.length >> 1;
  const high = sorted[upper];
  return sorted.length % 2 === 1 ? high : (sorted[upper - 1] + high) / 2;
};

export const mean = (a: number, b: number): number => (a + b) / 2;

/** How far two numbers lie apart, as a share of their mean. */
export const spread = (a: number, b: number): number => Math.abs(a - b) / mean(a, b);
