import { defineConfig } from 'vitest/config';

/** Where the machine-readable report goes, if one is wanted: `.ci/run` counts from it. */
const report = process.env['SANDPOLL_TEST_REPORT'];

export default defineConfig({
  test: {
    // Guests are threads, and signals and descriptors belong to a process. Starting one for each
    // file is a quarter of all work, so only those that ask for a new one have it.
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: ['test/native/**/*.test.ts'], isolate: true },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ['test/bench/**', 'test/native/**'],
          isolate: false,
        },
      },
    ],
    // More than there are cores: much of a test's time here is waiting.
    maxWorkers: '150%',
    // What was built is loaded as Node loads it, not read and rewritten in each process.
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
