;; B75: epoll_wait with no time to wait, again and again.
(module
  (import "sandpoll" "epoll_create1" (func $epoll_create1 (param i32 i32) (result i32)))
  (import "sandpoll" "epoll_wait" (func $epoll_wait (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $epoll_create1 (i32.const 0) (i32.const 0)))
    (loop $again
      (drop (call $epoll_wait
        (i32.load (i32.const 0)) (i32.const 64) (i32.const 8) (i32.const 0) (i32.const 4)))
      (br $again))))
