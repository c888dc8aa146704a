// The yardstick of the pipeline: one I/O thread with epoll(7), THREADS processing threads, and
// between them a queue under a mutex each way, whose answers wake the I/O thread by an eventfd.
//
//   pipeline [THREADS] [ROUNDS] [PORT]
//
// As in examples/tutorial-pipeline a job is the whole lines of one recv(2), up to 4096 bytes, and
// the answers of a connection leave in the order of its lines.
#include "connection.h"
#include "pipeline_work.h"

#include <pthread.h>
#include <sys/eventfd.h>

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define JOB_BYTES 4096
#define JOB_LINES 64
#define WINDOW 16

// Lines on their way out, or their answers on their way back.
struct job {
  struct job *next;
  struct connection *connection;
  uint32_t sequence;
  size_t bytes;
  char *text;
};

struct queue {
  pthread_mutex_t mutex;
  pthread_cond_t filled;
  struct job *first;
  struct job **last;
};

// The state of one connection, which lives until its last job is back.
struct lines {
  bool closed;
  bool ended;  // the peer has ended its side
  uint32_t head;
  uint32_t next;
  int under_way;  // jobs that the processing threads have
  struct job *early[WINDOW];
  size_t kept_bytes;
  char kept[BUFFER_BYTES + JOB_BYTES];
};

static struct queue requests = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL};
static struct queue answers = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL};
static int answered;
static int rounds = 1;

// Appends a job; whether there was none before.
static bool push(struct queue *queue, struct job *job) {
  job->next = NULL;
  pthread_mutex_lock(&queue->mutex);
  bool was_empty = queue->first == NULL;
  *(was_empty ? &queue->first : queue->last) = job;
  queue->last = &job->next;
  pthread_mutex_unlock(&queue->mutex);
  return was_empty;
}

static void free_job(struct job *job) {
  free(job->text);
  free(job);
}

// Replaces the lines of a job by their answers.
static void work(struct job *job) {
  char *out = malloc(job->bytes + JOB_LINES * WORK_EXTRA_BYTES);
  if (!out) die("malloc");
  char *end = job->text + job->bytes;
  size_t bytes = 0;
  for (char *line = job->text; line < end;) {
    char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t n = (size_t)(newline - line);
    if (n > 0 && line[n - 1] == '\r') n--;
    bytes += work_answer(line, n, rounds, out + bytes);
    line = newline + 1;
  }
  free(job->text);
  job->text = out;
  job->bytes = bytes;
}

static void *process(void *unused) {
  (void)unused;
  for (;;) {
    pthread_mutex_lock(&requests.mutex);
    while (!requests.first) pthread_cond_wait(&requests.filled, &requests.mutex);
    struct job *job = requests.first;
    requests.first = job->next;
    pthread_mutex_unlock(&requests.mutex);
    work(job);
    uint64_t one = 1;
    if (push(&answers, job) && write(answered, &one, sizeof one) < 0) die("write");
  }
  return NULL;
}

static void close_connection(struct connection *connection) {
  struct lines *lines = connection->protocol;
  if (!lines->closed) close(connection->fd);
  lines->closed = true;
  if (lines->under_way > 0) return;
  for (int i = 0; i < WINDOW; i++) {
    if (lines->early[i]) free_job(lines->early[i]);
  }
  free(connection->out);
  free(lines);
  free(connection);
}

// The length of the whole lines at the start, as many as a job holds; 0 if none is whole.
static size_t job_length(const char *data, size_t n) {
  size_t limit = n < JOB_BYTES ? n : JOB_BYTES;
  size_t whole = 0;
  for (int count = 0; count < JOB_LINES; count++) {
    const char *newline = memchr(data + whole, '\n', limit - whole);
    if (!newline) return whole;
    whole = (size_t)(newline - data) + 1;
  }
  return whole;
}

// Gives the whole lines to the processing threads. False for a line that is too long.
static bool submit(struct connection *connection) {
  struct lines *lines = connection->protocol;
  size_t at = 0;
  while (lines->next - lines->head < WINDOW) {
    size_t n = job_length(lines->kept + at, lines->kept_bytes - at);
    if (n == 0) {
      if (lines->kept_bytes - at >= JOB_BYTES) return false;
      break;
    }
    struct job *job = malloc(sizeof *job);
    char *text = malloc(n);
    if (!job || !text) die("malloc");
    memcpy(text, lines->kept + at, n);
    *job = (struct job){NULL, connection, lines->next++, n, text};
    lines->under_way++;
    push(&requests, job);
    pthread_cond_signal(&requests.filled);
    at += n;
  }
  memmove(lines->kept, lines->kept + at, lines->kept_bytes - at);
  lines->kept_bytes -= at;
  return true;
}

// Watches for what can go on: sending what is kept, or receiving into an inbox with room.
static void watch_again(int epoll, struct connection *connection) {
  struct lines *lines = connection->protocol;
  bool full = lines->next - lines->head == WINDOW || lines->kept_bytes > BUFFER_BYTES / 2;
  uint32_t wanted = connection->out ? EPOLLOUT : full || lines->ended ? 0 : EPOLLIN;
  if (wanted != connection->events) watch(epoll, connection, EPOLL_CTL_MOD, wanted);
}

// Sends an answer and those behind it that came early, unless the client must read first.
static bool send_answers(struct connection *connection) {
  struct lines *lines = connection->protocol;
  while (!connection->out && lines->early[lines->head % WINDOW]) {
    struct job *job = lines->early[lines->head % WINDOW];
    lines->early[lines->head++ % WINDOW] = NULL;
    bool sent = send_or_keep(connection, (uint8_t *)job->text, job->bytes);
    free_job(job);
    if (!sent) return false;
  }
  return submit(connection) && !(lines->ended && lines->head == lines->next && !connection->out);
}

static void take_answers(int epoll) {
  uint64_t count;
  if (read(answered, &count, sizeof count) < 0 && errno != EAGAIN) die("read");
  pthread_mutex_lock(&answers.mutex);
  struct job *job = answers.first;
  answers.first = NULL;
  pthread_mutex_unlock(&answers.mutex);
  for (struct job *next; job; job = next) {
    next = job->next;
    struct connection *connection = job->connection;
    struct lines *lines = connection->protocol;
    lines->under_way--;
    if (lines->closed) {
      free_job(job);
      close_connection(connection);
      continue;
    }
    lines->early[job->sequence % WINDOW] = job;
    if (send_answers(connection)) watch_again(epoll, connection);
    else close_connection(connection);
  }
}

// False when the connection is over.
static bool on_event(struct connection *connection) {
  struct lines *lines = connection->protocol;
  if (connection->out) {
    return flush_kept(connection) && (connection->out || send_answers(connection));
  }
  if (!(connection->events & EPOLLIN)) return false;
  size_t room = sizeof lines->kept - lines->kept_bytes;
  ssize_t n = recv(connection->fd, lines->kept + lines->kept_bytes, room, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  lines->ended = n == 0;
  lines->kept_bytes += (size_t)n;
  return submit(connection) && !(lines->ended && lines->head == lines->next);
}

static void start_threads(int count) {
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, process, NULL);
    if (errno != 0) die("pthread_create");
  }
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  rounds = argc > 2 ? atoi(argv[2]) : 1;
  raise_nofile();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  answered = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll < 0 || answered < 0) die("epoll_create1 and eventfd");
  start_threads(threads);
  int listener = listen_loopback((uint16_t)(argc > 3 ? atoi(argv[3]) : 0));
  struct epoll_event accepts = {.events = EPOLLIN, .data.ptr = NULL};
  struct epoll_event wakes = {.events = EPOLLIN, .data.ptr = &answers};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepts) < 0) die("epoll_ctl");
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, answered, &wakes) < 0) die("epoll_ctl");
  static struct epoll_event ready[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    bool woken = false;
    for (int i = 0; i < count; i++) {
      void *owner = ready[i].data.ptr;
      if (!owner) accept_all(epoll, listener, EPOLLIN, sizeof(struct lines));
      else if (owner == &answers) woken = true;
      else if (on_event(owner)) watch_again(epoll, owner);
      else close_connection(owner);
    }
    // Last: an answer can end a connection, whose event would still be in the list.
    if (woken) take_answers(epoll);
  }
}
