/* TCP: what each state of a connection looks like, and what its calls answer (E8 to E19). */
#include "observe.h"

static void fresh(void) {
  int fd = new_socket(AF_INET, SOCK_STREAM);
  say_ready("all events", fd);
  say_masked("mask 0", fd, 0);
  say_masked("mask IN", fd, EPOLLIN);
  say_recv("recv", fd, 1);
  say("send", send_text(fd, "x"));
  close(fd);
  fd = bound(SOCK_STREAM);
  say_ready("bound", fd);
  close(fd);
  fd = new_listener(4);
  say_ready("listening", fd);
  close(fd);
}

static void connected(void) {
  int ends[2];
  tcp_pair(ends);
  say_ready("accepted", ends[0]);
  say_ready("connected", ends[1]);
  say_masked("bands", ends[0], EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG);
  send_text(ends[1], "x");
  settle(ends[0], EPOLLIN);
  say_ready("readable", ends[0]);
  say_masked("bands, readable", ends[0],
             EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG);
  close_both(ends);
}

static void refused(void) {
  int nobody = bound(SOCK_STREAM);
  int fd = new_socket(AF_INET, SOCK_STREAM);
  say("connect", connect_to(fd, name_of(nobody)));
  settle(fd, EPOLLOUT);
  say_ready("refused", fd);
  say_masked("mask 0", fd, 0);
  printf("SO_ERROR: %s\n", pending_error(fd));
  say_ready("SO_ERROR was read", fd);
  printf("SO_ERROR again: %s\n", pending_error(fd));
  close(fd);
  close(nobody);
}

static void reconnected(void) {
  int nobody = bound(SOCK_STREAM);
  int fd = new_socket(AF_INET, SOCK_STREAM);
  struct sockaddr_in address = name_of(nobody);
  say("connect", connect_to(fd, address));
  settle(fd, EPOLLOUT);
  say("once more", connect_to(fd, address));
  settle(fd, EPOLLOUT);
  say("and again", connect_to(fd, address));
  settle(fd, EPOLLOUT);
  printf("SO_ERROR: %s\n", pending_error(fd));
  say("after that", connect_to(fd, address));
  settle(fd, EPOLLOUT);
  say_recv("recv", fd, 1);
  say("send", send_text(fd, "x"));
  close(fd);
  close(nobody);
}

static void connect_states(void) {
  int listener = new_listener(4);
  int fd = new_socket(AF_INET, SOCK_STREAM);
  struct sockaddr_in address = name_of(listener);
  say("first", connect_to(fd, address));
  settle(fd, EPOLLOUT);
  say("second", connect_to(fd, address));
  say("third", connect_to(fd, address));
  say("of a listener", connect_to(listener, address));
  int other = accepted(listener);
  say("of an accepted one", connect_to(other, address));
  say("accept, none is there", accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  say("accept of no listener", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
  close(other);
  close(fd);
  close(listener);
}

static void connecting(void) {
  int listener = new_listener(0);
  int queued = new_client(listener);
  settle(listener, EPOLLIN);
  int waiting = new_socket(AF_INET, SOCK_STREAM);
  struct sockaddr_in address = name_of(listener);
  say("a connect that nobody answers", connect_to(waiting, address));
  say_ready("connecting", waiting);
  say("once more", connect_to(waiting, address));
  say_recv("recv", waiting, 1);
  say("send", send_text(waiting, "x"));
  close(waiting);
  close(queued);
  close(listener);
}

static void finished(void) {
  int ends[2];
  tcp_pair(ends);
  send_text(ends[1], "last words");
  shutdown(ends[1], SHUT_WR);
  settle(ends[0], EPOLLRDHUP);
  say_ready("FIN, with data", ends[0]);
  say_masked("FIN, mask IN", ends[0], EPOLLIN);
  say_masked("FIN, mask 0", ends[0], 0);
  say_recv("all of it comes", ends[0], 64);
  say_ready("FIN, read", ends[0]);
  say_recv("end", ends[0], 64);
  say("send", send_text(ends[0], "answer"));
  settle(ends[1], EPOLLIN);
  say_recv("the answer", ends[1], 64);
  say_ready("sender of the FIN", ends[1]);
  shutdown(ends[0], SHUT_WR);
  settle(ends[1], EPOLLRDHUP);
  say_ready("both FIN", ends[0]);
  say_ready("both FIN, other end", ends[1]);
  say_masked("both FIN, mask 0", ends[0], 0);
  close_both(ends);
}

static void was_reset(void) {
  int ends[2];
  tcp_pair(ends);
  send_text(ends[1], "lost words");
  settle(ends[0], EPOLLIN);
  reset(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_ready("RST", ends[0]);
  say_recv("recv", ends[0], 64);
  say_ready("RST, read", ends[0]);
  say_recv("recv again", ends[0], 64);
  say_recv("and again", ends[0], 64);
  say("send", send_text(ends[0], "x"));
  say_ready("at last", ends[0]);
  close(ends[0]);
}

static void reset_by_write(void) {
  int ends[2];
  tcp_pair(ends);
  close(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_ready("the peer has closed", ends[0]);
  say("first send", send_text(ends[0], "x"));
  settle(ends[0], 0);
  say_ready("it was answered by a reset", ends[0]);
  say("second send", send_text(ends[0], "x"));
  say("third send", send_text(ends[0], "x"));
  say_recv("recv", ends[0], 1);
  close(ends[0]);
}

static void unread_close(void) {
  int ends[2];
  tcp_pair(ends);
  send_text(ends[0], "never read");
  settle(ends[1], EPOLLIN);
  close(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_ready("closed with data unread", ends[0]);
  printf("SO_ERROR: %s\n", pending_error(ends[0]));
  say_ready("SO_ERROR was read", ends[0]);
  say_recv("recv", ends[0], 1);
  close(ends[0]);
}

static void many_bytes_and_fin(void) {
  enum { BYTES = 20000 };
  static char bytes[BYTES];
  int ends[2];
  long long all = 0;
  long long n;
  tcp_pair(ends);
  say("send", send(ends[1], bytes, BYTES, MSG_NOSIGNAL));
  close(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_ready("at once", ends[0]);
  while ((n = recv(ends[0], bytes, 4096, MSG_DONTWAIT)) > 0) all += n;
  say("received", all);
  say("end", n);
  close(ends[0]);
}

static void own_read_end(void) {
  int ends[2];
  tcp_pair(ends);
  say("SHUT_RD", shutdown(ends[0], SHUT_RD));
  say_ready("after it", ends[0]);
  say_recv("recv", ends[0], 64);
  send_text(ends[1], "late");
  while (recv(ends[0], (char[1]){0}, 1, MSG_DONTWAIT | MSG_PEEK) == 0) continue;
  say_ready("later data", ends[0]);
  say_recv("is still readable", ends[0], 64);
  say_recv("and then", ends[0], 64);
  close_both(ends);
}

static void listener_shut(void) {
  int fd = new_listener(4);
  say("SHUT_RD", shutdown(fd, SHUT_RD));
  say_ready("after it", fd);
  say("accept", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
  say("listen again", listen(fd, 4));
  say_ready("listening again", fd);
  say("SHUT_WR", shutdown(fd, SHUT_WR));
  say_ready("after SHUT_WR", fd);
  say("SHUT_RDWR", shutdown(fd, SHUT_RDWR));
  say_ready("after SHUT_RDWR", fd);
  close(fd);
}

static void listener_ready(void) {
  int epoll = new_epoll();
  int listener = new_listener(8);
  watch(epoll, listener, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1);
  say_wait("nobody", epoll);
  struct epoll_event event;
  say("nobody, after a while", epoll_wait(epoll, &event, 1, 5));
  int clients[2] = {new_client(listener), new_client(listener)};
  settle(clients[0], EPOLLOUT);
  settle(clients[1], EPOLLOUT);
  say_wait("two wait", epoll);
  int one = accepted(listener);
  settle(listener, EPOLLIN);
  say_wait("one waits", epoll);
  int other = accepted(listener);
  say_wait("all accepted", epoll);
  close(one);
  close(other);
  close_both(clients);
  close(listener);
  close(epoll);
}

static void urgent(void) {
  int epoll = new_epoll();
  int ends[2];
  char byte = 0;
  tcp_pair(ends);
  watch(epoll, ends[0], EPOLLPRI | EPOLLET, 1);
  say("send", send(ends[1], "!", 1, MSG_OOB | MSG_NOSIGNAL));
  settle(ends[0], EPOLLPRI);
  say_wait("edge", epoll);
  say_ready("urgent byte", ends[0]);
  say_masked("bands", ends[0], EPOLLRDNORM | EPOLLRDBAND);
  say("recv OOB", recv(ends[0], &byte, 1, MSG_OOB));
  printf("it is %c\n", byte);
  say_ready("taken", ends[0]);
  say("recv OOB again", recv(ends[0], &byte, 1, MSG_OOB));
  send_text(ends[1], "ab");
  settle(ends[0], EPOLLIN);
  say_ready("ordinary bytes", ends[0]);
  say_recv("recv", ends[0], 64);
  say_ready("read", ends[0]);
  close_both(ends);
  close(epoll);
}

static void broken_pipes(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  close(ends[1]);
  say("send on a socket pair", send_text(ends[0], "x"));
  close(ends[0]);
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  watch(epoll, ends[1], EPOLLOUT, 1);
  close(ends[0]);
  say_wait("pipe without a reader", epoll);
  say("write", write(ends[1], "x", 1));
  close(ends[1]);
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  static const char bytes[4096];
  while (write(ends[1], bytes, sizeof bytes) > 0) continue;
  close(ends[0]);
  say_ready("full pipe without a reader", ends[1]);
  close(ends[1]);
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  say("write", write(ends[1], "x", 1));
  close(ends[1]);
  say_ready("pipe without a writer, with data", ends[0]);
  char byte;
  say("read", read(ends[0], &byte, 1));
  say_ready("pipe without a writer, read", ends[0]);
  close(ends[0]);
  close(epoll);
}

static void reset_before_accept(void) {
  int listener = new_listener(4);
  int client = new_client(listener);
  settle(listener, EPOLLIN);
  settle(client, EPOLLOUT);
  reset(client);
  say_ready("listener", listener);
  int fd = say_whether("accept", accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
  settle(fd, 0);
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  say("getpeername", getpeername(fd, (struct sockaddr *)&peer, &length));
  say_ready("accepted", fd);
  say_recv("recv", fd, 1);
  say_recv("recv again", fd, 1);
  close(fd);
  int next = new_client(listener);
  int other = accepted(listener);
  say_ready("the next one", other);
  close(next);
  close(other);
  close(listener);
}

static void listener_closed(void) {
  int listener = new_listener(4);
  int client = new_client(listener);
  settle(client, EPOLLOUT);
  settle(listener, EPOLLIN);
  close(listener);
  settle(client, EPOLLRDHUP);
  say_ready("client of a closed queue", client);
  printf("SO_ERROR: %s\n", pending_error(client));
  close(client);
}

static void shared_port(void) {
  int on = 1;
  int fds[3];
  struct sockaddr_in address = loopback(0);
  for (int i = 0; i < 3; i++) {
    fds[i] = new_socket(AF_INET, SOCK_STREAM);
    if (i < 2) say("SO_REUSEPORT", setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
    say("bind", bind(fds[i], (struct sockaddr *)&address, sizeof address));
    if (i == 0) address = name_of(fds[0]);
  }
  say("listen", listen(fds[0], 4));
  say("listen of the other", listen(fds[1], 4));
  for (int i = 0; i < 3; i++) close(fds[i]);
}

static const struct example EXAMPLES[] = {
    {"E8: a socket that was never connected", fresh},
    {"E8: a connection, idle and readable", connected},
    {"E8: a refused connection", refused},
    {"E19: connect after a refusal", reconnected},
    {"E19: connect while connecting, connected and listening", connect_states},
    {"9.3: a connection that is not answered yet", connecting},
    {"E8, E9, wait05: FIN is RDHUP, and HUP only when both have ended", finished},
    {"E8: a reset", was_reset},
    {"E8, E17: writing to a peer that has closed", reset_by_write},
    {"E8: a peer that closes with data unread resets", unread_close},
    {"E9: all bytes before a FIN arrive", many_bytes_and_fin},
    {"E11: after SHUT_RD later data is still readable", own_read_end},
    {"E8: a listener that was shut down", listener_shut},
    {"9.3: a listener, waited on", listener_ready},
    {"E8, 9.3: urgent data is PRI", urgent},
    {"E8, E17, wait12: pipes and pairs that are broken", broken_pipes},
    {"E18: a connection that was reset before accept", reset_before_accept},
    {"E29: a listener that closes resets its queue", listener_closed},
    {"E29: two listeners on one port", shared_port},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }
