// A closed-loop load generator: every connection sends a batch, awaits its answers, sends the next.
//
// The measured part begins and ends with no request under way and the server asleep. So the CPU
// time read then belongs to exactly the requests counted, and none of it is still unaccounted for.
#include "load.h"

#include <getopt.h>
#include <sys/epoll.h>

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define STALL_MS 5000
#define CONNECT_BATCH 256
#define SETTLE_STEP_NS 4000000u
#define SETTLE_BUSY_NS 200000u
#define SETTLE_STEPS_MAX 750

static struct options options;
static uint8_t buffer[BUFFER_BYTES];
static struct client *clients;
static int *idle_fds;
static int epoll;
static clockid_t server_clock;

// The part that runs now: no batch starts after `deadline_ns` or beyond `requests_left`.
static uint64_t deadline_ns;
static uint64_t requests_left;
static uint64_t answers;
static uint64_t errors;
static int under_way;

static void sleep_ns(long ns) {
  struct timespec pause = {.tv_nsec = ns};
  nanosleep(&pause, NULL);
}

// Waits until the server's CPU time stands still: then it is asleep and its time fully booked.
// A server that never rests (3 s) is measured as it is.
static uint64_t settled_cpu_ns(void) {
  if (options.server_pid == 0) return 0;
  uint64_t before = clock_ns(server_clock);
  for (int i = 0; i < SETTLE_STEPS_MAX; i++) {
    sleep_ns(SETTLE_STEP_NS);
    uint64_t now = clock_ns(server_clock);
    if (now - before < SETTLE_BUSY_NS) return now;
    before = now;
  }
  return before;
}

static int connect_one(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = loopback(options.port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  set_nodelay(fd);
  // A reset instead of TIME_WAIT: thousands of those would use up the ports.
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0) die("setsockopt");
  return fd;
}

// One batch there and back on a blocking socket: proof that the server has accepted it, and with it
// every connection made before.
static void round_trip(int fd) {
  struct client client = {.fd = fd};
  struct timeval limit = {.tv_sec = STALL_MS / 1000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) die("setsockopt");
  if (send(fd, batch, batch_bytes, MSG_NOSIGNAL) != (ssize_t)batch_bytes) die("first send");
  while (client.answered < options.depth) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0) die("first answer");
    int done = -1;
    if (n > 0) {
      done = (options.http ? http_receive : echo_receive)(&client, &options, buffer, (size_t)n);
    }
    if (done < 0) {
      fprintf(stderr, "first answer: %s\n", n == 0 ? "the server closed" : "not what was asked");
      exit(1);
    }
    client.answered += done;
  }
}

static void connect_all(void) {
  int total = options.idle + options.connections;
  idle_fds = calloc((size_t)options.idle + 1, sizeof *idle_fds);
  clients = calloc((size_t)options.connections, sizeof *clients);
  if (!idle_fds || !clients) die("calloc");
  for (int i = 0; i < total; i++) {
    int fd = connect_one();
    if (i % CONNECT_BATCH == CONNECT_BATCH - 1 || i == total - 1) round_trip(fd);
    if (i < options.idle) {
      idle_fds[i] = fd;
      continue;
    }
    struct client *client = &clients[i - options.idle];
    client->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
  }
}

// A connection that failed is closed and stays so; its error makes the driver refuse the run.
static void fail(struct client *client) {
  errors++;
  under_way--;
  close(client->fd);
  client->fd = -1;
}

static void watch_writing(struct client *client, bool writing) {
  uint32_t events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  struct epoll_event event = {.events = events, .data.ptr = client};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event) < 0) die("epoll_ctl");
}

static void send_batch(struct client *client) {
  bool waited = client->sent > 0;
  size_t left = batch_bytes - client->sent;
  ssize_t n = send(client->fd, batch + client->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) {
    fail(client);
    return;
  }
  client->sent += n < 0 ? 0 : (size_t)n;
  bool done = client->sent == batch_bytes;
  if (done == waited) watch_writing(client, !done);
}

static void start_batch(struct client *client, uint64_t now) {
  if (now >= deadline_ns || requests_left < (uint64_t)options.depth) return;
  requests_left -= (uint64_t)options.depth;
  under_way++;
  client->sent = 0;
  client->received = 0;
  client->answered = 0;
  client->started_ns = now;
  send_batch(client);
}

static void on_readable(struct client *client) {
  ssize_t n = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  int done = -1;
  if (n > 0) {
    done = (options.http ? http_receive : echo_receive)(client, &options, buffer, (size_t)n);
  }
  if (done < 0) {
    fail(client);
    return;
  }
  if (done == 0) return;
  uint64_t now = now_ns();
  for (int i = 0; i < done; i++) histogram_record(now - client->started_ns);
  answers += (uint64_t)done;
  client->answered += done;
  if (client->answered < options.depth) return;
  under_way--;
  start_batch(client, now);
}

// Runs the loop until the time or the requests are used up and every answer has come.
static void run(uint64_t duration_ns, uint64_t requests) {
  static struct epoll_event ready[EVENTS_MAX];
  histogram_reset();
  answers = 0;
  uint64_t now = now_ns();
  deadline_ns = now + duration_ns;
  requests_left = requests ? requests : UINT64_MAX;
  for (int i = 0; i < options.connections; i++) {
    if (clients[i].fd >= 0) start_batch(&clients[i], now);
  }
  while (under_way > 0) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, STALL_MS);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    if (count == 0) {
      fprintf(stderr, "no answer for %d ms, %d batches under way\n", STALL_MS, under_way);
      exit(1);
    }
    for (int i = 0; i < count; i++) {
      struct client *client = ready[i].data.ptr;
      if (client->sent < batch_bytes && (ready[i].events & EPOLLOUT)) send_batch(client);
      if (client->fd >= 0 && (ready[i].events & ~(uint32_t)EPOLLOUT)) on_readable(client);
    }
  }
}

// Idle connections must still be open and silent at the end.
static void check_idle(void) {
  for (int i = 0; i < options.idle; i++) {
    ssize_t n = recv(idle_fds[i], buffer, 1, MSG_DONTWAIT | MSG_PEEK);
    if (n >= 0 || errno != EAGAIN) errors++;
  }
}

static void measure(void) {
  uint64_t cpu_before = settled_cpu_ns();
  uint64_t before = now_ns();
  run(options.duration_ns, options.requests);
  double seconds = (double)(now_ns() - before) / 1e9;
  uint64_t cpu = settled_cpu_ns() - cpu_before;
  check_idle();
  printf("{\"requests\":%llu,\"seconds\":%.6f,\"p50Us\":%.2f,\"p99Us\":%.2f,\"errors\":%llu,"
         "\"serverCpuNs\":%llu}\n",
         (unsigned long long)answers, seconds, (double)histogram_quantile(0.5) / 1e3,
         (double)histogram_quantile(0.99) / 1e3, (unsigned long long)errors,
         (unsigned long long)cpu);
}

static const struct option flags[] = {
    {"port", required_argument, NULL, 'p'},        {"mode", required_argument, NULL, 'm'},
    {"connections", required_argument, NULL, 'c'}, {"idle", required_argument, NULL, 'i'},
    {"payload", required_argument, NULL, 'b'},     {"depth", required_argument, NULL, 'd'},
    {"warmup-ms", required_argument, NULL, 'w'},   {"duration-ms", required_argument, NULL, 't'},
    {"requests", required_argument, NULL, 'n'},    {"server-pid", required_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

static void usage(void) {
  fprintf(stderr,
          "usage: load --port N [--mode echo|http] [--connections N] [--idle N] [--payload BYTES]\n"
          "            [--depth N] [--warmup-ms N] [--duration-ms N] [--requests N]\n"
          "            [--server-pid PID]\n");
  exit(2);
}

static void parse(int argc, char **argv) {
  options = (struct options){
      .connections = 1, .payload_bytes = 64, .depth = 1, .duration_ns = 1000000000u};
  for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
    if (flag == 'm' && strcmp(optarg, "echo") != 0 && strcmp(optarg, "http") != 0) usage();
    long value = flag == '?' || flag == 'm' ? 0 : atol(optarg);
    switch (flag) {
      case 'p': options.port = (uint16_t)value; break;
      case 'm': options.http = strcmp(optarg, "http") == 0; break;
      case 'c': options.connections = (int)value; break;
      case 'i': options.idle = (int)value; break;
      case 'b': options.payload_bytes = (size_t)value; break;
      case 'd': options.depth = (int)value; break;
      case 'w': options.warmup_ns = (uint64_t)value * 1000000u; break;
      case 't': options.duration_ns = (uint64_t)value * 1000000u; break;
      case 'n': options.requests = (uint64_t)value; break;
      case 's': options.server_pid = (int)value; break;
      default: usage();
    }
  }
  if (options.port == 0 || options.connections < 1 || options.idle < 0 || options.depth < 1 ||
      options.payload_bytes < 1 || optind != argc) {
    usage();
  }
}

int main(int argc, char **argv) {
  parse(argc, argv);
  raise_nofile();
  if (options.server_pid && clock_getcpuclockid(options.server_pid, &server_clock) != 0) {
    fprintf(stderr, "no process %d to measure\n", options.server_pid);
    return 1;
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  batch_build(&options);
  connect_all();
  settled_cpu_ns();
  run(options.warmup_ns, 0);
  measure();
  for (int i = 0; i < options.idle; i++) close(idle_fds[i]);
  for (int i = 0; i < options.connections; i++) {
    if (clients[i].fd >= 0) close(clients[i].fd);
  }
  // The server pays for the closing before anyone else is measured.
  settled_cpu_ns();
  return 0;
}
