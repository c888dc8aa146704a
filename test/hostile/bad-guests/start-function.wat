;; B77: its start function never returns.
(module
  (memory (export "memory") 1)
  (func $for_ever (loop $again (br $again)))
  (start $for_ever)
  (func (export "_start")))
