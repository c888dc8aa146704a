;; B80: waits for a nanosecond, again and again.
(module
  (memory (export "memory") 1 1 shared)
  (func (export "_start")
    (loop $again
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1)))
      (br $again))))
