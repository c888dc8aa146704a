/** What `--help` prints. */
export const HELP = `Usage: sandpoll [run] [options] guest.wasm [arguments of the guest...]
       sandpoll serve [options] guest.wasm [arguments of the guest...]
       sandpoll serve [options of pipeline] pipeline.toml
       sandpoll reload PID
       sandpoll pipeline [options] pipeline.toml
       sandpoll top [--once] ADDR
       sandpoll inspect guest.wasm
       sandpoll build server.c... -o server.wasm [-- options of clang...]

Runs a sandboxed WebAssembly guest on real Linux epoll, shows what a module
imports and which flags it will need, or makes a guest of a C program for Linux
($CLANG, clang-19 or clang does it). Options stand before the file; everything
after it belongs to the guest.

Options of run:
  --dir HOST[::GUEST][:ro] give the guest a directory and all beneath it, under that
                           name (as HOST is written unless said), and with :ro to
                           read only (repeatable); nothing in it leads out of it
  --listen [NAME=]ADDR     open a listener for the guest (repeatable): 8080, :8080,
                           127.0.0.1:8080, [::1]:8080, udp://..., unix:/path;
                           port 0 picks one and prints it
  --allow-net[=RULE]       let the guest make sockets of its own (repeatable)
  --deny-net RULE          refuse what --allow-net would allow; deny wins
  --allow-resolve[=GLOB]   let the guest look names up: all, or those like
                           *.example.com (repeatable)
  --allow-fastopen         let the guest turn on TCP Fast Open
  --env NAME[=VALUE]       give the guest an environment variable (repeatable)
  --stdin FILE             give the guest a file to read; or ignore (nothing), or
                           inherit, unless said
  --stdout, --stderr FILE  have what it prints in a file, which FILE:append does not
                           empty first; or ignore, or inherit
  --isolate TIER           what a guest runs in: thread (unless said), or process,
                           which confines itself before: rlimits, no_new_privs,
                           Landlock and seccomp (SECURITY.md)
  --workers N              run N instances, each in a thread, that share what they
                           listen on (1 unless said, at most 256)
  --share WAY              how they do: exclusive (one listener; EPOLLEXCLUSIVE
                           wakes one for a connection) or reuseport (one each)
  --timeout DURATION       end the guest after this long: 500ms, 2s, 1m
  --max-cpu DURATION       end it after so much CPU time of its threads
  --grace DURATION         how long a guest with a signalfd has to leave after
                           SIGTERM or SIGINT (10s unless said); a second one
                           kills it at once, the same one from 1s later on
  --max-memory SIZE        the most memory it can have: 64MiB (1GiB unless said)
  --max-fds N              the most descriptors it can open (1024 unless said)
  --max-connections N      the most of them that can be connections; the next wait
                           in the queue of their listener
  --max-buffered SIZE      the most its sockets can buffer in the kernel, shared out
                           equally among --max-fds
  --max-threads N          the most threads it can run at a time (64 unless said)
  --trace[=GROUPS]         print each call on stderr as strace does; groups:
                           sock,epoll,poll,fs,clock,process
  --metrics ADDR           serve /metrics (Prometheus), /healthz, /readyz and a page
                           of plots: 9090 (loopback), 127.0.0.1:9090, *:9090
  --log-format text|json   how the host speaks on stderr; json has also what guests
                           print, a line an object
  --log-level LEVEL        error, warn, info (unless said) or debug
  --capture-output         have what guests print in the log, made harmless
  --quiet                  print nothing but errors
  -h, --help               print this
  -V, --version            print the version

Options of serve, besides those of run. A service stops at SIGTERM and SIGINT, and
takes its module anew at SIGHUP, which reload sends to it:
  --restart KIND           start a guest again that has ended: permanent (always,
                           unless said), transient (unless it left with 0) or
                           temporary (never)
  --restart-limit N/TIME   give up after so many restarts within so long (10/60s
                           unless said)
  --ready-timeout DURATION how long a new module has until it waits at its
                           listeners (10s unless said); else the old one stays
  --probe PATH             what it must answer by HTTP before it gets a connection

Options of pipeline, whose file gives each role its own options of run:
  --check                  look the file and its modules over, and start nothing
  --restart, --restart-limit: as for serve (it is not started again unless said)
  --ready-timeout DURATION how long it has until the roles with a probe answer, at the
                           start and at a reload (10s unless said)
  --grace, --quiet, --metrics, --capture-output, --log-...: as for run

RULE is [tcp:|udp:]HOST|CIDR|*[:PORT[-PORT][,...]][/in|/out], or unix:PATH.

Exit status: the guest's own; 134 after a trap, 124 after --timeout or
--max-cpu, 129, 130 or 143 after SIGHUP, SIGINT or SIGTERM that the guest did not
take, 2 for wrong usage, 1 for a module that cannot be loaded or a listener that
cannot be opened.
`;
