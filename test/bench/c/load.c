// The load generator: opens connections, warms up, measures. What is sent when is in load_closed.c
// and load_paced.c.
//
// The measured part begins and ends with no request under way and the server asleep. So the CPU
// time read then belongs to exactly the requests counted, and none of it is still unaccounted for.
#include "load.h"
#include "settled.h"

#define CONNECT_BATCH 256
// The first of the idle connections, one in so many, warm up what opening them takes.
#define IDLE_WARMUP 2

uint8_t buffer[BUFFER_BYTES];
struct client *clients;
int epoll;
uint64_t answers;
uint64_t errors;

static int *idle_fds[2];
static int idle_counts[2];
static clockid_t server_clock;

static uint64_t server_cpu_ns(void) {
  return options.server_pid == 0 ? 0 : settled_cpu_ns(server_clock);
}

// The server's resident memory in KiB, counted page by page: the sum in `status` may be behind.
static long server_rss_kib(void) {
  if (options.server_pid == 0) return 0;
  char path[64];
  char line[256];
  long kib = -1;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", options.server_pid);
  FILE *file = fopen(path, "re");
  if (!file) die(path);
  while (kib < 0 && fgets(line, sizeof line, file)) {
    if (sscanf(line, "Rss: %ld kB", &kib) != 1) kib = -1;
  }
  fclose(file);
  return kib;
}

static int connect_one(void) {
  int fd = socket(AF_INET, (options.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = loopback(options.port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  if (options.udp) return fd;
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
    int done = n > 0 ? answer_receive(&client, buffer, (size_t)n) : -1;
    if (done < 0) {
      fprintf(stderr, "first answer: %s\n", n == 0 ? "the server closed" : "not what was asked");
      exit(1);
    }
    client.answered += done;
  }
}

// Opens `count` connections and returns their descriptors; the server has accepted them all.
static int *connect_many(int count) {
  int *fds = calloc((size_t)count + 1, sizeof *fds);
  if (!fds) die("calloc");
  for (int i = 0; i < count; i++) {
    fds[i] = connect_one();
    if (i % CONNECT_BATCH == CONNECT_BATCH - 1 || i == count - 1) round_trip(fds[i]);
  }
  return fds;
}

static void connect_clients(void) {
  int *fds = connect_many(options.connections);
  clients = calloc((size_t)options.connections, sizeof *clients);
  if (!clients) die("calloc");
  for (int i = 0; i < options.connections; i++) {
    struct client *client = &clients[i];
    client->fd = fds[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) die("epoll_ctl");
  }
  free(fds);
}

// Idle connections must still be open and silent at the end.
static void check_idle(void) {
  for (int part = 0; part < 2; part++) {
    for (int i = 0; i < idle_counts[part]; i++) {
      ssize_t n = recv(idle_fds[part][i], buffer, 1, MSG_DONTWAIT | MSG_PEEK);
      if (n >= 0 || errno != EAGAIN) errors++;
    }
  }
}

static void run(uint64_t duration_ns, uint64_t requests) {
  if (options.rate) run_paced(duration_ns);
  else run_closed(duration_ns, requests);
}

// Opens the idle connections; returns by how many bytes the server grew for each of them. Not for
// the first: while these are opened, a server that compiles as it goes compiles what opens them.
static long connect_idle(void) {
  idle_counts[0] = options.idle / IDLE_WARMUP;
  idle_counts[1] = options.idle - idle_counts[0];
  idle_fds[0] = connect_many(idle_counts[0]);
  run(options.warmup_ns, 0);
  server_cpu_ns();
  long before = server_rss_kib();
  idle_fds[1] = connect_many(idle_counts[1]);
  server_cpu_ns();
  return (server_rss_kib() - before) * 1024 / idle_counts[1];
}

static void measure(long idle_bytes) {
  uint64_t cpu_before = server_cpu_ns();
  uint64_t before = now_ns();
  run(options.duration_ns, options.requests);
  double seconds = (double)(now_ns() - before) / 1e9;
  uint64_t cpu = server_cpu_ns() - cpu_before;
  check_idle();
  printf("{\"requests\":%llu,\"seconds\":%.6f,\"p50Us\":%.2f,\"p99Us\":%.2f,\"errors\":%llu,"
         "\"serverCpuNs\":%llu,\"idleBytes\":%ld}\n",
         (unsigned long long)answers, seconds, (double)histogram_quantile(0.5) / 1e3,
         (double)histogram_quantile(0.99) / 1e3, (unsigned long long)errors,
         (unsigned long long)cpu, idle_bytes);
}

int main(int argc, char **argv) {
  options_parse(argc, argv);
  raise_nofile();
  if (options.server_pid && clock_getcpuclockid(options.server_pid, &server_clock) != 0) {
    fprintf(stderr, "no process %d to measure\n", options.server_pid);
    return 1;
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  batch_build();
  connect_clients();
  server_cpu_ns();
  run(options.warmup_ns, 0);
  long idle_bytes = options.idle > 0 ? connect_idle() : 0;
  if (options.idle > 0) run(options.warmup_ns, 0);
  measure(idle_bytes);
  for (int part = 0; part < 2; part++) {
    for (int i = 0; i < idle_counts[part]; i++) close(idle_fds[part][i]);
  }
  for (int i = 0; i < options.connections; i++) {
    if (clients[i].fd >= 0) close(clients[i].fd);
  }
  // The server pays for the closing before anyone else is measured.
  server_cpu_ns();
  return 0;
}
