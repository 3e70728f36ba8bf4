#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bytestream/framing/suffix.h"
#include "bytestream/libdillimpl.h"
#include "bytestream/msocket.h"
#include "bytestream/sockets.h"

/* Every byte goes over the wire with its bits flipped. */
struct flip {
  struct hvfs hvfs; /* first, so that it is where the object is */
  struct bsock_vfs bvfs;
  int lower;
};

static const char flip_place = 0;
static const void* flip_type = &flip_place;

static struct flip* from_bvfs(struct bsock_vfs* vfs) {
  return (struct flip*)((char*)vfs - offsetof(struct flip, bvfs));
}

static void flip_list(struct iolist* first) {
  for (; first != NULL; first = first->iol_next) {
    char* bytes = first->iol_base;
    for (size_t i = 0; bytes != NULL && i < first->iol_len; ++i) bytes[i] = (char)~bytes[i];
  }
}

/* What is to be sent is the caller's and stays as it is. */
static int flip_bsendl(struct bsock_vfs* vfs, struct iolist* first, struct iolist* last,
                       int64_t deadline) {
  size_t size = 0;
  for (struct iolist* it = first; it != NULL; it = it->iol_next) size += it->iol_len;
  char* wire = malloc(size + 1);
  if (wire == NULL) return -1;
  char* to = wire;
  for (struct iolist* it = first; it != NULL; it = it->iol_next) {
    if (it->iol_len > 0) memcpy(to, it->iol_base, it->iol_len);
    to += it->iol_len;
  }
  struct iolist all = {wire, size, NULL, 0};
  flip_list(&all);
  (void)last;
  int result = bsendl(from_bvfs(vfs)->lower, &all, &all, deadline);
  int error = errno;
  free(wire);
  errno = error;
  return result;
}

/* On a timeout the lower socket keeps what it has received, as it was. */
static int flip_brecvl(struct bsock_vfs* vfs, struct iolist* first, struct iolist* last,
                       int64_t deadline) {
  if (brecvl(from_bvfs(vfs)->lower, first, last, deadline) != 0) return -1;
  flip_list(first);
  return 0;
}

static void* flip_query(struct hvfs* vfs, const void* type) {
  struct flip* self = (struct flip*)vfs;
  return type == bsock_type ? (void*)&self->bvfs : type == flip_type ? (void*)self : NULL;
}

static void flip_close(struct hvfs* vfs) {
  struct flip* self = (struct flip*)vfs;
  if (self->lower >= 0) hclose(self->lower);
  free(self);
}

/* Takes the bytestream `lower` over, and closes it if that fails. */
static int flip_attach(int lower) {
  lower = hown(lower);
  if (lower < 0) return -1;
  struct flip* self = malloc(sizeof(*self));
  if (self != NULL) {
    *self = (struct flip){{flip_query, flip_close}, {flip_bsendl, flip_brecvl}, lower};
    int h = hmake(&self->hvfs);
    if (h >= 0) return h;
    free(self);
  }
  hclose(lower);
  return -1;
}

/* Gives the bytestream below back. */
static int flip_detach(int h) {
  struct flip* self = hquery(h, flip_type);
  if (self == NULL) return -1;
  int lower = self->lower;
  self->lower = -1;
  hclose(h);
  return lower;
}

int main(void) {
  int s[2];
  if (ipc_pair(s) != 0) return 1;
  int a = suffix_attach(flip_attach(s[0]), "\r\n", 2); /* ours on top of it */
  int b = suffix_attach(flip_attach(s[1]), "\r\n", 2);
  char line[16];
  if (msend(a, "hello", 5, -1) != 0) return 1;
  if (mrecv(b, line, sizeof(line), -1) != 5 || memcmp(line, "hello", 5) != 0) return 1;
  a = flip_detach(suffix_detach(a, -1)); /* and off again */
  b = flip_detach(suffix_detach(b, -1));
  if (bsend(b, "plain", 5, -1) != 0 || brecv(a, line, 5, -1) != 0) return 1;
  if (memcmp(line, "plain", 5) != 0) return 1;
  return hclose(a) == 0 && hclose(b) == 0 ? 0 : 1;
}
