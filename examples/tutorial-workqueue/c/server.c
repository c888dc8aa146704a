// The second tutorial's server: one thread waits at an epoll and puts what is ready on a queue,
// others take it from there. An ordinary program for Linux; the same source is a guest.
//
//   server WORKERS [PORT]
//
// It answers each line with its number in the connection and its CRC-32: "1 3610a686". Every
// connection is armed with EPOLLONESHOT, so that whoever took it from the queue has it for itself
// until it is armed again, by MOD. Sockets never block.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define CONNECTIONS_MAX 256
#define EVENTS_MAX 64
#define BACKLOG 1024
#define INPUT_BYTES 1024
// The longest answer, "4294967295 ffffffff\n", for each byte if all are newlines.
#define ANSWER_BYTES 20
#define OUTPUT_BYTES (INPUT_BYTES * ANSWER_BYTES)

struct connection {
  int fd;
  int owned;  // 1 from the queue to the arming: never twice
  uint32_t sum;
  uint32_t lines;
  bool ended;  // it has sent FIN
  size_t unsent_at;
  size_t unsent_end;
  char unsent[OUTPUT_BYTES];
  struct connection *next_free;
};

static int epoll = -1;
static int listener = -1;
static uint32_t table[256];
static struct connection connections[CONNECTIONS_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct connection *unused;
// A connection waits here once at most: it is not armed meanwhile.
static struct connection *queue[CONNECTIONS_MAX];
static unsigned queued_at;
static unsigned queued;

static void say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) abort();
}

static void die(const char *what) {
  say("server: ");
  say(what);
  say(" failed\n");
  exit(1);
}

static size_t write_decimal(char *to, uint32_t value) {
  char digits[10];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (size_t i = 0; i < count; i++) to[i] = digits[count - 1 - i];
  return count;
}

static void fill_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
    table[i] = value;
  }
}

// The answer to the line that has just ended.
static void answer(struct connection *connection) {
  char *to = connection->unsent + connection->unsent_end;
  size_t bytes = write_decimal(to, ++connection->lines);
  to[bytes++] = ' ';
  for (int shift = 28; shift >= 0; shift -= 4)
    to[bytes++] = "0123456789abcdef"[connection->sum >> shift & 15];
  to[bytes++] = '\n';
  connection->unsent_end += bytes;
  connection->sum = 0;
}

static void take(struct connection *connection, const uint8_t *input, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    uint32_t sum = ~connection->sum;
    if (input[i] == '\n')
      answer(connection);
    else
      connection->sum = ~(table[(sum ^ input[i]) & 255] ^ sum >> 8);
  }
}

// Sends what is unsent, as far as there is room: false if the connection is broken.
static bool flush(struct connection *connection) {
  while (connection->unsent_at < connection->unsent_end) {
    ssize_t n = send(connection->fd, connection->unsent + connection->unsent_at,
                     connection->unsent_end - connection->unsent_at, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    connection->unsent_at += (size_t)n;
  }
  connection->unsent_at = connection->unsent_end = 0;
  return true;
}

// Does all there is to do, and returns what to wait for next; 0 if it is over. What to wait for
// follows from the connection's state, never from the event: so no direction is forgotten.
static uint32_t serve(struct connection *connection) {
  uint8_t input[INPUT_BYTES];
  for (;;) {
    if (!flush(connection)) return 0;
    if (connection->unsent_end > 0) return EPOLLOUT;
    if (connection->ended) return 0;
    ssize_t n = recv(connection->fd, input, sizeof input, 0);
    if (n < 0) return errno == EAGAIN ? EPOLLIN | EPOLLRDHUP : 0;
    if (n == 0) connection->ended = true;
    take(connection, input, (size_t)n);
  }
}

static void release(struct connection *connection) {
  close(connection->fd);
  pthread_mutex_lock(&lock);
  connection->next_free = unused;
  unused = connection;
  pthread_mutex_unlock(&lock);
}

static struct connection *pop(void) {
  pthread_mutex_lock(&lock);
  while (queued == 0) pthread_cond_wait(&more, &lock);
  struct connection *connection = queue[queued_at];
  queued_at = (queued_at + 1) % CONNECTIONS_MAX;
  queued--;
  pthread_mutex_unlock(&lock);
  return connection;
}

static void push(struct connection *connection) {
  pthread_mutex_lock(&lock);
  queue[(queued_at + queued++) % CONNECTIONS_MAX] = connection;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
}

static void *work(void *unused_argument) {
  (void)unused_argument;
  for (;;) {
    struct connection *connection = pop();
    // If two threads ever had one connection, the program would end here.
    if (__atomic_exchange_n(&connection->owned, 1, __ATOMIC_SEQ_CST) != 0) abort();
    struct epoll_event event = {.events = serve(connection), .data.ptr = connection};
    __atomic_store_n(&connection->owned, 0, __ATOMIC_SEQ_CST);
    if (event.events == 0) {
      release(connection);
      continue;
    }
    // Whatever came since it fired, an RST among it, is reported as soon as this is done.
    event.events |= EPOLLONESHOT;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event) < 0) die("epoll_ctl");
  }
  return NULL;
}

static void admit(int fd) {
  pthread_mutex_lock(&lock);
  struct connection *connection = unused;
  if (connection != NULL) unused = connection->next_free;
  pthread_mutex_unlock(&lock);
  if (connection == NULL) {
    close(fd);
    return;
  }
  connection->fd = fd;
  connection->sum = connection->lines = 0;
  connection->unsent_at = connection->unsent_end = 0;
  connection->ended = false;
  struct epoll_event event = {EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, {.ptr = connection}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd >= 0) {
      admit(fd);
      continue;
    }
    // Of a connection that broke before it was accepted nothing is left to do.
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno != EAGAIN) die("accept4");
    return;
  }
}

static void open_listener(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t bytes = sizeof address;
  address.sin_addr.s_addr = 0x0100007f;
  address.sin_port = (uint16_t)(port >> 8 | port << 8);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &bytes) < 0) die("getsockname");
  port = (uint16_t)(address.sin_port >> 8 | address.sin_port << 8);
  char line[64] = "listening on tcp://127.0.0.1:";
  size_t at = strlen(line);
  at += write_decimal(line + at, port);
  line[at++] = '\n';
  line[at] = '\0';
  say(line);
}

// A decimal number up to `max`, or −1.
static int number(const char *text, int max) {
  int value = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -1;
    value = value * 10 + (*text - '0');
    if (value > max) return -1;
  }
  return value;
}

int main(int argc, char **argv) {
  int workers = argc < 2 || argc > 3 ? -1 : number(argv[1], WORKERS_MAX);
  int port = argc == 3 ? number(argv[2], 65535) : 0;
  if (workers < 1 || port < 0) {
    say("usage: server WORKERS [PORT]\n");
    return 2;
  }
  fill_table();
  for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
    connections[i].next_free = unused;
    unused = &connections[i];
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  open_listener((uint16_t)port);
  struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
  for (int i = 0; i < workers; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) != 0) die("pthread_create");
  }
  struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == NULL)
        accept_all();
      else
        push(events[i].data.ptr);
    }
  }
}
