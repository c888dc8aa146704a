// Runs a command with no capabilities: of root nothing stays but its user id, so that files and
// ports are refused as to anybody else. Its own files it may still read, wherever they lie, which
// a change of user would not give.
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  // What is not in the bounding set, execve gives back to nobody.
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability) != 0) {
      perror("PR_CAPBSET_DROP");
      return 2;
    }
  }
  execv(argv[1], argv + 1);
  perror(argv[1]);
  return 2;
}
