;; B76: takes all the memory that there is, writes to every page of it, and asks for more.
(module
  (memory (export "memory") 1)
  (func (export "_start") (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))))
      (br $again))))
