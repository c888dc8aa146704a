;; B78: copies 32 MiB, again and again.
(module
  (memory (export "memory") 1024)
  (func (export "_start")
    (loop $again
      (memory.copy (i32.const 0) (i32.const 0x2000000) (i32.const 0x2000000))
      (br $again))))
