// The complete TCP server of the tutorial: it sends back what it receives, and tells of each client
// how it left. An ordinary epoll program for Linux; the same source is a guest.
//
//   server lt|et|oneshot [PORT]
//
// lt: level-triggered. et: edge-triggered. oneshot: level-triggered, each event armed by itself.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 16384
#define EVENTS_MAX 64
#define BACKLOG 4096
#define GOODBYE "bye\n"
#define GOODBYE_BYTES (sizeof GOODBYE - 1)

// How far the conversation is.
enum phase {
  OPEN,
  ANSWERING,  // it has sent FIN; what is left to be sent is on its way
  ENDED,      // we have sent FIN as well
  LEFT,
};

struct client {
  int fd;
  int number;
  enum phase phase;
  const char *farewell;  // how it left, once it has
  int error;             // the errno that goes with it, 0 if none does
  uint32_t asked;        // what epoll watches it for
  size_t unsent_at;
  size_t unsent_end;
  uint8_t unsent[BUFFER_BYTES + GOODBYE_BYTES];
};

static int epoll = -1;
static int listener = -1;
static bool listening;
static uint32_t trigger;  // EPOLLET, EPOLLONESHOT, or 0
static int count;         // clients until now

// Ends the program with the errno of the call that failed.
static void die(const char *what) {
  fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void tell(const struct client *client, const char *format, ...) {
  va_list values;
  va_start(values, format);
  printf("client %d ", client->number);
  vprintf(format, values);
  va_end(values);
  putchar('\n');
}

static void leave(struct client *client, const char *farewell, int error) {
  client->phase = LEFT;
  client->farewell = farewell;
  client->error = error;
}

// The connection broke. RST is ECONNRESET, or EPIPE where FIN had come before it.
static void lost(struct client *client, int error) {
  bool reset = error == ECONNRESET || error == EPIPE;
  bool answered = client->phase != OPEN;
  if (!reset) leave(client, "was lost", error);
  else leave(client, answered ? "closed: FIN, and RST to our answer" : "was reset: RST", 0);
}

// After our FIN: the connection is over when it has no peer any more. An error says why.
static void judge(struct client *client) {
  int error = 0;
  socklen_t bytes = sizeof error;
  if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) error = errno;
  if (error != 0) {
    lost(client, error);
    return;
  }
  struct sockaddr_storage peer;
  bytes = sizeof peer;
  bool gone = getpeername(client->fd, (struct sockaddr *)&peer, &bytes) < 0 && errno == ENOTCONN;
  if (gone) leave(client, "half-closed: FIN, and it took our answer", 0);
}

// Sends until nothing is left, or EAGAIN; once all is sent after a FIN, ours follows.
static void flush(struct client *client) {
  while (client->unsent_at < client->unsent_end) {
    size_t left = client->unsent_end - client->unsent_at;
    ssize_t sent = send(client->fd, client->unsent + client->unsent_at, left, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
      lost(client, errno);
      return;
    }
    client->unsent_at += (size_t)sent;
  }
  client->unsent_at = client->unsent_end = 0;
  if (client->phase != ANSWERING) return;
  client->phase = ENDED;
  shutdown(client->fd, SHUT_WR);
  judge(client);
}

// FIN is all that close and shutdown(SHUT_WR) send: the two look the same. They differ in what
// becomes of an answer: who has closed meets it with RST, who still reads takes it.
static void answer_fin(struct client *client) {
  client->phase = ANSWERING;
  memcpy(client->unsent + client->unsent_end, GOODBYE, GOODBYE_BYTES);
  client->unsent_end += GOODBYE_BYTES;
  flush(client);
}

// Level-triggered, one recv is enough: as long as there is more, epoll tells it again.
// Edge-triggered it is told once: everything has to be received, until EAGAIN.
static void receive(struct client *client) {
  do {
    // What is not sent comes first; when it is, MOD reports what has arrived meanwhile.
    if (client->unsent_end > 0) return;
    ssize_t received = recv(client->fd, client->unsent, BUFFER_BYTES, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == EAGAIN) return;
    if (received < 0) {
      lost(client, errno);
      return;
    }
    client->unsent_end = (size_t)received;
    if (received == 0) answer_fin(client);
    else flush(client);
  } while (trigger == EPOLLET && client->phase == OPEN);
}

// One byte goes past the others; unless it is taken, PRI is reported for ever.
static void receive_urgent(struct client *client) {
  uint8_t byte;
  if (recv(client->fd, &byte, 1, MSG_OOB) == 1) tell(client, "sent an urgent byte: %c", byte);
}

static uint32_t wanted(const struct client *client) {
  // HUP cannot be switched off, and lasts: level-triggered it would be reported for ever.
  if (client->phase == ENDED) return EPOLLET;
  if (client->unsent_end > 0) return EPOLLOUT | EPOLLPRI | trigger;
  return EPOLLIN | EPOLLRDHUP | EPOLLPRI | trigger;
}

static void watch(struct client *client, int op) {
  uint32_t events = wanted(client);
  // After an event EPOLLONESHOT leaves nothing armed.
  bool armed = trigger != EPOLLONESHOT && client->asked == events;
  if (client->phase == LEFT || (op == EPOLL_CTL_MOD && armed)) return;
  client->asked = events;
  struct epoll_event event = {.events = events, .data.ptr = client};
  if (epoll_ctl(epoll, op, client->fd, &event) < 0) leave(client, "is not watched", errno);
}

static void listen_on(void) {
  uint32_t edge = trigger & EPOLLET;
  struct epoll_event event = {.events = EPOLLIN | edge, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
  listening = true;
}

// No descriptors: the listener would be ready for ever. It waits for a client to leave.
static void pause_listening(void) {
  puts("no more descriptors: new clients wait");
  if (epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL) < 0) die("epoll_ctl");
  listening = false;
}

// Closing takes it off the interest list too. No event of it is left in this turn: an instance
// reports a descriptor once in a call, and only its own event removes a client.
static void remove_client(struct client *client) {
  if (client->error == 0) tell(client, "%s", client->farewell);
  else tell(client, "%s: %s", client->farewell, strerror(client->error));
  close(client->fd);
  free(client);
  if (!listening) listen_on();
}

static void welcome(int fd) {
  struct client *client = calloc(1, sizeof *client);
  if (!client) die("calloc");
  client->fd = fd;
  client->number = ++count;
  tell(client, "came");
  watch(client, EPOLL_CTL_ADD);
  if (client->phase == LEFT) remove_client(client);
}

// Accepts until EAGAIN: several may have come, and edge-triggered that is told once.
static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      welcome(fd);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno == EMFILE || errno == ENFILE) {
      pause_listening();
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      die("accept4");
    }
  }
}

// Handles all that an event can tell; afterwards it has left, or is watched for what it needs.
static void handle(struct client *client, uint32_t events) {
  if (events & EPOLLPRI) receive_urgent(client);
  if (client->phase == ENDED) {
    judge(client);
  } else {
    if (events & EPOLLOUT) flush(client);
    // Data goes before errors: what was sent ahead of a FIN or an RST can still be received.
    bool readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (client->phase == OPEN && readable) receive(client);
    else if (client->phase == ANSWERING && (events & EPOLLERR)) judge(client);
  }
  watch(client, EPOLL_CTL_MOD);
  if (client->phase == LEFT) remove_client(client);
}

// Listens on 127.0.0.1; port 0 picks one.
static void open_listener(uint16_t port) {
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) die("socket");
  int on = 1;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) die("setsockopt");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, bytes) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &bytes) < 0) die("getsockname");
  fprintf(stderr, "listening on tcp://127.0.0.1:%d\n", ntohs(address.sin_port));
}

static void turn(void) {
  struct epoll_event events[EVENTS_MAX];
  int n = epoll_wait(epoll, events, EVENTS_MAX, -1);
  if (n < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < n; i++) {
    struct client *client = events[i].data.ptr;
    if (client) handle(client, events[i].events);
    else accept_all();
  }
  fflush(stdout);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "et") == 0) trigger = EPOLLET;
  if (strcmp(mode, "oneshot") == 0) trigger = EPOLLONESHOT;
  if (argc > 3 || (trigger == 0 && strcmp(mode, "lt") != 0)) {
    fprintf(stderr, "usage: server lt|et|oneshot [PORT]\n");
    return 2;
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  open_listener((uint16_t)(argc > 2 ? atoi(argv[2]) : 0));
  listen_on();
  for (;;) turn();
}
