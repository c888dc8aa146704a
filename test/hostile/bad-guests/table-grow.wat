;; B76: takes all the elements that a table may have, and asks for more.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func (export "_start")
    (loop $again
      (drop (table.grow $table (ref.null func) (i32.const 1000)))
      (br $again))))
