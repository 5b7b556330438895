/* test_files.h - the groups of the files room's test program, and a little world of nodes that give files to each other, in virtual time. */
#ifndef RF_TEST_FILES_H
#define RF_TEST_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/openssl/openssl.h"
#include "files/files.h"

int test_files_format(void);
int test_files_fetch(void);
int test_files_serve(void);

#define NET_NODES 6
#define NET_FILES 2

enum net_vice {
    NET_HONEST,
    NET_FLIPS,   /* a bit of every chunk */
    NET_PROOFS,  /* a bit of every proof */
    NET_SWAPS,   /* gives another chunk than was asked for, under the number of that one */
    NET_MUTE,    /* takes questions and never answers */
    NET_TALKS,   /* says what it has every second, and gives nothing of it */
    NET_TRICKLES /* sends its answers a byte at a time, 1000 a second */
};

/* A file at a node: what a disk would have. */
struct net_file {
    bool there;
    uint8_t id[RF_FILE_ID_LEN], secret[RF_FILE_SECRET_LEN];
    struct rf_file_shape shape;
    uint8_t *plain, *nodes; /* owned */
};

struct net_node {
    struct net *net;
    struct rf_files *files;
    struct rf_id id;
    bool up;
    enum net_vice vice;
    size_t rate;    /* bytes per step that it sends on a connection; 0: all that there is */
    int disk_error; /* of every write */
    int read_error; /* of every read */
    struct net_file disk[NET_FILES];
    struct rf_list gets, puts; /* jobs that wait */
    uint8_t finishing[RF_FILE_ID_LEN];
    bool finish_due;
    struct {
        uint64_t token, peer; /* peer: index */
    } attaches[16];
    size_t attach_count;
    /* what it told */
    unsigned progress, stalled, no_source, bad, fetched, unreadable;
    struct rf_id bad_node;
    int error;
};

struct net_pipe { /* bytes on their way */
    uint8_t *p;   /* owned */
    size_t len, cap;
};
struct net_conn {
    bool open;
    bool by_hand;   /* what goes to the second end stays in the pipe: the test takes it */
    size_t ends[2]; /* nodes */
    struct net_pipe to[2];
};

struct net {
    struct rf_mem_test mem;
    struct rf_crypto *crypto;
    struct rf_rng_seeded rng;
    struct rf_now now;
    struct net_node nodes[NET_NODES];
    struct net_conn conns[64]; /* number of a connection: its place + 1 */
    size_t conn_count;
    uint64_t step_us; /* 1000 */
    uint64_t talk_us; /* when those who talk did last */
    bool quiet;       /* nothing happened in the last step */
};

int net_set_up(void **state);
int net_tear_down(void **state); /* also checks that no memory is left */
extern struct net net;

/* net_start: a node, anew if it was there: with what its disk has. */
void net_start(size_t node, const struct rf_files_config *more);
void net_stop(size_t node); /* kill: connections break, jobs are lost */
/* net_make puts a file of `size` bytes onto a node's disk and into its table; returns it. */
struct net_file *net_make(size_t node, uint64_t size, uint8_t chunk_bits);
/* net_give: another node has that file too; have: bits of what of it, NULL: all. */
struct net_file *net_give(size_t node, const struct net_file *from, const uint8_t *have);
/* net_fetch: node fetches that file; it has nothing of it yet. */
struct net_file *net_fetch(size_t node, const struct net_file *from);
void net_source(size_t node, const struct net_file *file, size_t source);
/* net_run goes on until done(arg) or so much time is over; says which. */
bool net_run(uint64_t max_us, bool (*done)(void *arg), void *arg);
bool net_fetched(void *node); /* for net_run: struct net_node * */
bool net_same(const struct net_file *a, const struct net_file *b);
struct rf_files_info net_info(size_t node, const struct net_file *file);

#endif
