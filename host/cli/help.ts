/** What `--help` prints. */
export const HELP = `Usage: sandpoll [run] [options] guest.wasm [arguments of the guest...]
       sandpoll inspect guest.wasm
       sandpoll build server.c... -o server.wasm [-- options of clang...]

Runs a sandboxed WebAssembly guest on real Linux epoll, shows what a module
imports and which flags it will need, or makes a guest of a C program for Linux
($CLANG, clang-19 or clang does it). Options stand before the file; everything
after it belongs to the guest.

Options of run:
  --listen [NAME=]ADDR     open a listener for the guest (repeatable): 8080, :8080,
                           127.0.0.1:8080, [::1]:8080, udp://..., unix:/path;
                           port 0 picks one and prints it
  --allow-net[=RULE]       let the guest make sockets of its own (repeatable)
  --deny-net RULE          refuse what --allow-net would allow; deny wins
  --allow-resolve[=GLOB]   let the guest look names up: all, or those like
                           *.example.com (repeatable)
  --allow-fastopen         let the guest turn on TCP Fast Open
  --env NAME[=VALUE]       give the guest an environment variable (repeatable)
  --timeout DURATION       kill the guest after this long: 500ms, 2s, 1m
  --grace DURATION         how long a guest with a signalfd has to leave after
                           SIGTERM or SIGINT (10s unless said); a second one
                           kills it at once, the same one from 1s later on
  --max-memory SIZE        the most memory it can have: 64MiB (1GiB unless said)
  --max-fds N              the most descriptors it can open (1024 unless said)
  --trace[=GROUPS]         print each call on stderr as strace does; groups:
                           sock,epoll,poll,fs,clock,process
  --quiet                  print nothing but errors
  -h, --help               print this
  -V, --version            print the version

RULE is [tcp:|udp:]HOST|CIDR|*[:PORT[-PORT][,...]][/in|/out], or unix:PATH.

Exit status: the guest's own; 134 after a trap, 124 after --timeout, 129, 130
or 143 after SIGHUP, SIGINT or SIGTERM that the guest did not take, 2 for wrong
usage, 1 for a module that cannot be loaded or a listener that cannot be opened.
`;
