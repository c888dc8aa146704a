/* Listeners that several share: who hears of a connection, and what becomes of it (E7, E29). */
#include <stdbool.h>

#include "observe.h"

enum { EPOLLS = 4, LISTENERS = 4, CLIENTS = 200 };

/* Listeners of one port, each with an own queue. */
static void shared_listeners(int *fds, int count) {
  int on = 1;
  struct sockaddr_in address = loopback(0);
  for (int i = 0; i < count; i++) {
    fds[i] = new_socket(AF_INET, SOCK_STREAM);
    need("SO_REUSEPORT", setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    need("bind", bind(fds[i], (struct sockaddr *)&address, sizeof address));
    if (i == 0) address = name_of(fds[0]);
    need("listen", listen(fds[i], CLIENTS));
  }
}

/* Loopback delivers in order: when a whole connection has come and gone, so has all before it. */
static void let_arrive(void) {
  int ends[2];
  tcp_pair(ends);
  close_both(ends);
}

static void connect_all(int *clients, int count, int listener) {
  for (int i = 0; i < count; i++) clients[i] = new_client(listener);
  for (int i = 0; i < count; i++) settle(clients[i], EPOLLOUT);
  let_arrive();
}

/* Accepts and closes all that is queued; how many there were. */
static int accept_all(int listener) {
  int count = 0;
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return count;
    close(fd);
    count++;
  }
}

/* Nobody waits here, so that there is nobody to choose: every instance is told. */
static void exclusive_epolls(uint32_t trigger) {
  int listener = new_listener(CLIENTS);
  int epolls[EPOLLS];
  int clients[3];
  for (int i = 0; i < EPOLLS; i++) {
    epolls[i] = new_epoll();
    watch(epolls[i], listener, EPOLLIN | EPOLLEXCLUSIVE | trigger, (uint64_t)i);
  }
  for (int i = 0; i < EPOLLS; i++) say_wait("nobody came", epolls[i]);
  connect_all(clients, 3, listener);
  for (int i = 0; i < EPOLLS; i++) say_wait("three came", epolls[i]);
  for (int i = 0; i < EPOLLS; i++) say_wait("they wait still", epolls[i]);
  say("accepted", accept_all(listener));
  for (int i = 0; i < EPOLLS; i++) say_wait("all are accepted", epolls[i]);
  for (int i = 0; i < EPOLLS; i++) close(epolls[i]);
  for (int i = 0; i < 3; i++) close(clients[i]);
  close(listener);
}

static void exclusive_levels(void) { exclusive_epolls(0); }
static void exclusive_edges(void) { exclusive_epolls(EPOLLET); }

/* Which listener it goes to hangs on a connection's port: 0 of 200 is as good as never. */
static void every_listener(void) {
  int listeners[LISTENERS];
  int clients[CLIENTS];
  int epoll = new_epoll();
  int all = 0;
  shared_listeners(listeners, LISTENERS);
  for (int i = 0; i < LISTENERS; i++) watch(epoll, listeners[i], EPOLLIN, (uint64_t)i);
  connect_all(clients, CLIENTS, listeners[0]);
  say_wait("every one is ready", epoll);
  for (int i = 0; i < LISTENERS; i++) {
    int count = accept_all(listeners[i]);
    say("accepts some", count > 0);
    all += count;
  }
  say("in all", all);
  for (int i = 0; i < CLIENTS; i++) close(clients[i]);
  for (int i = 0; i < LISTENERS; i++) close(listeners[i]);
  close(epoll);
}

/* How many of the clients were reset, and that the others are whole. */
static int count_resets(const int *clients) {
  int resets = 0;
  for (int i = 0; i < CLIENTS; i++) {
    char byte;
    long long n = recv(clients[i], &byte, 1, MSG_DONTWAIT);
    if (n < 0 && errno == ECONNRESET) resets++;
    else if (n >= 0 || errno != EAGAIN) say("a client sees", n);
  }
  return resets;
}

/*
 * One of two leaves while half of the connections wait in its queue. Whether they are reset or go
 * over to the other is the machine's setting, tcp_migrate_req.
 */
static void one_leaves(void) {
  int listeners[2];
  int clients[CLIENTS];
  int accepted_fds[CLIENTS];
  int count = 0;
  shared_listeners(listeners, 2);
  connect_all(clients, CLIENTS, listeners[0]);
  say_ready("the one that leaves", listeners[0]);
  close(listeners[0]);
  while (count < CLIENTS) {
    int fd = accept4(listeners[1], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) break;
    accepted_fds[count++] = fd;
  }
  let_arrive();
  int resets = count_resets(clients);
  say("some are accepted by the other", count > 0);
  say("some are reset", resets > 0);
  say("accepted and reset", count + resets);
  int late = new_client(listeners[1]);
  close(accepted(listeners[1]));
  say("one that comes later is accepted", 1);
  close(late);
  for (int i = 0; i < count; i++) close(accepted_fds[i]);
  for (int i = 0; i < CLIENTS; i++) close(clients[i]);
  close(listeners[1]);
}

/* The drain procedure: what is queued is accepted before the listener goes, and nobody is lost. */
static void one_leaves_drained(void) {
  int listeners[2];
  int clients[CLIENTS];
  shared_listeners(listeners, 2);
  connect_all(clients, CLIENTS, listeners[0]);
  int drained = accept_all(listeners[0]);
  close(listeners[0]);
  say("all are accepted", drained + accept_all(listeners[1]));
  for (int i = 0; i < CLIENTS; i++) close(clients[i]);
  close(listeners[1]);
}

/* Connections that are reset in the queue, between some that are not. */
static void reset_flood(void) {
  int listener = new_listener(CLIENTS);
  int clients[CLIENTS];
  int accepts = 0;
  int broken = 0;
  connect_all(clients, CLIENTS, listener);
  for (int i = 0; i < CLIENTS; i += 2) reset(clients[i]);
  let_arrive();
  for (;;) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    char byte;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) break;
    accepts++;
    bool unnamed = getpeername(fd, (struct sockaddr *)&peer, &length) < 0 && errno == ENOTCONN;
    bool lost = recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
    if (unnamed != lost) printf("a peer without a name and no reset, or the other way round\n");
    broken += lost;
    close(fd);
  }
  say("and then", -1);
  say("accepted", accepts);
  say("reset", broken);
  int next = new_client(listener);
  close(accepted(listener));
  close(next);
  for (int i = 1; i < CLIENTS; i += 2) close(clients[i]);
  close(listener);
}

static const struct example EXAMPLES[] = {
    {"E7: a listener, exclusive in four instances", exclusive_levels},
    {"E7: a listener, exclusive and edge-triggered in four instances", exclusive_edges},
    {"E7: of four listeners of one port each gets its share", every_listener},
    {"E29: one of two listeners of a port closes with a queue", one_leaves},
    {"E29: one of two listeners of a port accepts its queue, and closes", one_leaves_drained},
    {"E18: every other connection is reset before accept", reset_flood},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }
