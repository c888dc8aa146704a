;; B78: fills a table of as many elements as there may be, again and again.
(module
  (memory (export "memory") 1)
  (table $table 100000 funcref)
  (func (export "_start")
    (loop $again
      (table.fill $table (i32.const 0) (ref.null func) (i32.const 100000))
      (br $again))))
