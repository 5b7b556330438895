/*
 * table.h - the inside of link/: struct rf_links, struct rf_link and what the files of this room call of each other.
 *
 *   links.c      the table: birth and death, queries, what node/ orders
 *   flow.c       the shell's doorway: connections come, bytes go in and out, actions
 *   handshake.c  from a connection to an authenticated peer: dialling, channel, judgement, purpose
 *   frame.c      frames, acknowledgements, application bytes
 *   watch.c      the timer of each link: time-outs, suspicion, keep-alive, silence
 *   address.c    how many and how fast from one address
 *   expect.c     connections that an Attach or AppAttach announced
 *
 * A link ends in two steps, so that nobody's pointer dies under him. link_end() takes it out of service at once and puts it on `ended`;
 * report_ended(), the last act of every door that may call node/, tells host.down. The struct itself goes when the shell has been
 * told to close the flow and the output is gone.
 */
#ifndef RF_LINK_TABLE_H
#define RF_LINK_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "link/link.h"
#include "wire/frame.h"

#define LINGER_US           (5 * RF_US_PER_S) /* a closing link's output may take that long */
#define ACK_BACKLOG_MAX_LEN 65536 /* a peer that does not read gets acknowledgements later beyond that */
#define SMALL_BACKLOG_LEN   16384 /* what each link may hold when all together hold too much */
#define ADDRESS_IDLE_MAX    4096  /* addresses remembered without a connection */
#define EXPECT_MAX          512   /* connections expected at once */
#define PEER_CERTS_MAX      8
#define DIAL_ADDRS_MAX      32
#define FRAME_BUF_MAX_LEN   ((size_t)1 << 25) /* the scratch buffers; frames end at 2^24 */

/* An outgoing link until it is UP. */
struct link_dial {
    struct rf_id expect; /* len 0: whoever is there */
    enum rf_link_purpose purpose;
    uint16_t application;
    size_t addr_count, next;
    struct rf_addr addrs[];
};

/* One IPv4 address or IPv6 /64. */
struct link_address {
    struct rf_map_node node;
    struct rf_list idle; /* in links->idle_addresses while link_count is 0 */
    uint8_t key[9];      /* family, then 4 or 8 bytes */
    uint32_t link_count; /* accepted connections alive */
    uint64_t tokens_us;  /* token bucket as a moment: the bucket is full when it lies a second back or more */
};

struct rf_link {
    struct rf_map_node node;
    rf_link_id id;
    struct rf_list todo;  /* in links->todo while an action is wanted */
    struct rf_list ended; /* in links->ended until host.down is called */
    struct rf_timer timer;
    struct rf_addr remote, local;
    struct rf_id node_id;
    uint8_t state;   /* enum rf_link_state */
    uint8_t purpose; /* enum rf_link_purpose */
    uint16_t application;
    bool outgoing : 1, resumed : 1, suspect : 1;
    bool flow_open : 1; /* the shell has a connection for it */
    bool want_close : 1, want_connect : 1, want_output : 1, output_told : 1;
    bool down_told : 1, was_up : 1;
    bool waiting : 1;   /* data frames are unacknowledged */
    bool timing : 1;    /* timed_seq is being measured */
    bool ack_owed : 1;  /* the peer does not read: it gets an acknowledgement when it does */
    bool too_large : 1; /* what comes is a message larger than may be; its front goes to the reader */
    int reason;
    struct rf_cert *cert;           /* one reference from UP on */
    struct rf_channel *channel;     /* from the first bytes until the end */
    struct link_dial *dial;         /* outgoing: until UP */
    struct link_address *address;   /* accepted */
    struct rf_buf out;              /* wire bytes for the flow */
    size_t out_off;                 /* of these already sent */
    struct rf_frame_reader *reader; /* while a frame is cut */
    struct rf_ack_log received;

    uint32_t send_seq;  /* of the next data frame */
    uint32_t acked_seq; /* the first not acknowledged */
    uint32_t timed_seq;
    uint64_t timed_us;                   /* when timed_seq was sent */
    uint64_t waiting_us;                 /* since when we wait for an acknowledgement */
    uint32_t srtt_us, rttvar_us, rto_us; /* at most RTO_MAX_US */
    uint64_t keepalive_us;               /* config's with jitter */
    uint64_t activity_us; /* last frame or application bytes either way, keep-alives and acks included */
    uint64_t message_us;  /* the same without those */
    uint64_t progress_us; /* output began to wait or was taken */
    uint64_t up_since_us;
    uint64_t bytes_in, bytes_out, frames_in, frames_out;
};

struct link_expect {
    struct rf_list list;
    struct rf_id node;
    enum rf_link_purpose purpose;
    uint16_t application;
    uint64_t until_us;
};

struct rf_links {
    const struct rf_env *env;
    struct rf_link_config config;
    struct rf_link_host host;
    struct rf_link_counters counters;
    struct rf_map map;
    rf_link_id last_id;
    size_t state_count[RF_LINK_CLOSING + 1];
    size_t accepting; /* accepted links in HANDSHAKE */
    size_t backlog_total;
    uint64_t budget_us, budget_at_us; /* of handshakes: what is in the bucket, as of when */
    struct rf_list todo, ended;
    struct rf_map addresses;
    struct rf_list idle_addresses; /* oldest first */
    size_t idle_address_count;
    struct rf_list expected; /* oldest first */
    size_t expected_count;
    struct rf_frame_reader reader; /* scratch: of the running input, if no frame was cut before */
    struct rf_buf plain;           /* scratch: what the running input decrypted to */
    struct rf_buf frame;           /* scratch: what is being sent */
    struct rf_buf acks;            /* acknowledgements that ack_link still owes */
    struct rf_link *ack_link;      /* the link whose input is running */
};

static inline uint64_t links_now(const struct rf_links *links)
{
    return links->env->now->mono_us;
}
static inline size_t link_backlog(const struct rf_link *link)
{
    return link->out.len - link->out_off;
}

/* ---- links.c ---- */
struct rf_link *link_find(const struct rf_links *links, rf_link_id id);
int link_new(struct rf_links *links, struct rf_link **out);
void link_free(struct rf_links *links, struct rf_link *link);
void link_set_state(struct rf_links *links, struct rf_link *link, enum rf_link_state state);
/* link_end takes the link out of service for `reason`; harmless on one that is CLOSING. polite: say good-bye. */
void link_end(struct rf_links *links, struct rf_link *link, int reason, bool polite);
void link_info(const struct rf_link *link, struct rf_link_info *out);
void report_ended(struct rf_links *links);

/* ---- flow.c ---- */
void link_want(struct rf_links *links, struct rf_link *link);
/* out_begin gives the buffer to append wire bytes to, out_end accounts for what was appended. */
struct rf_buf *out_begin(struct rf_links *links, struct rf_link *link, size_t *mark);
void out_end(struct rf_links *links, struct rf_link *link, size_t mark);
void out_discard(struct rf_links *links, struct rf_link *link);

/* ---- handshake.c ---- */
int dial_new(struct rf_links *links, const struct rf_addr *addrs, size_t addr_count,
             const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
             struct link_dial **out);
/* dial_next starts with the next address; false: there is none, or no memory. */
bool dial_next(struct rf_links *links, struct rf_link *link);
int channel_open(struct rf_links *links, struct rf_link *link);
/* link_up judges the peer once the channel is UP. On success host.up was called. On an error the link goes on dialling or has ended. */
void link_up(struct rf_links *links, struct rf_link *link);
/* link_fail: this attempt is over; dial the next address or end. */
void link_fail(struct rf_links *links, struct rf_link *link, int reason);

/* ---- frame.c ---- */
void reader_drop(struct rf_links *links, struct rf_link *link);
void frames_input(struct rf_links *links, struct rf_link *link, struct rf_view plain);
/* ack_pay sends the acknowledgement that was held back, once there is room for it. */
void ack_pay(struct rf_links *links, struct rf_link *link);
void acks_flush(struct rf_links *links, struct rf_link *link);
int frame_send(struct rf_links *links, struct rf_link *link, struct rf_view message);
int app_send(struct rf_links *links, struct rf_link *link, struct rf_view bytes);
void keepalive_send(struct rf_links *links, struct rf_link *link);

/* ---- watch.c ---- */
void link_timer_fired(struct rf_timer *timer, void *arg);
/* watch_deadline sets the one deadline of a link that is not UP. Errors: RF_ENOMEM. */
int watch_deadline(struct rf_links *links, struct rf_link *link, uint64_t delay_us);
/* watch brings the timer of a link that is UP forward if something became due earlier. */
void watch(struct rf_links *links, struct rf_link *link);
void watch_sent(struct rf_links *links, struct rf_link *link, uint32_t seq);
void watch_acked(struct rf_links *links, struct rf_link *link, uint32_t seq);

/* ---- address.c ---- */
/* address_admit counts one more connection from there. Errors: RF_ELIMIT, RF_ENOMEM. */
int address_admit(struct rf_links *links, const struct rf_addr *remote, struct link_address **out);
void address_leave(struct rf_links *links, struct link_address *address);
void addresses_init(struct rf_links *links);
void addresses_deinit(struct rf_links *links);

/* ---- budget.c ---- */
/* budget_take: is there time for a handshake with that address? It is taken then. budget_charge takes it in any case. */
bool budget_take(struct rf_links *links, const struct rf_addr *remote);
void budget_charge(struct rf_links *links);
void budget_resumed(struct rf_links *links); /* it was cheaper */

/* ---- expect.c ---- */
int expect_add(struct rf_links *links, const struct rf_id *node, enum rf_link_purpose purpose,
               uint16_t application);
/* expect_find returns what is expected from one of the certificate's nodes (purpose 0: any), NULL if nothing. */
struct link_expect *expect_find(struct rf_links *links, const struct rf_cert *cert,
                                enum rf_link_purpose purpose);
bool expects_any(struct rf_links *links); /* is somebody expected now? */
void expect_drop(struct rf_links *links, struct link_expect *expect);
void expects_deinit(struct rf_links *links);

#endif
