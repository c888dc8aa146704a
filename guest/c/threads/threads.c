// Threads over wasi-threads: a new instance of the module for each, over the one memory.
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define THREADS_MAX 16
#define STACK_BYTES 65536
#define TLS_BYTES 1024

// What a `pthread_t` points to. `wasi_thread_start` below knows where the first three are.
struct __pthread {
  uint8_t *stack_end;
  void *locals;
  int ended;  // set when the last instruction on its stack has run
  int used;
  void *(*start)(void *);
  void *arg;
  void *result;
};

_Static_assert(offsetof(struct __pthread, locals) == 4, "wasi_thread_start");
_Static_assert(offsetof(struct __pthread, ended) == 8, "wasi_thread_start");

static struct __pthread threads[THREADS_MAX];
static uint8_t stacks[THREADS_MAX][STACK_BYTES] __attribute__((aligned(16)));
static uint8_t locals[THREADS_MAX][TLS_BYTES] __attribute__((aligned(16)));

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int wasi_thread_spawn(
    pthread_t thread);

// A new instance has the stack pointer of the first thread: its own comes before any C.
__asm__(
    ".globaltype __stack_pointer, i32\n"
    ".functype __wasm_init_tls (i32) -> ()\n"
    ".functype run_thread (i32) -> ()\n"
    ".globl wasi_thread_start\n"
    ".export_name wasi_thread_start, wasi_thread_start\n"
    "wasi_thread_start:\n"
    "  .functype wasi_thread_start (i32, i32) -> ()\n"
    "  local.get 1\n"
    "  i32.load 0\n"
    "  global.set __stack_pointer\n"
    "  local.get 1\n"
    "  i32.load 4\n"
    "  call __wasm_init_tls\n"
    "  local.get 1\n"
    "  call run_thread\n"
    "  local.get 1\n"
    "  i32.const 1\n"
    "  i32.atomic.store 8\n"
    "  local.get 1\n"
    "  i32.const -1\n"
    "  memory.atomic.notify 8\n"
    "  drop\n"
    "  end_function\n");

__attribute__((used)) void run_thread(pthread_t thread) {
  thread->result = thread->start(thread->arg);
}

// Until somebody wakes it; not at all if the word has another value.
static void wait_while(int *word, int value) {
  __builtin_wasm_memory_atomic_wait32(word, value, -1);
}

static void wake(int *word, unsigned count) { __builtin_wasm_memory_atomic_notify(word, count); }

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
  if (attr != NULL || __builtin_wasm_tls_size() > TLS_BYTES) return ENOTSUP;
  for (unsigned at = 0; at < THREADS_MAX; at++) {
    pthread_t thread = &threads[at];
    if (__atomic_exchange_n(&thread->used, 1, __ATOMIC_SEQ_CST) != 0) continue;
    *thread = (struct __pthread){stacks[at] + STACK_BYTES, locals[at], 0, 1, start, arg, NULL};
    if (wasi_thread_spawn(thread) > 0) {
      *id = thread;
      return 0;
    }
    __atomic_store_n(&thread->used, 0, __ATOMIC_SEQ_CST);
    break;
  }
  return EAGAIN;
}

int pthread_join(pthread_t thread, void **result) {
  while (__atomic_load_n(&thread->ended, __ATOMIC_SEQ_CST) == 0) wait_while(&thread->ended, 0);
  if (result != NULL) *result = thread->result;
  __atomic_store_n(&thread->used, 0, __ATOMIC_SEQ_CST);
  return 0;
}

// 0 free, 1 locked, 2 locked and perhaps waited for.
static int *state_of(pthread_mutex_t *mutex) { return &mutex->__u.__i[0]; }

int pthread_mutex_lock(pthread_mutex_t *mutex) {
  int *state = state_of(mutex);
  int before = 0;
  if (__atomic_compare_exchange_n(state, &before, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    return 0;
  // Whoever has waited cannot know that nobody else does.
  while (__atomic_exchange_n(state, 2, __ATOMIC_SEQ_CST) != 0) wait_while(state, 2);
  return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
  int *state = state_of(mutex);
  if (__atomic_exchange_n(state, 0, __ATOMIC_SEQ_CST) == 2) wake(state, 1);
  return 0;
}

// Counts the signals: one that comes between unlocking and waiting is not lost.
static int *signals_of(pthread_cond_t *cond) { return &cond->__u.__i[0]; }

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
  int *signals = signals_of(cond);
  int before = __atomic_load_n(signals, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(mutex);
  wait_while(signals, before);
  return pthread_mutex_lock(mutex);
}

static int tell(pthread_cond_t *cond, unsigned count) {
  int *signals = signals_of(cond);
  __atomic_fetch_add(signals, 1, __ATOMIC_SEQ_CST);
  wake(signals, count);
  return 0;
}

int pthread_cond_signal(pthread_cond_t *cond) { return tell(cond, 1); }

int pthread_cond_broadcast(pthread_cond_t *cond) { return tell(cond, ~0u); }
