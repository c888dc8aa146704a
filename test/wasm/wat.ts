/** Modules from WebAssembly text. */
import createWabt from 'wabt';

const wabt = await createWabt();

const FEATURES = {
  exceptions: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  threads: true,
  multi_value: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  extended_const: true,
  memory64: true,
  multi_memory: true,
};

/** Assembles a module; what is invalid is assembled all the same, for us to refuse. */
export function wat(source: string): Uint8Array {
  const parsed = wabt.parseWat('test.wat', source, FEATURES);
  try {
    return new Uint8Array(parsed.toBinary({}).buffer);
  } finally {
    parsed.destroy();
  }
}
