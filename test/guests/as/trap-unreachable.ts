/** Traps by itself. */

function reach(depth: i32): void {
  if (depth == 0) unreachable();
  reach(depth - 1);
}

reach(2);
