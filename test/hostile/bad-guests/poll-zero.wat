;; B75: poll_oneoff with no time to wait, again and again.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; One subscription: the monotonic clock, timeout 0.
  (data (i32.const 16) "\01")
  (func (export "_start")
    (loop $again
      (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
      (br $again))))
