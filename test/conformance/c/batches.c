/* recvmmsg(2) and sendmmsg(2): what each message comes to, and what ends a call. */
#include "observe.h"

#define MOST 1100
#define ROOM 16

/* As many messages as a case wants, each with a buffer and an address of its own. */
static struct mmsghdr messages[MOST];
static struct iovec iovecs[MOST];
static struct sockaddr_in names[MOST];
static char bytes[MOST][ROOM];

static void prepare(int count) {
  memset(messages, 0, sizeof messages);
  memset(bytes, 0, sizeof bytes);
  for (int i = 0; i < count; i++) {
    iovecs[i] = (struct iovec){.iov_base = bytes[i], .iov_len = ROOM};
    messages[i].msg_hdr.msg_iov = &iovecs[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

/* Each message is one letter more than the last one, and goes to `to`. */
static void prepare_sends(int count, struct sockaddr_in to) {
  prepare(count);
  for (int i = 0; i < count; i++) {
    memset(bytes[i], 'a' + i % 26, ROOM);
    iovecs[i].iov_len = (size_t)(i % ROOM);
    names[i] = to;
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
  }
}

static void prepare_named(int count) {
  prepare(count);
  for (int i = 0; i < count; i++) {
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
    messages[i].msg_hdr.msg_flags = -1;
  }
}

static void say_messages(int count) {
  for (int i = 0; i < count; i++) {
    const struct msghdr *header = &messages[i].msg_hdr;
    printf("%d: %u bytes, flags %d, name of %u, control of %u, %.*s\n", i, messages[i].msg_len,
           header->msg_flags, header->msg_namelen, (unsigned)header->msg_controllen,
           (int)(messages[i].msg_len < ROOM ? messages[i].msg_len : ROOM), bytes[i]);
  }
}

static void send_one(int fd, struct sockaddr_in to, const char *text) {
  need("sendto", (int)sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to));
}

static void both_ways(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  prepare_sends(20, name_of(one));
  say("sendmmsg", sendmmsg(other, messages, 20, 0));
  for (int i = 0; i < 20; i++) printf("%u ", messages[i].msg_len);
  prepare_named(30);
  settle(one, EPOLLIN);
  int n = recvmmsg(one, messages, 30, 0, NULL);
  say("\nrecvmmsg", n);
  say_messages(n < 0 ? 0 : n);
  struct sockaddr_in sender = name_of(other);
  say("from the other", memcmp(&names[19], &sender, sizeof sender));
  say("the next was not touched", messages[20].msg_hdr.msg_flags);
  say("none is left", recvmmsg(one, messages, 30, 0, NULL));
  close(one);
  close(other);
}

static void cut(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  for (int turn = 0; turn < 2; turn++) {
    send_one(other, name_of(one), "short");
    send_one(other, name_of(one), "longer than there is room for");
    send_one(other, name_of(one), "");
    prepare_named(3);
    messages[1].msg_hdr.msg_namelen = 6;
    messages[2].msg_hdr.msg_name = NULL;
    settle(one, EPOLLIN);
    say("recvmmsg", recvmmsg(one, messages, 3, turn == 0 ? 0 : MSG_TRUNC, NULL));
    say_messages(3);
  }
  close(one);
  close(other);
}

static void scattered(void) {
  struct iovec parts[3] = {{bytes[8], 2}, {bytes[9], 0}, {bytes[10], 3}};
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  prepare_sends(2, name_of(one));
  messages[0].msg_hdr.msg_iov = parts;
  messages[0].msg_hdr.msg_iovlen = 3;
  messages[1].msg_hdr.msg_iovlen = 0;
  memcpy(bytes[8], "xy", 2);
  memcpy(bytes[10], "abc", 3);
  say("sendmmsg", sendmmsg(other, messages, 2, 0));
  printf("%u and %u bytes\n", messages[0].msg_len, messages[1].msg_len);
  prepare(2);
  parts[2].iov_len = 9;
  messages[0].msg_hdr.msg_iov = parts;
  messages[0].msg_hdr.msg_iovlen = 3;
  settle(one, EPOLLIN);
  say("recvmmsg", recvmmsg(one, messages, 2, 0, NULL));
  printf("%u bytes, %.2s, %.3s, and %u\n", messages[0].msg_len, bytes[8], bytes[10],
         messages[1].msg_len);
  close(one);
  close(other);
}

static void wrong(void) {
  int fd = bound(SOCK_DGRAM);
  int stranger = new_event(0);
  struct timespec odd = {.tv_sec = 0, .tv_nsec = 1000000000};
  struct timespec negative = {.tv_sec = -1};
  prepare(2);
  say("recvmmsg of none", recvmmsg(fd, messages, 0, 0, NULL));
  say("sendmmsg of none", sendmmsg(fd, messages, 0, 0));
  say("recvmmsg of no socket", recvmmsg(stranger, messages, 1, 0, NULL));
  say("sendmmsg of no socket", sendmmsg(stranger, messages, 1, 0));
  say("recvmmsg of nothing open", recvmmsg(stranger + 1, messages, 1, 0, NULL));
  say("sendmmsg of nothing open", sendmmsg(stranger + 1, messages, 0, 0));
  say("a time of too many ns", recvmmsg(fd, messages, 1, 0, &odd));
  say("a time below 0", recvmmsg(fd, messages, 1, 0, &negative));
  say("sendmmsg to nobody", sendmmsg(fd, messages, 1, 0));
  messages[0].msg_hdr.msg_iovlen = 1025;
  say("too many buffers", recvmmsg(fd, messages, 1, 0, NULL));
  say("too many buffers", sendmmsg(fd, messages, 1, 0));
  say("no messages", recvmmsg(fd, NULL, 0, 0, NULL));
  close(fd);
  close(stranger);
}

static void wrong_in_the_middle(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  prepare_sends(4, name_of(one));
  messages[2].msg_hdr.msg_namelen = 3;
  say("the third has no address", sendmmsg(other, messages, 4, 0));
  say("alone", sendmmsg(other, messages + 2, 2, 0));
  messages[2].msg_hdr.msg_namelen = sizeof names[2];
  messages[2].msg_hdr.msg_iovlen = 2000;
  say("the third has too many buffers", sendmmsg(other, messages, 4, 0));
  say("alone", sendmmsg(other, messages + 2, 2, 0));
  messages[2].msg_hdr.msg_iovlen = 1;
  static char large[70000];
  iovecs[2] = (struct iovec){large, sizeof large};
  say("the third is too long", sendmmsg(other, messages, 4, 0));
  say("alone", sendmmsg(other, messages + 2, 2, 0));
  settle(one, EPOLLIN);
  prepare(10);
  messages[4].msg_hdr.msg_iovlen = 2000;
  say("those that were sent, up to one that is wrong", recvmmsg(one, messages, 10, 0, NULL));
  prepare(10);
  close(one);
  close(other);
}

static void errors(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  need("connect", connect_to(one, name_of(other)));
  need("connect", connect_to(other, name_of(one)));
  prepare(4);
  say("to the peer", sendmmsg(one, messages, 4, 0));
  settle(other, EPOLLIN);
  say("from the peer", recvmmsg(other, messages, 4, 0, NULL));
  send_text(other, "before it left");
  close(other);
  say("to nobody", sendmmsg(one, messages, 1, 0));
  settle(one, 0);
  say("the error comes first", recvmmsg(one, messages, 4, 0, NULL));
  say("then what came", recvmmsg(one, messages, 4, 0, NULL));
  say("to nobody", sendmmsg(one, messages, 1, 0));
  settle(one, 0);
  say("the error comes at a send too", sendmmsg(one, messages, 4, 0));
  close(one);
}

static void waiting(void) {
  struct timespec none = {0};
  struct timespec long_time = {.tv_sec = 1000};
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  prepare_sends(12, name_of(one));
  say("sendmmsg", sendmmsg(other, messages, 12, 0));
  fcntl(one, F_SETFL, 0);
  prepare(12);
  say("blocking, all there", recvmmsg(one, messages, 3, 0, NULL));
  say("blocking, not to wait", recvmmsg(one, messages, 1, MSG_DONTWAIT, NULL));
  say("no time takes one", recvmmsg(one, messages, 12, 0, &none));
  say("a long time, all there", recvmmsg(one, messages, 2, 0, &long_time));
  say("and it is told", long_time.tv_sec == 999 && long_time.tv_nsec > 0);
  say("wait for one takes all", recvmmsg(one, messages, 12, MSG_WAITFORONE, NULL));
  struct timeval soon = {.tv_usec = 20000};
  need("SO_RCVTIMEO", setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
  say("none comes", recvmmsg(one, messages, 12, MSG_WAITFORONE, NULL));
  send_one(other, name_of(one), "only one");
  say("one comes", recvmmsg(one, messages, 12, 0, NULL));
  close(one);
  close(other);
}

static void many(void) {
  int size = 4 << 20;
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  setsockopt(one, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  prepare_sends(MOST, name_of(one));
  say("150 are sent", sendmmsg(other, messages, 150, 0));
  settle(one, EPOLLIN);
  prepare(MOST);
  say("and come by one call", recvmmsg(one, messages, MOST, 0, NULL));
  printf("the last one is of %u bytes\n", messages[149].msg_len);
  prepare_sends(MOST, name_of(one));
  say("1,100 are too many to send", sendmmsg(other, messages, MOST, 0));
  close(one);
  close(other);
}

static void other_kinds(void) {
  static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
  for (int i = 0; i < 3; i++) {
    int ends[2];
    printf("type %d\n", i);
    new_pair(types[i], ends);
    prepare(4);
    for (int k = 0; k < 4; k++) iovecs[k].iov_len = (size_t)k + 3;
    say("send", sendmmsg(ends[0], messages, 4, MSG_NOSIGNAL));
    prepare(4);
    iovecs[0].iov_len = 4;
    say("recv", recvmmsg(ends[1], messages, 4, 0, NULL));
    for (int k = 0; k < 4; k++) printf("%u ", messages[k].msg_len);
    say("\nnone is left", recvmmsg(ends[1], messages, 4, 0, NULL));
    close(ends[0]);
    prepare(2);
    say("the other has gone", recvmmsg(ends[1], messages, 2, 0, NULL));
    say("and takes nothing", sendmmsg(ends[1], messages, 2, MSG_NOSIGNAL));
    close(ends[1]);
  }
  int listener = new_listener(1);
  say("recv of a listener", recvmmsg(listener, messages, 1, 0, NULL));
  say("send of a listener", sendmmsg(listener, messages, 1, MSG_NOSIGNAL));
  close(listener);
}

static const struct example EXAMPLES[] = {
    {"recvmmsg takes what sendmmsg sent", both_ways},
    {"E20: each message that is cut is told", cut},
    {"messages in pieces", scattered},
    {"wrong arguments", wrong},
    {"an error in the middle ends the call", wrong_in_the_middle},
    {"E20: errors of the socket", errors},
    {"blocking, MSG_WAITFORONE and times", waiting},
    {"more messages than one call of the port takes", many},
    {"streams, packets, unix datagrams, listeners", other_kinds},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }
