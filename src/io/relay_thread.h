/*
 * relay_thread.h - the inside of the relay, shared by relay.c (birth and death), relay_path.c (the data path) and relay_stream.c (clients by TCP and TLS).
 *
 * A turn of a thread's loop: every ready socket is read once, up to the number of free buffers; what is to be sent is noted, pointing into the buffers;
 * at the end of the turn, or when no buffer is free, all of it goes out: one sendmmsg for all clients, one for each allocation's socket.
 * A buffer holds one datagram, or several of one size from one sender that the kernel joined (UDP_GRO); what goes to one address in one size
 * leaves joined, too (UDP_SEGMENT).
 */
#ifndef RF_IO_RELAY_THREAD_H
#define RF_IO_RELAY_THREAD_H

#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sys/socket.h>
#include "io/listener.h"
#include "io/loop.h"
#include "io/relay.h"
#include "io/relay_tls.h"

#define BATCH        64 /* buffers of a thread; datagrams of one system call */
#define BUFFER_LEN   65536
#define OUT_MAX      1024 /* datagrams noted for sending */
#define OUT_NONE     UINT16_MAX
#define REPLY_LEN    640
#define STREAM_SLOTS 4096 /* clients by TCP of one thread */
#define JOINED_MAX   64   /* segments of one UDP_SEGMENT send (UDP_MAX_SEGMENTS) */
#define JOINED_BYTES 65000

struct relay_thread;

/* Datagrams that wait to leave by one socket, in order. */
struct relay_line {
    uint16_t first, last;
    bool noted; /* in the thread's list */
    struct rf_list list;
};

struct relay_socket { /* an allocation's */
    struct relay_thread *thread;
    struct rf_turn_alloc *alloc;
    int fd;
    struct relay_line line;
};

struct relay_out {
    struct rf_addr to;
    uint16_t next;
    uint8_t head_len, pad;
    uint32_t len; /* of the payload */
    const uint8_t *payload;
    uint8_t head[RF_TURN_HEAD_MAX];
};

/* A client that came by TCP or TLS. */
struct relay_stream {
    struct relay_thread *thread;
    struct rf_turn_from from;
    int fd;
    struct relay_tls *tls; /* owned; NULL: plain TCP */
    struct rf_timer timer;
    struct rf_buf in;  /* the beginning of a message */
    struct rf_buf out; /* what the socket did not take yet, from `sent` on */
    size_t sent;
    size_t record_left;  /* TLS: of the message that is being sent */
    struct rf_list list; /* of the streams with something new to send */
};

struct relay_thread {
    struct rf_relay *relay;
    pthread_t id;
    bool running, joins; /* joins: UDP_SEGMENT works here */
    bool closing;        /* no stream is taken any more */
    struct rf_loop *loop;
    struct rf_loop_task task;
    struct rf_timers timers;
    struct rf_env env;
    struct rf_rng_seeded jitter;
    struct rf_turn_host host;
    struct rf_crypto *crypto;
    struct rf_turn *turn;
    int fd;                                /* clients' */
    bool shares;                           /* its port: with somebody who is given what is not ours */
    struct rf_listener tcp, tls;           /* of streams; not started: none */
    struct relay_tls_context *tls_context; /* borrowed, of all threads */
    uint64_t handshakes_full_us;           /* when the budget of TLS handshakes would be full again */
    struct rf_relay_counters counters;
    struct relay_stream
        *streams[STREAM_SLOTS]; /* owned; a stream's flow is its slot and how often that was used */
    uint32_t stream_uses;
    size_t stream_count; /* slots in use */
    struct rf_list streams_ready;
    struct relay_line clients;
    struct rf_list lines; /* relay_sockets' lines with something to send */
    size_t used;          /* buffers */
    size_t out_count;
    size_t reply_count;
    uint8_t *buffers;       /* BATCH of BUFFER_LEN */
    uint8_t *replies;       /* BATCH of REPLY_LEN: answers to requests */
    struct relay_out *outs; /* OUT_MAX */
};

/* relay.c: what came for the other one who has the port */
void relay_stray(struct relay_thread *t, const struct rf_addr *from, struct rf_view bytes);

/* relay_path.c */
int relay_path_open(struct relay_thread *t);
void relay_path_close(struct relay_thread *t);
void relay_clients_ready(void *thread, int fd, unsigned events);
void relay_peers_ready(void *socket, int fd, unsigned events);
/* relay_from_client: one message of a client; `bytes` must stay until the next flush. */
void relay_from_client(struct relay_thread *t, const struct rf_turn_from *from, uint8_t *bytes, size_t len);
/* relay_flush sends what is noted; all buffers are free then. relay_forget drops what waits for one socket: it is about to be closed. */
void relay_flush(struct relay_thread *t);
void relay_line_init(struct relay_line *line);
void relay_forget(struct relay_socket *s);

/* relay_stream.c */
/* relay_streams_open listens for clients; addr gets the port that it became. */
int relay_streams_open(struct relay_thread *t, bool tls, struct rf_addr *addr);
void relay_streams_close(struct relay_thread *t);
/* relay_stream_take: fd is taken in any case */
void relay_stream_take(struct relay_thread *t, int fd, const struct rf_addr *remote, struct rf_view bytes);
void relay_streams_flush(struct relay_thread *t);
/* relay_stream_send: a relayed datagram (behind its header) or an answer (wrap NULL); what there is no room for is dropped and counted. */
void relay_stream_send(struct relay_thread *t, const struct rf_turn_from *to, const struct rf_turn_wrap *wrap,
                       struct rf_view payload);

#endif
