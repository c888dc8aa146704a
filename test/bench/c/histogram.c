// A histogram with 128 steps for each power of two: at most 0.8 % off, from 1 ns to 18 minutes.
#include "load.h"

#define STEPS 128
#define POWERS 34

static uint64_t counts[POWERS * STEPS];
static uint64_t total;

void histogram_reset(void) {
  memset(counts, 0, sizeof counts);
  total = 0;
}

// Values under STEPS have a bucket each; above, the 7 bits under the leading one choose the step.
void histogram_record(uint64_t ns) {
  unsigned power = ns < STEPS ? 0 : 63u - 7u - (unsigned)__builtin_clzll(ns) + 1u;
  size_t bucket = power == 0 ? ns : power * STEPS + ((ns >> (power - 1)) - STEPS);
  if (bucket >= POWERS * STEPS) bucket = POWERS * STEPS - 1;
  counts[bucket]++;
  total++;
}

uint64_t histogram_quantile(double share) {
  uint64_t rank = (uint64_t)(share * (double)total);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < POWERS * STEPS; bucket++) {
    seen += counts[bucket];
    if (counts[bucket] == 0 || seen <= rank) continue;
    size_t power = bucket / STEPS;
    if (power == 0) return bucket;
    uint64_t width = 1ull << (power - 1);
    return (STEPS + bucket % STEPS) * width + width / 2;
  }
  return 0;
}
