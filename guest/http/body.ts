/** Bodies of answers that are sent piece by piece, as the peer takes them. */

import { File } from '../fs/file';

/**
 * Where a body comes from: subclass it, and give it to `HttpResponse.stream`. The connection asks
 * for the next piece when the peer has taken the one before, so that no more than one is in memory.
 */
export abstract class HttpBody {
  /** How many bytes are still to be sent: the connection counts. */
  left: i64 = 0;

  /**
   * Writes the next bytes to `to`, from 1 to `length` of them; returns how many. With 0 or minus
   * an errno the connection is broken off: the answer has said how long it is.
   */
  abstract read(to: usize, length: i32): i32;

  /** Called once: when all is sent, or when nobody wants it any more. */
  close(): void {}
}

/** The body that a file is, from an offset on. It closes the file. */
export class FileBody extends HttpBody {
  private file: File;
  private offset: i64;

  constructor(file: File, offset: i64 = 0) {
    super();
    this.file = file;
    this.offset = offset;
  }

  read(to: usize, length: i32): i32 {
    const result = this.file.pread(to, length, this.offset);
    if (result > 0) this.offset += result;
    return result;
  }

  close(): void {
    this.file.close();
  }
}
