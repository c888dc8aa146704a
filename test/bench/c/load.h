// The load generator: what to send, what to expect, and how long each answer took.
#pragma once
#include "common.h"

#include <stdbool.h>
#include <sys/epoll.h>

#define HEAD_BYTES_MAX 2048
#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define STALL_MS 5000
#define LINE_BYTES_MIN 32

struct options {
  uint16_t port;
  bool http;
  bool udp;              // echo over connected datagram sockets
  bool lines;            // lines to examples/tutorial-pipeline
  int connections;
  int idle;              // further connections that only stay open
  size_t payload_bytes;  // of one echo request
  int depth;             // requests sent at once, before their answers are awaited
  uint64_t rate;         // requests a second in all, whatever the answers do; 0: a closed loop
  uint64_t warmup_ns;
  uint64_t duration_ns;  // of the measured part, unless `requests` ends it earlier
  uint64_t requests;     // closed loop; 0: as many as there is time for
  int server_pid;        // 0: nobody's CPU time and memory are measured
};

// One connection. In the closed loop: a batch of `depth` requests, then `depth` answers, and again.
struct client {
  int fd;
  size_t sent;                // bytes of the batch already sent
  size_t received;            // echo, lines: bytes of the answers already received
  int answered;               // requests of the batch, or of the paced run, already answered
  uint64_t started_ns;        // when the batch was sent
  bool in_body;               // http: the head of the answer has been taken
  size_t body_left;           // http: bytes of its body still to come
  size_t head_bytes;          // http: bytes kept in `head`
  char head[HEAD_BYTES_MAX];  // http: a head that came in several pieces
};

extern struct options options;
extern struct client *clients;
extern int epoll;
extern uint8_t buffer[BUFFER_BYTES];

// Of the last run.
extern uint64_t answers;
extern uint64_t errors;

// Ends the program with status 2 unless the command line is right.
void options_parse(int argc, char **argv);

// The bytes of one batch, the same for every connection.
extern uint8_t *batch;
extern size_t batch_bytes;

// What the answers to a batch must be; not in http.
extern uint8_t *expected;
extern size_t expected_bytes;

void batch_build(void);

// Takes `n` received bytes; answers that became complete, or -1 when they are not what was asked.
int answer_receive(struct client *client, const uint8_t *p, size_t n);

// Runs until the time or the requests (0: no limit) are used up and every answer has come.
void run_closed(uint64_t duration_ns, uint64_t requests);

// Sends `options.rate` requests a second until the time is used up, and awaits every answer.
void run_paced(uint64_t duration_ns);

// A log-linear histogram of latencies, at most 0.8 % off.
void histogram_reset(void);
void histogram_record(uint64_t ns);
// The latency, in ns, that `share` (0 to 1) of the recorded answers did not exceed; 0 if none.
uint64_t histogram_quantile(double share);
