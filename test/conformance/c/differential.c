/*
 * Carries out scripts of calls on sockets, pipes, eventfds and epolls, and prints what each came
 * to. A script is read from standard input, one call a line: a word and up to five numbers. `end`
 * closes everything, and the next script begins.
 *
 * Descriptors are named by slot. What TCP brings is waited for after each call, so that the next
 * one finds the same state whatever the machine's load is; all else is at once.
 */
#include "observe.h"

enum { SLOTS = 10, PENDING_MAX = 4, NONE = -1 };
enum kind { FREE, LOCAL, FILE_LIKE, TCP, LISTENER };

struct slot {
  enum kind kind;
  int fd;
  /* Of TCP: the slot of the other end, or NONE when that is closed. */
  int peer;
  /* Bytes that were sent to it and not yet received. */
  int unread;
  /* Whether the other end has sent its FIN. */
  int finished;
  /* Whether it waits to be accepted by the listener `peer`. */
  int pending;
};

/* A connection that waits: its client, or NONE when that is closed; what the client sent. */
struct waiting {
  int client;
  int unread;
  int finished;
};

static struct slot slots[SLOTS];
static struct waiting queues[SLOTS][PENDING_MAX];
static int queued[SLOTS];

static int fd_of(int slot) { return slots[slot].kind == FREE ? -1 : slots[slot].fd; }

static void fill_slot(int slot, enum kind kind, int fd) {
  slots[slot] = (struct slot){.kind = kind, .fd = fd, .peer = NONE};
}

static void pause_ms(int ms) { poll(NULL, 0, ms); }

/* Waits until all that was sent to a slot is there. */
static void settle_bytes(int slot) {
  char bytes[4096];
  for (int tries = 0; tries < SETTLE_MS; tries++) {
    size_t wanted = (size_t)slots[slot].unread;
    if (wanted == 0) return;
    if (recv(slots[slot].fd, bytes, wanted, MSG_PEEK | MSG_DONTWAIT) >= (ssize_t)wanted) return;
    pause_ms(1);
  }
  printf("broken: bytes never came\n");
}

static void no_delay(int fd) {
  int on = 1;
  need("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

static struct waiting *waiting_of(int client) {
  int listener = slots[client].peer;
  for (int i = 0; i < queued[listener]; i++) {
    if (queues[listener][i].client == client) return &queues[listener][i];
  }
  return NULL;
}

static void do_pair(int one, int other, int type) {
  int ends[2];
  if (one == other || slots[one].kind != FREE || slots[other].kind != FREE) return;
  if (type == 3) need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  else if (type == 4) tcp_pair(ends);
  else new_pair(type == 0 ? SOCK_STREAM : type == 1 ? SOCK_SEQPACKET : SOCK_DGRAM, ends);
  enum kind kind = type == 3 ? FILE_LIKE : type == 4 ? TCP : LOCAL;
  fill_slot(one, kind, ends[0]);
  fill_slot(other, kind, ends[1]);
  if (kind != TCP) return;
  slots[one].peer = other;
  slots[other].peer = one;
  no_delay(ends[0]);
  no_delay(ends[1]);
}

static void do_connect(int slot, int listener) {
  if (slots[slot].kind != FREE || slots[listener].kind != LISTENER) return;
  if (queued[listener] == PENDING_MAX) return;
  int fd = new_socket(AF_INET, SOCK_STREAM);
  say("connect", connect_to(fd, name_of(slots[listener].fd)));
  no_delay(fd);
  settle(fd, EPOLLOUT);
  settle(slots[listener].fd, EPOLLIN);
  fill_slot(slot, TCP, fd);
  slots[slot].peer = listener;
  slots[slot].pending = 1;
  queues[listener][queued[listener]++] = (struct waiting){.client = slot};
}

static void do_accept(int slot, int listener) {
  if (slots[slot].kind != FREE) return;
  if (queued[listener] > 0) settle(slots[listener].fd, EPOLLIN);
  int fd = accept4(fd_of(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  say_whether("accept", fd);
  if (fd < 0) return;
  no_delay(fd);
  struct waiting first = queues[listener][0];
  queued[listener]--;
  memmove(queues[listener], queues[listener] + 1, sizeof first * (size_t)queued[listener]);
  fill_slot(slot, TCP, fd);
  slots[slot].peer = first.client;
  slots[slot].unread = first.unread;
  slots[slot].finished = first.finished;
  if (first.client != NONE) {
    slots[first.client].peer = slot;
    slots[first.client].pending = 0;
  }
  settle_bytes(slot);
  if (first.finished) settle(fd, EPOLLRDHUP);
}

/* What the other end of a TCP socket must come to see of its FIN. */
static void finish(int slot) {
  int peer = slots[slot].peer;
  if (slots[slot].pending) waiting_of(slot)->finished = 1;
  else if (peer != NONE) {
    slots[peer].finished = 1;
    settle(slots[peer].fd, EPOLLRDHUP);
  }
}

static void close_listener(int slot) {
  close(slots[slot].fd);
  for (int i = 0; i < queued[slot]; i++) {
    int client = queues[slot][i].client;
    if (client == NONE) continue;
    settle(slots[client].fd, 0);
    slots[client].pending = 0;
    slots[client].peer = NONE;
  }
  queued[slot] = 0;
}

static void close_tcp(int slot) {
  struct slot closed = slots[slot];
  close(closed.fd);
  if (closed.pending) {
    struct waiting *waiting = waiting_of(slot);
    waiting->client = NONE;
    waiting->finished = 1;
    return;
  }
  if (closed.peer == NONE) return;
  // Data that was never read makes a reset of the FIN, or follows it with one.
  if (closed.unread > 0) settle(slots[closed.peer].fd, 0);
  else settle(slots[closed.peer].fd, EPOLLRDHUP);
  slots[closed.peer].peer = NONE;
}

static void do_close(int slot) {
  enum kind kind = slots[slot].kind;
  if (kind == TCP) close_tcp(slot);
  else if (kind == LISTENER) close_listener(slot);
  else say("close", close(fd_of(slot)));
  slots[slot].kind = FREE;
}

static void settle_sent(int slot, int sent) {
  int peer = slots[slot].peer;
  if (slots[slot].pending) waiting_of(slot)->unread += sent;
  else if (peer == NONE) settle(slots[slot].fd, 0);
  else {
    slots[peer].unread += sent;
    settle_bytes(peer);
  }
}

/* Files are read and written in vectors, as WASI has it: nothing to do is then no error. */
static void do_send(int slot, int size, int flags) {
  char bytes[4096] = {1};
  struct iovec iovec = {.iov_base = bytes, .iov_len = (size_t)size};
  long long sent = slots[slot].kind == FILE_LIKE
                       ? writev(slots[slot].fd, &iovec, 1)
                       : send(fd_of(slot), bytes, (size_t)size,
                              MSG_NOSIGNAL | MSG_DONTWAIT | flags);
  say("send", sent);
  if (slots[slot].kind == TCP && sent > 0) settle_sent(slot, (int)sent);
}

static void do_recv(int slot, int size, int flags) {
  char bytes[4096];
  struct iovec iovec = {.iov_base = bytes, .iov_len = (size_t)size};
  long long got = slots[slot].kind == FILE_LIKE
                      ? readv(slots[slot].fd, &iovec, 1)
                      : recv(fd_of(slot), bytes, (size_t)size, MSG_DONTWAIT | flags);
  say("recv", got);
  if (got > 0 && (flags & MSG_PEEK) == 0) slots[slot].unread -= (int)got;
}

/* Fills what a local peer has not read, or empties what it has sent. */
static void do_all(int slot, int drain) {
  static char bytes[4096];
  enum kind kind = slots[slot].kind;
  if (kind != LOCAL && kind != FILE_LIKE) return;
  int fd = slots[slot].fd;
  long long n = 1;
  for (int i = 0; i < 1000 && n > 0; i++) {
    if (kind == FILE_LIKE) n = drain ? read(fd, bytes, 4096) : write(fd, bytes, 4096);
    else if (drain) n = recv(fd, bytes, 4096, MSG_DONTWAIT);
    else n = send(fd, bytes, 4096, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  say(drain ? "drain" : "fill", n);
}

static void do_shutdown(int slot, int how) {
  if (slots[slot].kind == TCP) how = SHUT_WR;
  if (slots[slot].kind == LISTENER) return;
  int result = shutdown(fd_of(slot), how);
  say("shutdown", result);
  if (result == 0 && slots[slot].kind == TCP) finish(slot);
}

static void do_wait(int slot, int maxevents) {
  struct epoll_event events[BATCH];
  int n = epoll_wait(fd_of(slot), events, maxevents, 0);
  if (n < 0) {
    say("wait", n);
    return;
  }
  printf("wait: n=%d", n);
  for (int i = 0; i < n; i++) {
    printf(" %llx=", (unsigned long long)events[i].data.u64);
    print_events(events[i].events);
  }
  printf("\n");
}

static void do_error(int slot) {
  int error = 0;
  socklen_t length = sizeof error;
  int result = getsockopt(fd_of(slot), SOL_SOCKET, SO_ERROR, &error, &length);
  if (result < 0) say("error", result);
  else printf("error: %s\n", error == 0 ? "none" : errno_name(error));
}

static void do_create(int slot, const char *what, int count) {
  if (slots[slot].kind != FREE) return;
  if (strcmp(what, "epoll") == 0) fill_slot(slot, FILE_LIKE, new_epoll());
  else if (strcmp(what, "listen") == 0) fill_slot(slot, LISTENER, new_listener(8));
  else fill_slot(slot, FILE_LIKE, new_event((unsigned)count));
}

static void close_all(void) {
  for (int slot = 0; slot < SLOTS; slot++) {
    if (slots[slot].kind != FREE) close(slots[slot].fd);
    slots[slot].kind = FREE;
    queued[slot] = 0;
  }
}

static void carry_out(const char *word, const unsigned *numbers) {
  int slot = (int)numbers[0] % SLOTS;
  int other = (int)numbers[1] % SLOTS;
  if (strcmp(word, "pair") == 0) do_pair(slot, other, (int)numbers[2]);
  else if (strcmp(word, "connect") == 0) do_connect(slot, other);
  else if (strcmp(word, "accept") == 0) do_accept(slot, other);
  else if (strcmp(word, "ctl") == 0) {
    int fd = fd_of(other);
    say("ctl", control(fd_of(slot), (int)numbers[2], fd, numbers[3], numbers[4]));
  } else if (strcmp(word, "wait") == 0) do_wait(slot, (int)numbers[1]);
  else if (strcmp(word, "send") == 0) do_send(slot, (int)numbers[1], (int)numbers[2]);
  else if (strcmp(word, "recv") == 0) do_recv(slot, (int)numbers[1], (int)numbers[2]);
  else if (strcmp(word, "fill") == 0) do_all(slot, 0);
  else if (strcmp(word, "drain") == 0) do_all(slot, 1);
  else if (strcmp(word, "shutdown") == 0) do_shutdown(slot, (int)numbers[1]);
  else if (strcmp(word, "close") == 0) do_close(slot);
  else if (strcmp(word, "error") == 0) do_error(slot);
  else if (strcmp(word, "ready") == 0 && slots[slot].kind != FREE) say_ready("ready", fd_of(slot));
  else do_create(slot, word, (int)numbers[1]);
}

int main(void) {
  char line[128];
#ifndef __wasi__
  signal(SIGPIPE, SIG_IGN);
#endif
  while (fgets(line, sizeof line, stdin) != NULL) {
    char word[16];
    unsigned numbers[5] = {0};
    if (sscanf(line, "%15s %u %u %u %u %u", word, &numbers[0], &numbers[1], &numbers[2],
               &numbers[3], &numbers[4]) < 1)
      continue;
    printf("%s", line);
    if (strcmp(word, "end") == 0) close_all();
    else carry_out(word, numbers);
  }
  return 0;
}
