/**
 * Walks the instructions of a module, to know beforehand what compiling them costs.
 *
 * An engine's compilers spend time on more than bytes: at each branch they look at every live
 * value (locals and operand stack), for each loop they scan its body, and a call costs by its
 * parameters and results. Each can be made quadratic in a small file. So the walker keeps the
 * height of the stack and adds up what will be looked at: the *work*. V8 11.3: 2 to 90 ns a unit.
 */
import { Cursor } from './bytes.js';
import type { CodeLimits } from './limits.js';
import * as op from './opcodes.js';
import { readValueType } from './types.js';
import type { ModuleLayout } from './reader.js';

/** The block type byte of a block without parameters and results. */
const EMPTY_BLOCK = 0x40;

/** Bit in the alignment of a memory access that announces a memory index. */
const HAS_MEMORY_INDEX = 0x40;

const LOOP = 0x03;

/** Work of scanning one byte of a loop's body; once for each loop around it. */
const LOOP_BYTE_WORK = 1 / 4;

/** Work of one parameter or result of a call: each becomes several nodes of V8's graph. */
const CALL_VALUE_WORK = 16;

/** Work of one value that lives across a call, which V8 looks at only in passing. */
const CALL_LIVE_WORK = 1 / 16;

/** Reads code with the cursor; every figure in messages counts as disassemblers do. */
export class CodeWalker extends Cursor {
  /** Work of the bodies walked so far. */
  work = 0;
  /** Whether any of them catches exceptions. */
  catches = false;
  private functionWork = 0;
  private blocks = 0;
  private readonly layout: ModuleLayout;
  private readonly limits: CodeLimits;
  private functionIndex = -1;
  private locals = 0;
  /** Of the operand stack, in values. In unreachable code it may be any number. */
  private height = 0;
  private depth = -1;
  // One frame for each open block, by depth.
  private readonly frameOpcode: Uint8Array;
  private readonly frameStart: Uint32Array;
  private readonly frameBase: Int32Array;
  private readonly frameParams: Uint16Array;
  private readonly frameResults: Uint16Array;
  private readonly frameReachable: Uint8Array;

  constructor(bytes: Uint8Array, subject: string, layout: ModuleLayout, limits: CodeLimits) {
    super(bytes, subject);
    this.layout = layout;
    this.limits = limits;
    const frames = limits.nesting + 1;
    this.frameOpcode = new Uint8Array(frames);
    this.frameStart = new Uint32Array(frames);
    this.frameBase = new Int32Array(frames);
    this.frameParams = new Uint16Array(frames);
    this.frameResults = new Uint16Array(frames);
    this.frameReachable = new Uint8Array(frames);
  }

  /** Walks the body of function `index` (imported ones count): its size, locals, instructions. */
  body(index: number): void {
    const { limits, layout } = this;
    const outerEnd = this.end;
    const bytes = this.count('bytes in a body', 1, Infinity);
    this.functionIndex = index;
    if (bytes > limits.bodyBytes) this.refuseFunction(`takes ${bytes} bytes`, limits.bodyBytes);
    this.end = this.at + bytes;
    const type = layout.functionTypes[index];
    this.functionWork = 0;
    this.blocks = 0;
    this.locals = this.readLocals(layout.types.paramCounts[type]);
    this.charge(this.locals);
    this.instructions(layout.types.resultCounts[type]);
    if (this.at !== this.end) this.malformed(`function ${index} goes on after its end`);
    this.end = outerEnd;
  }

  /** Walks an initial expression: instructions up to its `end`, leaving one value. */
  expression(): void {
    this.functionIndex = -1;
    this.locals = 0;
    this.functionWork = 0;
    this.blocks = 0;
    this.instructions(1);
  }

  private readLocals(paramCount: number): number {
    const groups = this.count('groups of locals', 2, Infinity);
    let locals = paramCount;
    for (let i = 0; i < groups; i++) {
      locals += this.u32();
      readValueType(this);
      if (locals > this.limits.locals) {
        this.refuseFunction(`has ${locals} locals or more`, this.limits.locals);
      }
    }
    return locals;
  }

  private instructions(results: number): void {
    const { immediates, deltas } = op.PLAIN_OPCODES;
    const heightMax = this.limits.stack;
    this.height = 0;
    this.depth = -1;
    this.enter(0, 0, results);
    while (this.depth >= 0) {
      const opcode = this.byte();
      const immediate = immediates[opcode];
      this.height += deltas[opcode];
      if (this.height > heightMax) this.refuseFunction('keeps too many operands', heightMax);
      if (immediate === op.NONE) continue;
      if (immediate === op.INDEX) this.u32();
      else if (immediate === op.CONTROL) this.control(opcode);
      else if (immediate === op.PREFIX) this.prefixed(opcode);
      else this.skipImmediate(immediate, opcode);
    }
  }

  private prefixed(prefix: number): void {
    const table = op.PREFIXED_OPCODES[prefix];
    const opcode = this.u32();
    const immediate = table.immediates[opcode] ?? op.UNKNOWN;
    this.height += table.deltas[opcode] ?? 0;
    this.skipImmediate(immediate, prefix * 0x1000 + opcode);
  }

  private skipImmediate(immediate: number, opcode: number): void {
    if (immediate > op.BYTES) {
      this.skip(immediate - op.BYTES);
      return;
    }
    switch (immediate) {
      case op.NONE:
        return;
      case op.MEMORY:
        this.memoryAccess();
        return;
      case op.INT32:
        this.skipSigned(32);
        return;
      case op.INT64:
        this.skipSigned(64);
        return;
      case op.INDEX:
        this.u32();
        return;
      case op.INDEX_TWICE:
        this.u32();
        this.u32();
        return;
      case op.MEMORY_LANE:
        this.memoryAccess();
        this.skip(1);
        return;
      case op.SELECT_TYPES:
        this.selectTypes();
        return;
      default:
        this.refuse(
          `${this.place()} has the unknown instruction 0x${opcode.toString(16)}; ` +
            'build it without experimental features',
        );
    }
  }

  private memoryAccess(): void {
    if ((this.u32() & HAS_MEMORY_INDEX) !== 0) this.u32();
    this.u32();
  }

  private selectTypes(): void {
    const count = this.count('types of a select', 1, Infinity);
    for (let i = 0; i < count; i++) readValueType(this);
  }

  private control(opcode: number): void {
    switch (opcode) {
      case 0x02: // block
      case LOOP:
      case 0x04: // if
      case 0x06: // try
        this.block(opcode);
        return;
      case 0x0b: // end
        this.leave();
        return;
      case 0x0d: // br_if
        this.u32();
        this.chargeMerge();
        return;
      case 0x0c: // br
        this.u32();
        this.chargeMerge();
        this.unreachable();
        return;
      case 0x10: // call
        this.call(this.calledType());
        return;
      case 0x11: // call_indirect
        this.call(this.indirectType());
        return;
      case 0x05: // else
        this.nextArm(this.frameParams[this.depth]);
        return;
      case 0x0e: // br_table
        this.branchTable();
        this.unreachable();
        return;
      default:
        this.rareControl(opcode);
    }
  }

  private rareControl(opcode: number): void {
    this.catches ||= opcode === 0x07 || opcode === 0x19 || opcode === 0x1f;
    switch (opcode) {
      case 0x12: // return_call
        this.call(this.calledType());
        break;
      case 0x13: // return_call_indirect
        this.call(this.indirectType());
        break;
      case 0x08: // throw
      case 0x09: // rethrow
        this.u32();
        break;
      case 0x07: // catch
        this.nextArm(this.tagParams());
        return;
      case 0x19: // catch_all
        this.nextArm(0);
        return;
      case 0x18: // delegate
        this.u32();
        this.leave();
        return;
      case 0x1f: // try_table
        this.block(opcode);
        this.catchClauses();
        return;
      default: // unreachable, return, throw_ref
        break;
    }
    this.unreachable();
  }

  private block(opcode: number): void {
    if (++this.blocks > this.limits.blocks) {
      this.refuseFunction('has too many blocks', this.limits.blocks);
    }
    const first = this.bytes[this.at] ?? 0;
    if (first === EMPTY_BLOCK) {
      this.at++;
      this.enter(opcode, 0, 0);
    } else if (first >= 0x40 && first < 0x80) {
      readValueType(this);
      this.enter(opcode, 0, 1);
    } else {
      const { types } = this.layout;
      const type = this.typeIndex();
      this.enter(opcode, types.paramCounts[type], types.resultCounts[type]);
    }
    this.chargeMerge();
  }

  private enter(opcode: number, params: number, results: number): void {
    if (this.depth >= this.limits.nesting) {
      this.refuseFunction('nests too many blocks', this.limits.nesting);
    }
    const depth = ++this.depth;
    this.frameOpcode[depth] = opcode;
    this.frameStart[depth] = this.at;
    this.frameBase[depth] = this.height - params;
    this.frameParams[depth] = params;
    this.frameResults[depth] = results;
    this.frameReachable[depth] = 1;
  }

  /** Closes the innermost block. Its height is checked: an error of ours would show here. */
  private leave(): void {
    this.checkArm();
    const { depth } = this;
    const results = this.frameResults[depth];
    this.height = this.frameBase[depth] + results;
    if (this.frameOpcode[depth] === LOOP) {
      this.charge((this.at - this.frameStart[depth]) * LOOP_BYTE_WORK);
    }
    this.depth = depth - 1;
  }

  private checkArm(): void {
    const { depth } = this;
    const left = this.height - this.frameBase[depth];
    const due = this.frameResults[depth];
    if (this.frameReachable[depth] === 1 && left !== due) {
      this.malformed(`a block of ${this.place()} leaves ${left} values, not ${due}`);
    }
  }

  /** From the arm of an `if` or `try` to the next, which begins with `params` values. */
  private nextArm(params: number): void {
    this.checkArm();
    const { depth } = this;
    this.height = this.frameBase[depth] + params;
    this.frameReachable[depth] = 1;
    this.chargeMerge();
  }

  private unreachable(): void {
    this.height = this.frameBase[this.depth];
    this.frameReachable[this.depth] = 0;
  }

  private branchTable(): void {
    const targets = this.u32();
    if (targets > this.limits.brTableTargets) {
      this.refuseFunction(`has a br_table of ${targets} targets`, this.limits.brTableTargets);
    }
    for (let i = 0; i <= targets; i++) this.u32();
    this.charge((targets + 1) * this.liveValues());
  }

  private catchClauses(): void {
    const clauses = this.count('catch clauses', 2, Infinity);
    for (let i = 0; i < clauses; i++) {
      const kind = this.byte();
      if (kind > 3) this.malformed(`${kind} is no kind of catch clause`);
      if (kind < 2) this.u32();
      this.u32();
      this.chargeMerge();
    }
  }

  private call(type: number): void {
    const params = this.layout.types.paramCounts[type];
    const results = this.layout.types.resultCounts[type];
    this.height += results - params;
    this.charge((params + results) * CALL_VALUE_WORK + this.liveValues() * CALL_LIVE_WORK);
  }

  private calledType(): number {
    const index = this.u32();
    const type = this.layout.functionTypes[index];
    return type ?? this.malformed(`there is no function ${index} to call`);
  }

  private indirectType(): number {
    const type = this.typeIndex();
    this.u32();
    return type;
  }

  private tagParams(): number {
    const index = this.u32();
    const type = this.layout.tagTypes[index];
    if (type === undefined) this.malformed(`there is no tag ${index}`);
    return this.layout.types.paramCounts[type];
  }

  private typeIndex(): number {
    const index = this.u32();
    if (index >= this.layout.types.length) this.malformed(`there is no type ${index}`);
    return index;
  }

  private liveValues(): number {
    return this.locals + (this.height > 0 ? this.height : 0);
  }

  private chargeMerge(): void {
    this.charge(this.liveValues());
  }

  private charge(work: number): void {
    this.work += work;
    this.functionWork += work;
    if (this.functionWork > this.limits.functionWork) {
      this.refuseFunction('takes too long to compile', this.limits.functionWork);
    }
    if (this.work > this.limits.moduleWork) {
      this.refuse('its functions together take too long to compile; make them smaller');
    }
  }

  private place(): string {
    return this.functionIndex < 0 ? 'an initial value' : `function ${this.functionIndex}`;
  }

  private refuseFunction(what: string, limit: number): never {
    this.refuse(`${this.place()} ${what}; the limit is ${limit}, so split the function up`);
  }
}
