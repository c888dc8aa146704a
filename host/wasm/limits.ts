/**
 * How large a module may be. Compiling cannot be interrupted, so what would take too long is
 * turned away before.
 *
 * The defaults were measured on Node 20 (V8 11.3), both by what real programs
 * need (Ruby 3.3, CPython as Pyodide, PostgreSQL as PGlite, SQLite, QuickJS, esbuild from Go, swc
 * from Rust) and by what modules made to be slow cost. "Largest" below is the largest among the
 * former. Compiling one function within the limits took at most 0.6 s, and 1.6 s with V8's
 * optimising compiler in the background.
 */

/** Limits on the code, in total and by function. */
export interface CodeLimits {
  /** Size in bytes of one function's body. */
  readonly bodyBytes: number;
  /** Locals of one function, parameters included. */
  readonly locals: number;
  /** Height of one function's operand stack, in values. */
  readonly stack: number;
  /** Blocks, loops, ifs and tries of one function. */
  readonly blocks: number;
  /** The same inside one another. */
  readonly nesting: number;
  /** Targets of one `br_table`, the default not counted. */
  readonly brTableTargets: number;
  /** Work of one function, as `code.ts` adds it up. */
  readonly functionWork: number;
  /** Work of all functions together. */
  readonly moduleWork: number;
}

/** Limits on a whole module. */
export interface AdmissionLimits extends CodeLimits {
  /** Size in bytes of the file. */
  readonly moduleBytes: number;
  /** Most the guest's memory may grow to, in bytes: `--max-memory`. */
  readonly memoryBytes: number;
  /** Tables, imported ones included. */
  readonly tables: number;
  /** Most one table may grow to, in entries. */
  readonly tableEntries: number;
  readonly imports: number;
  /** Own functions, without imported ones. */
  readonly functions: number;
  readonly types: number;
  /** Parameters and results of all types together. */
  readonly typeValues: number;
  readonly dataSegments: number;
  readonly elementSegments: number;
  /** Entries of all element segments together. */
  readonly elements: number;
}

/** What is admitted unless something else is asked for. */
export const DEFAULT_ADMISSION_LIMITS: AdmissionLimits = {
  // Largest: 54 MB, Ruby with its debug information.
  moduleBytes: 64 * 1024 * 1024,
  // Largest initial memory: 64 MiB.
  memoryBytes: 1024 * 1024 * 1024,
  // Largest: 3. Eight of ten million entries each took 7 s and 2.3 GB to instantiate.
  tables: 8,
  // Largest: 9,403.
  tableEntries: 100_000,
  // Largest: 548.
  imports: 10_000,
  // Largest: 17,490.
  functions: 100_000,
  // Largest: 252. V8 compares each type with all others: 8,000 took 0.4 s, 60,000 over 15 s.
  types: 5000,
  // Largest: 1,580. The comparison, and a wrapper for each exported type, go by these.
  typeValues: 20_000,
  // V8's own limit. Largest: 98,450, as Go's linker splits its data up to just under it.
  dataSegments: 100_000,
  // Largest: 2.
  elementSegments: 10_000,
  // Largest: 17,682. A million took 75 ms to instantiate.
  elements: 1_000_000,
  // Largest: 199,783. A limit of 256 KiB would leave no room for debug builds of the same.
  bodyBytes: 1024 * 1024,
  // Largest: 538; builds without optimisation have many times more.
  locals: 10_000,
  // Largest: 33. Ten thousand values under ten thousand ifs took 7 s.
  stack: 1000,
  // Largest: 6,500. Background compiling is quadratic in these: 36,000 in a loop took 4 s.
  blocks: 20_000,
  // Largest: 3,289, a switch of a Go program.
  nesting: 10_000,
  // V8's own limit. Largest: 5,490.
  brTableTargets: 65_520,
  // Largest: 1.0e6. 50,000 locals under 1,000 ifs are 5e7 and took 4.4 s.
  functionWork: 1e7,
  // Largest: 3.7e7.
  moduleWork: 5e8,
};
