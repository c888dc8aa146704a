/*
 * What the scripts of `differential.c` have open, by slot, and what is on its way to it: enough to
 * wait for it.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "observe.h"

enum { SLOTS = 10, PENDING_MAX = 4, NONE = -1 };
enum kind { FREE, LOCAL, FILE_LIKE, TCP, UDP, LISTENER };

struct slot {
  enum kind kind;
  int fd;
  /* Of TCP and UDP: the slot of the other end, or NONE when that is closed. */
  int peer;
  /* Bytes that were sent to it and not yet received; of UDP, datagrams: never more than one. */
  int unread;
  /* Of TCP: whether an urgent byte was ever sent to it. Of UDP: whether it is connected. */
  int urgent, connected;
  /* Whether the other end has sent its FIN. */
  int finished;
  /* Whether it waits to be accepted by the listener `peer`. */
  int pending;
};

/* A connection that waits: its client, or NONE when that is closed; what the client sent. */
struct waiting {
  int client;
  int unread;
  int finished;
};

static struct slot slots[SLOTS];
static struct waiting queues[SLOTS][PENDING_MAX];
static int queued[SLOTS];

static int fd_of(int slot) { return slots[slot].kind == FREE ? -1 : slots[slot].fd; }

static void fill_slot(int slot, enum kind kind, int fd) {
  slots[slot] = (struct slot){.kind = kind, .fd = fd, .peer = NONE};
}

static void pause_ms(int ms) { poll(NULL, 0, ms); }

/* Waits until all that was sent to a slot is there; a datagram may be empty. */
static void settle_bytes(int slot) {
  char bytes[4096];
  int unread = slots[slot].unread;
  int wanted = slots[slot].kind == UDP ? 0 : unread;
  for (int tries = 0; tries < SETTLE_MS; tries++) {
    if (unread == 0) return;
    if (recv(slots[slot].fd, bytes, (size_t)unread, MSG_PEEK | MSG_DONTWAIT) >= wanted) return;
    pause_ms(1);
  }
  printf("broken: bytes never came\n");
}

static struct waiting *waiting_of(int client) {
  int listener = slots[client].peer;
  for (int i = 0; i < queued[listener]; i++) {
    if (queues[listener][i].client == client) return &queues[listener][i];
  }
  return NULL;
}

#endif
