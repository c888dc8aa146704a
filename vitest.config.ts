import { defineConfig } from 'vitest/config';

/** Where the machine-readable report goes, if one is wanted: `.ci/run` counts from it. */
const report = process.env['SANDPOLL_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**'],
    // Guests are threads, and signals and descriptors belong to a process: a process each file.
    pool: 'forks',
    // By default one core is left alone; but most of a test's time here is waiting.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
