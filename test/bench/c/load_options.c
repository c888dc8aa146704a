// The command line of the load generator.
#include "load.h"

#include <getopt.h>

struct options options = {
    .connections = 1, .payload_bytes = 64, .depth = 1, .duration_ns = 1000000000u};

static const struct option flags[] = {
    {"port", required_argument, NULL, 'p'},        {"mode", required_argument, NULL, 'm'},
    {"connections", required_argument, NULL, 'c'}, {"idle", required_argument, NULL, 'i'},
    {"payload", required_argument, NULL, 'b'},     {"depth", required_argument, NULL, 'd'},
    {"rate", required_argument, NULL, 'r'},        {"warmup-ms", required_argument, NULL, 'w'},
    {"duration-ms", required_argument, NULL, 't'}, {"requests", required_argument, NULL, 'n'},
    {"server-pid", required_argument, NULL, 's'},  {NULL, 0, NULL, 0},
};

static void usage(void) {
  fprintf(stderr,
          "usage: load --port N [--mode echo|http|udp|lines] [--connections N]\n"
          "            [--idle N] [--payload BYTES] [--depth N | --rate N] [--warmup-ms N]\n"
          "            [--duration-ms N] [--requests N] [--server-pid PID]\n");
  exit(2);
}

static void parse_mode(const char *mode) {
  options.http = strcmp(mode, "http") == 0;
  options.udp = strcmp(mode, "udp") == 0;
  options.lines = strcmp(mode, "lines") == 0;
  if (!options.http && !options.udp && !options.lines && strcmp(mode, "echo") != 0) usage();
}

void options_parse(int argc, char **argv) {
  for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
    long value = flag == '?' || flag == 'm' ? 0 : atol(optarg);
    switch (flag) {
      case 'p': options.port = (uint16_t)value; break;
      case 'm': parse_mode(optarg); break;
      case 'c': options.connections = (int)value; break;
      case 'i': options.idle = (int)value; break;
      case 'b': options.payload_bytes = (size_t)value; break;
      case 'd': options.depth = (int)value; break;
      case 'r': options.rate = (uint64_t)value; break;
      case 'w': options.warmup_ns = (uint64_t)value * 1000000u; break;
      case 't': options.duration_ns = (uint64_t)value * 1000000u; break;
      case 'n': options.requests = (uint64_t)value; break;
      case 's': options.server_pid = (int)value; break;
      default: usage();
    }
  }
  if (options.port == 0 || options.connections < 1 || options.idle < 0 || options.depth < 1 ||
      options.payload_bytes < 1 || options.rate > 1000000000u || optind != argc) {
    usage();
  }
  bool paced_echo = options.depth == 1 && !options.http && !options.lines;
  if (options.rate > 0 && !paced_echo) usage();
  if (options.lines && (options.payload_bytes < LINE_BYTES_MIN || options.depth > 16)) usage();
}
