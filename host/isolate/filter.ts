/** Seccomp filters: rules as data, and the classic BPF program that they become (`seccomp(2)`). */
import { type Architecture, SYSCALLS, type SyscallName } from './syscalls.js';

/** A test of one argument's 32 lower bits, or 32 upper ones: `(argument & mask) === equals`. */
export interface ArgumentTest {
  /** 0 to 5. */
  readonly argument: number;
  readonly upper?: boolean;
  readonly mask?: number;
  readonly equals: number;
}

/**
 * What becomes of a call: the first rule for it whose tests are all passed decides. Without
 * `errno` the call is made; with it the caller gets that instead.
 */
export interface FilterRule {
  readonly call: SyscallName;
  readonly tests?: readonly ArgumentTest[];
  readonly errno?: number;
}

const BPF_LD_W_ABS = 0x20;
const BPF_ALU_AND_K = 0x54;
const BPF_JMP_JEQ_K = 0x15;
const BPF_JMP_JGE_K = 0x35;
const BPF_RET_K = 0x06;

const RET_KILL_PROCESS = 0x8000_0000;
const RET_ERRNO = 0x0005_0000;
const RET_ALLOW = 0x7fff_0000;

/** `struct seccomp_data`: the call's number, the architecture, and six arguments of 8 bytes. */
const NUMBER_AT = 0;
const ARCH_AT = 4;
const ARGUMENTS_AT = 16;

/** Numbers from here on are of x32, another table on the same architecture. */
const X32_BIT = 0x4000_0000;

/** One `struct sock_filter`: 8 bytes. */
interface Instruction {
  readonly code: number;
  readonly k: number;
  /** How many instructions are left out where a comparison holds, and where it does not. */
  readonly yes?: number;
  readonly no?: number;
}

const INSTRUCTION_BYTES = 8;

function result({ errno }: Pick<FilterRule, 'errno'>): Instruction {
  return { code: BPF_RET_K, k: errno === undefined ? RET_ALLOW : RET_ERRNO | errno };
}

function testInstructions({ argument, upper, mask, equals }: ArgumentTest): Instruction[] {
  const at = ARGUMENTS_AT + 8 * argument + (upper === true ? 4 : 0);
  const masked = mask === undefined ? [] : [{ code: BPF_ALU_AND_K, k: mask }];
  return [{ code: BPF_LD_W_ABS, k: at }, ...masked, { code: BPF_JMP_JEQ_K, k: equals }];
}

/** A rule in instructions; the number of the call is loaded before and after. */
function ruleInstructions(rule: FilterRule, number: number): Instruction[] {
  const { tests = [] } = rule;
  if (tests.length === 0) return [{ code: BPF_JMP_JEQ_K, k: number, no: 1 }, result(rule)];
  const body = [...tests.flatMap(testInstructions), result(rule)];
  // What fails a test goes on behind the result, where the number is loaded again.
  const resolved = body.map((each, index) =>
    each.code === BPF_JMP_JEQ_K ? { ...each, no: body.length - index - 1 } : each,
  );
  const reload = { code: BPF_LD_W_ABS, k: NUMBER_AT };
  return [{ code: BPF_JMP_JEQ_K, k: number, no: body.length + 1 }, ...resolved, reload];
}

/**
 * The program of `rules`, 8 bytes an instruction: a call that no rule is about gets `errno`, one
 * of another architecture ends the process. Rules about calls that the architecture does not
 * have are left out.
 */
export function assembleFilter(
  rules: readonly FilterRule[],
  { audit, column }: Architecture,
  errno: number,
): Uint8Array {
  const program: Instruction[] = [
    { code: BPF_LD_W_ABS, k: ARCH_AT },
    { code: BPF_JMP_JEQ_K, k: audit, yes: 1 },
    { code: BPF_RET_K, k: RET_KILL_PROCESS },
    { code: BPF_LD_W_ABS, k: NUMBER_AT },
    { code: BPF_JMP_JGE_K, k: X32_BIT, no: 1 },
    result({ errno }),
    ...rules
      .filter(({ call }) => SYSCALLS[call][column] >= 0)
      .flatMap((rule) => ruleInstructions(rule, SYSCALLS[rule.call][column])),
    result({ errno }),
  ];
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, k, yes = 0, no = 0 }, index) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, yes);
    view.setUint8(at + 3, no);
    view.setUint32(at + 4, k, true);
  });
  return bytes;
}
