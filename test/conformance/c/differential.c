/*
 * Carries out scripts of calls on sockets, pipes, eventfds, timers and epolls, and prints what each
 * came to. A script is read from standard input, one call a line: a word and up to five numbers.
 * `end` closes everything, and the next script begins.
 *
 * Descriptors are named by slot. What TCP, UDP and timers bring is waited for after each call, so
 * that the next one finds the same state whatever the machine's load is; all else is at once.
 */
#include "slots.h"

static void no_delay(int fd) {
  int on = 1;
  need("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

/* Two UDP sockets that are connected to each other. */
static void udp_pair(int ends[2]) {
  for (int i = 0; i < 2; i++) ends[i] = bound(SOCK_DGRAM);
  for (int i = 0; i < 2; i++) need("connect", connect_to(ends[i], name_of(ends[1 - i])));
}

/* What the types of pairs are, by number. */
static const enum kind KINDS[] = {LOCAL, LOCAL, LOCAL, FILE_LIKE, TCP, UDP};
static const int TYPES[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

static void do_pair(int one, int other, int type) {
  int ends[2];
  if (one == other || slots[one].kind != FREE || slots[other].kind != FREE) return;
  enum kind kind = KINDS[type];
  if (kind == FILE_LIKE) need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  else if (kind == TCP) tcp_pair(ends);
  else if (kind == UDP) udp_pair(ends);
  else new_pair(TYPES[type], ends);
  for (int i = 0; i < 2; i++) {
    int slot = i == 0 ? one : other;
    fill_slot(slot, kind, ends[i]);
    slots[slot].peer = i == 0 ? other : one;
    slots[slot].connected = 1;
    if (kind == TCP) no_delay(ends[i]);
  }
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

/*
 * The second end of a connection goes with a reset, which nobody sees. Two FINs would leave the
 * port in TIME_WAIT for a minute, and some 20,000 scripts later every bind() and connect() would
 * search long for a free one.
 */
static void close_tcp(int slot) {
  struct slot closed = slots[slot];
  if (!closed.pending && closed.peer == NONE) {
    reset(closed.fd);
    return;
  }
  close(closed.fd);
  if (closed.pending) {
    struct waiting *waiting = waiting_of(slot);
    waiting->client = NONE;
    waiting->finished = 1;
    return;
  }
  // Data that was never read makes a reset of the FIN, or follows it with one.
  if (closed.unread > 0) settle(slots[closed.peer].fd, 0);
  else settle(slots[closed.peer].fd, EPOLLRDHUP);
  slots[closed.peer].peer = NONE;
}

static void do_close(int slot) {
  enum kind kind = slots[slot].kind;
  int peer = slots[slot].peer;
  if (kind == TCP) close_tcp(slot);
  else if (kind == LISTENER) close_listener(slot);
  else say("close", close(fd_of(slot)));
  if (kind == UDP && peer != NONE) slots[peer].peer = NONE;
  slots[slot].kind = FREE;
}

/* Closes with a reset. */
static void do_reset(int slot) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  say("linger", setsockopt(fd_of(slot), SOL_SOCKET, SO_LINGER, &now, sizeof now));
  if (slots[slot].kind == TCP) do_close(slot);
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

/* One byte out of band: the first to that end, and at the front, so that it hides no others. */
static void send_urgent(int slot) {
  int peer = slots[slot].peer;
  if (slots[slot].pending || peer == NONE || slots[peer].unread > 0 || slots[peer].urgent) return;
  long long sent = send(slots[slot].fd, "!", 1, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_OOB);
  say("urgent", sent);
  if (sent < 0) return;
  slots[peer].urgent = 1;
  settle(slots[peer].fd, EPOLLPRI);
}

/* Sends a datagram, from any kind of descriptor, where `target` is: to it, if it takes it. */
static void send_datagram(int slot, int target, int size, int flags) {
  char bytes[4096] = {1};
  if (target == NONE) {
    long long sent = send(slots[slot].fd, bytes, (size_t)size, MSG_DONTWAIT | flags);
    say("send", sent);
    if (sent >= 0) settle(slots[slot].fd, 0);
    return;
  }
  if (slots[target].kind != UDP || slots[target].unread > 0) return;
  struct sockaddr_in address = name_of(slots[target].fd);
  int named = slots[slot].kind != UDP || slots[slot].peer != target;
  long long sent = sendto(fd_of(slot), bytes, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT | flags,
                          named ? (struct sockaddr *)&address : NULL, named ? sizeof address : 0);
  say("send", sent);
  if (sent < 0 || slots[slot].kind != UDP) return;
  if (slots[target].connected && slots[target].peer != slot) return;
  slots[target].unread = 1;
  settle_bytes(target);
}

/* Sends or receives as a message of two halves, and prints what else the message tells. */
static long long as_message(int fd, char *bytes, int size, int flags, int receive) {
  size_t half = (size_t)size / 2;
  struct iovec halves[] = {{bytes, half}, {bytes + half, (size_t)size - half}};
  struct msghdr message = {.msg_iov = halves, .msg_iovlen = 2};
  if (!receive) return sendmsg(fd, &message, flags);
  long long got = recvmsg(fd, &message, flags);
  if (got >= 0) printf("flags: %x\n", (unsigned)message.msg_flags);
  return got;
}

/* Files are read and written in vectors, as WASI has it: nothing to do is then no error. */
static void do_send(int slot, int size, int flags, int message) {
  char bytes[4096] = {1};
  struct iovec iovec = {.iov_base = bytes, .iov_len = (size_t)size};
  if (slots[slot].kind == UDP && slots[slot].connected) {
    send_datagram(slot, slots[slot].peer, size, flags);
    return;
  }
  if (slots[slot].kind == TCP && (flags & MSG_OOB) != 0) {
    send_urgent(slot);
    return;
  }
  int all = MSG_NOSIGNAL | MSG_DONTWAIT | flags;
  long long sent;
  if (slots[slot].kind == FILE_LIKE) sent = writev(slots[slot].fd, &iovec, 1);
  else if (message) sent = as_message(fd_of(slot), bytes, size, all, 0);
  else sent = send(fd_of(slot), bytes, (size_t)size, all);
  say("send", sent);
  if (slots[slot].kind == TCP && sent > 0) settle_sent(slot, (int)sent);
}

static void do_recv(int slot, int size, int flags, int message) {
  char bytes[4096] = {0};
  struct iovec iovec = {.iov_base = bytes, .iov_len = (size_t)size};
  int all = MSG_DONTWAIT | flags;
  long long got;
  if (slots[slot].kind == FILE_LIKE) got = readv(slots[slot].fd, &iovec, 1);
  else if (message) got = as_message(fd_of(slot), bytes, size, all, 1);
  else got = recv(fd_of(slot), bytes, (size_t)size, all);
  say("recv", got);
  if (got == 8) printf("value: %llu\n", *(unsigned long long *)bytes);
  if (got < 0 || (flags & (MSG_PEEK | MSG_OOB)) != 0) return;
  slots[slot].unread = slots[slot].kind == UDP ? 0 : slots[slot].unread - (int)got;
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

/* Which of two errors a wait for no events on no descriptor has, depends on Linux's version. */
static void do_wait(int slot, int maxevents) {
  if (maxevents == 0 && slots[slot].kind == FREE) return;
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

/* What a socket says of itself. */
static void do_describe(int slot) {
  static const int options[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_OOBINLINE};
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  for (int i = 0; i < COUNT(options); i++) {
    int value = 0;
    socklen_t size = sizeof value;
    int result = getsockopt(fd_of(slot), SOL_SOCKET, options[i], &value, &size);
    say("option", result < 0 ? result : value);
  }
  say("getpeername", getpeername(fd_of(slot), (struct sockaddr *)&address, &length));
}

/* Sets a timer: never, so soon that it is waited for, in an hour, or at a time long gone. */
static void do_set(int slot, int how) {
  struct itimerspec when = {0};
  if (how == 2) when.it_value.tv_sec = 3600;
  else if (how > 0) when.it_value.tv_nsec = 1;
  int result = timerfd_settime(fd_of(slot), how == 3 ? TFD_TIMER_ABSTIME : 0, &when, NULL);
  say("set", result);
  if (result == 0 && (how & 1) == 1) settle(slots[slot].fd, EPOLLIN);
}

static void do_create(int slot, const char *what, int count, int semaphore) {
  if (slots[slot].kind != FREE) return;
  int flags = EFD_NONBLOCK | EFD_CLOEXEC | (semaphore ? EFD_SEMAPHORE : 0);
  if (strcmp(what, "epoll") == 0) fill_slot(slot, FILE_LIKE, new_epoll());
  else if (strcmp(what, "listen") == 0) fill_slot(slot, LISTENER, new_listener(8));
  else if (strcmp(what, "udp") == 0) fill_slot(slot, UDP, bound(SOCK_DGRAM));
  else if (strcmp(what, "timer") == 0) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    fill_slot(slot, FILE_LIKE, need("timerfd_create", fd));
  } else fill_slot(slot, FILE_LIKE, need("eventfd", eventfd((unsigned)count, flags)));
}

static void close_all(void) {
  for (int slot = 0; slot < SLOTS; slot++) {
    if (slots[slot].kind == TCP) reset(slots[slot].fd);
    else if (slots[slot].kind != FREE) close(slots[slot].fd);
    slots[slot].kind = FREE;
    queued[slot] = 0;
  }
}

static void carry_out(const char *word, const unsigned *numbers) {
  int slot = (int)numbers[0] % SLOTS;
  int other = (int)numbers[1] % SLOTS;
  int n[] = {(int)numbers[1], (int)numbers[2], (int)numbers[3]};
  if (strcmp(word, "pair") == 0) do_pair(slot, other, n[1]);
  else if (strcmp(word, "connect") == 0) do_connect(slot, other);
  else if (strcmp(word, "accept") == 0) do_accept(slot, other);
  else if (strcmp(word, "ctl") == 0) {
    int fd = fd_of(other);
    say("ctl", control(fd_of(slot), (int)numbers[2], fd, numbers[3], numbers[4]));
  } else if (strcmp(word, "wait") == 0) do_wait(slot, n[0]);
  else if (strcmp(word, "send") == 0) do_send(slot, n[0], n[1], n[2]);
  else if (strcmp(word, "sendto") == 0) send_datagram(slot, other, n[1], 0);
  else if (strcmp(word, "recv") == 0) do_recv(slot, n[0], n[1], n[2]);
  else if (strcmp(word, "fill") == 0) do_all(slot, 0);
  else if (strcmp(word, "drain") == 0) do_all(slot, 1);
  else if (strcmp(word, "shutdown") == 0) do_shutdown(slot, n[0]);
  else if (strcmp(word, "close") == 0) do_close(slot);
  else if (strcmp(word, "reset") == 0) do_reset(slot);
  else if (strcmp(word, "describe") == 0) do_describe(slot);
  else if (strcmp(word, "set") == 0) do_set(slot, n[0]);
  else if (strcmp(word, "error") == 0) do_error(slot);
  else if (strcmp(word, "ready") != 0) do_create(slot, word, n[0], n[1]);
  else if (slots[slot].kind != FREE) say_ready("ready", fd_of(slot));
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
    if (strcmp(word, "end") != 0) {
      carry_out(word, numbers);
      continue;
    }
    close_all();
    // Should a script never end, all that came before it is told.
    fflush(stdout);
  }
  return 0;
}
