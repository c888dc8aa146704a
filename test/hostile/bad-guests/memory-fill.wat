;; B78: fills a megabyte, again and again.
(module
  (memory (export "memory") 16)
  (func (export "_start")
    (loop $again
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x100000))
      (br $again))))
