/*
 * table.h - the inside of link/: struct rf_links, struct rf_link and what the files of this room call of each other.
 *
 *   links.c      the table: birth and death, queries, what node/ orders
 *   flow.c       the shell's doorway: connections come, bytes go in and out, actions
 *   handshake.c  from a connection to an authenticated peer: dialling, channel, judgement, purpose
 *   frame.c      frames, acknowledgements, application bytes
 *   datagram.c   links of datagrams: doors, queue, strangers, the clock of handshakes
 *   reliable.c   messages over them arrive: numbers, repetitions, window
 *   kept.c       messages that are not acknowledged, for another link
 *   watch.c      the timer of each link: time-outs, suspicion, silence; keep-alives of all links
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
#include "link/datagram.h"
#include "wire/frame.h"

#define LINGER_US           (5 * RF_US_PER_S) /* a closing link's output may take that long */
#define ACK_BACKLOG_MAX_LEN 65536 /* a peer that does not read gets acknowledgements later beyond that */
#define SMALL_BACKLOG_LEN   16384 /* what each link may hold when all together hold too much */
#define ADDRESS_IDLE_MAX    4096  /* addresses remembered without a connection */
#define EXPECT_MAX          512   /* connections expected at once */
#define PEER_CERTS_MAX      8
#define QUIET_SLOTS         8 /* of links->quiet */
#define QUIET_FEW           8 /* links of which none is woken in vain */
#define DIAL_ADDRS_MAX      32
#define FRAME_BUF_MAX_LEN   ((size_t)1 << 25) /* the scratch buffers; frames end at 2^24 */

/* An outgoing link until it is UP. */
struct link_dial {
    struct rf_id expect; /* len 0: whoever is there */
    enum rf_link_purpose purpose;
    uint16_t application;
    size_t way_count, next; /* no ways: a path */
    struct rf_link_way ways[];
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
    struct rf_list quiet; /* in links->quiet while it may need keep-alives */
    struct rf_timer timer;
    struct rf_addr remote, local;
    struct rf_id node_id;
    uint8_t state;       /* enum rf_link_state */
    uint8_t purpose;     /* enum rf_link_purpose */
    uint8_t quiet_times; /* keepalive_us that it may be silent; 0: one */
    uint16_t application;
    uint32_t lasts_ms; /* rf_links_lasts; 0: not set */
    bool outgoing : 1, resumed : 1, suspect : 1;
    bool second : 1;    /* ... the peer's sign of life is due first */
    bool flow_open : 1; /* the shell has a connection for it */
    bool want_close : 1, want_connect : 1, want_output : 1, output_told : 1;
    bool down_told : 1, was_up : 1;
    bool waiting : 1;  /* data frames are unacknowledged */
    bool timing : 1;   /* timed_seq is being measured */
    bool ack_owed : 1; /* the peer does not read: it gets an acknowledgement when it does */
    bool brief : 1;    /* agreed: certificates of the handshake stay out of messages */
    bool renewed : 1;  /* our certificate was renewed since the handshake began */
    bool is_datagrams : 1, is_path : 1;
    bool keep : 1;      /* messages are kept until they are acknowledged */
    bool too_large : 1; /* what comes is a message larger than may be; its front goes to the reader */
    int reason;
    struct rf_cert *cert;             /* one reference from UP on */
    struct link_datagrams *datagrams; /* links of datagrams; from then until it is freed */
    uint32_t base;                    /* of these */
    struct rf_channel *channel;       /* from the first bytes until the end */
    struct link_dial *dial;           /* outgoing: until UP */
    struct link_address *address;     /* accepted */
    struct rf_buf out;                /* wire bytes for the flow */
    size_t out_off;                   /* of these already sent */
    struct rf_frame_reader *reader;   /* while a frame is cut */
    struct rf_ack_log received;
    struct rf_list kept; /* struct link_kept, oldest first */
    uint32_t kept_count, kept_len;

    uint32_t send_seq;  /* of the next data frame */
    uint32_t acked_seq; /* the first not acknowledged */
    uint32_t timed_seq;
    uint64_t timed_us;                   /* when timed_seq was sent */
    uint64_t waiting_us;                 /* since when we wait for an acknowledgement */
    uint32_t srtt_us, rttvar_us, rto_us; /* at most RTO_MAX_US */
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
    struct rf_link_counters *counters;
    struct rf_map map;
    rf_link_id last_id;
    size_t state_count[RF_LINK_CLOSING + 1];
    bool renewed;     /* our certificate was, at least once */
    size_t accepting; /* accepted links in HANDSHAKE */
    size_t backlog_total;
    uint64_t budget_us, budget_at_us; /* of handshakes: what is in the bucket, as of when */
    struct rf_list todo, ended;
    struct rf_list quiet[QUIET_SLOTS]; /* links by when to look for silence; see watch.c */
    struct rf_timer quiet_timer;
    uint64_t quiet_tick, quiet_phase_us;
    bool quiet_slept; /* the process did: what is due now says nothing of peers */
    struct rf_map addresses;
    struct rf_list idle_addresses; /* oldest first */
    size_t idle_address_count;
    struct rf_list expected; /* oldest first */
    size_t expected_count;
    struct rf_map by_address; /* struct link_datagrams */
    struct datagram_queue queue;
    struct rf_buf wire;            /* scratch: datagrams of the running call, v16 each */
    struct rf_frame_reader reader; /* scratch: of the running input, if no frame was cut before */
    struct rf_scratch *scratch;    /* its acks are what ack_link still owes */
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

static inline const struct rf_engine_ops *link_ops(const struct rf_links *links, const struct rf_link *link)
{
    return link->is_datagrams ? links->config.datagram_ops : links->config.engine_ops;
}

/* ---- links.c ---- */
struct rf_link *link_find(const struct rf_links *links, rf_link_id id);
int link_new(struct rf_links *links, struct rf_link **out);
void link_free(struct rf_links *links, struct rf_link *link);
void link_set_state(struct rf_links *links, struct rf_link *link, enum rf_link_state state);
/* link_end takes the link out of service for `reason`; harmless on one that is CLOSING. polite: say good-bye. */
void link_end(struct rf_links *links, struct rf_link *link, int reason, bool polite);
void link_info(const struct rf_links *links, const struct rf_link *link, struct rf_link_info *out);
void report_ended(struct rf_links *links);

/* ---- flow.c ---- */
void link_want(struct rf_links *links, struct rf_link *link);
/* link_accept makes a link in HANDSHAKE for a stranger, within the limits. Errors: RF_ELIMIT, RF_ENOMEM. */
int link_accept(struct rf_links *links, const struct rf_addr *remote, const struct rf_addr *local,
                struct rf_link **out);
/* out_begin gives the buffer to append wire bytes to, out_end accounts for what was appended. */
struct rf_buf *out_begin(struct rf_links *links, struct rf_link *link, size_t *mark);
void out_end(struct rf_links *links, struct rf_link *link, size_t mark);
void out_discard(struct rf_links *links, struct rf_link *link);

/* ---- handshake.c ---- */
int dial_new(struct rf_links *links, const struct rf_link_way *ways, size_t way_count,
             const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
             struct link_dial **out);
/* dial_next starts with the next way; false: there is none, or no memory. */
bool dial_next(struct rf_links *links, struct rf_link *link);
int channel_open(struct rf_links *links, struct rf_link *link);
/* channel_ensure: input comes, so there must be a channel. False: none could be opened, and all that follows from that is done. */
bool channel_ensure(struct rf_links *links, struct rf_link *link);
/* link_up judges the peer once the channel is UP. On success host.up was called. On an error the link goes on dialling or has ended. */
void link_up(struct rf_links *links, struct rf_link *link);
/* link_fail: this attempt is over; dial the next address or end. */
void link_fail(struct rf_links *links, struct rf_link *link, int reason);

/* ---- frame.c ---- */
void reader_drop(struct rf_links *links, struct rf_link *link);
void frames_input(struct rf_links *links, struct rf_link *link, struct rf_view plain);
/* record_input: one record of a link of datagrams. */
void record_input(struct rf_links *links, struct rf_link *link, struct rf_view record);
/* plain_write encrypts and sends. On an error but RF_ECLOSED the link has ended. */
int plain_write(struct rf_links *links, struct rf_link *link, struct rf_view plain);
/* message_room: bytes of the largest message, or datagram of the application's, that the link takes now; 0: it is not UP. */
size_t message_room(const struct rf_links *links, const struct rf_link *link);
/* ack_pay sends the acknowledgement that was held back, once there is room for it. */
void ack_pay(struct rf_links *links, struct rf_link *link);
void acks_flush(struct rf_links *links, struct rf_link *link);
int frame_send(struct rf_links *links, struct rf_link *link, struct rf_view message);
int app_send(struct rf_links *links, struct rf_link *link, struct rf_view bytes);
void keepalive_send(struct rf_links *links, struct rf_link *link);

/* ---- kept.c ---- */
void kept_add(struct rf_links *links, struct rf_link *link, struct rf_view message); /* it was sent */
void kept_acked(struct rf_links *links, struct rf_link *link); /* those before acked_seq were acknowledged */
void kept_drop(struct rf_links *links, struct rf_link *link);

/* ---- watch.c ---- */
void link_timer_fired(struct rf_timer *timer, void *arg);
/* watch_deadline sets the one deadline of a link that is not UP. Errors: RF_ENOMEM. */
int watch_deadline(struct rf_links *links, struct rf_link *link, uint64_t delay_us);
/* watch brings the timer of a link that is UP forward if something became due earlier, and stops it if nothing is. */
void watch(struct rf_links *links, struct rf_link *link);
void watch_sent(struct rf_links *links, struct rf_link *link, uint32_t seq);
void watch_acked(struct rf_links *links, struct rf_link *link, uint32_t seq);
void watch_rtt(struct rf_link *link, uint64_t rtt_us);
void watch_suspect(struct rf_links *links, struct rf_link *link, bool suspect);
/* quiet_init, quiet_deinit: the timer of all links' keep-alives. Errors: RF_ENOMEM. */
int quiet_init(struct rf_links *links);
void quiet_deinit(struct rf_links *links);
void quiet_rest(struct rf_links *links); /* no link is UP */
/* quiet_active: something went over a link. */
void quiet_active(struct rf_links *links);
/* quiet_watch sees from now on that the link, which is UP, does not stay silent too long; also after its `quiet_times` changed. */
void quiet_watch(struct rf_links *links, struct rf_link *link);

/* ---- datagram.c ---- */
void datagrams_init(struct rf_links *links);
void datagrams_deinit(struct rf_links *links);
/* datagrams_dial sends the first flight to an address. Errors: RF_EEXIST it has a link, RF_EUNSUPPORTED, RF_ENOMEM, those of the engine. */
int datagrams_dial(struct rf_links *links, struct rf_link *link, const struct rf_link_way *way);
/* datagrams_leave takes the link out of service, datagrams_free makes it one without datagrams. */
void datagrams_leave(struct rf_links *links, struct rf_link *link);
void datagrams_free(struct rf_links *links, struct rf_link *link);
/* datagrams_flush queues what links->wire holds. */
void datagrams_flush(struct rf_links *links, struct rf_link *link);
/* datagrams_repeat: the timer of a link that is not UP fired; false: its time is up. */
bool datagrams_repeat(struct rf_links *links, struct rf_link *link);
bool queue_take(struct rf_links *links, struct rf_flow_action *out);
void queue_trim(struct rf_links *links);

/* ---- reliable.c ---- */
void reliable_init(struct link_datagrams *d);
void reliable_deinit(struct rf_links *links, struct rf_link *link);
/* reliable_send takes a message that fits. Errors: RF_ENOMEM, RF_ECLOSED the link has ended. */
int reliable_send(struct rf_links *links, struct rf_link *link, struct rf_view message);
void reliable_acked(struct rf_links *links, struct rf_link *link, uint32_t seq, uint32_t received);
/* reliable_next: when reliable_fired is due; RF_NEVER: not at all. */
uint64_t reliable_next(const struct rf_link *link);
void reliable_fired(struct rf_links *links, struct rf_link *link);
void reliable_again(struct rf_links *links, struct rf_link *link); /* the path changed */
/* ---- ordered.c: an application's bytes over datagrams ---- */
int ordered_new(struct rf_links *links, struct rf_link *link); /* RF_ENOMEM */
void ordered_free(struct rf_links *links, struct rf_link *link);
/* ordered_send takes all of them, or the link ends. Errors: RF_ENOMEM, RF_ECLOSED. */
int ordered_send(struct rf_links *links, struct rf_link *link, struct rf_view bytes);
/* ordered_prod sends an empty piece, which asks for nothing but its acknowledgement. */
void ordered_prod(struct rf_links *links, struct rf_link *link);
void ordered_input(struct rf_links *links, struct rf_link *link, struct rf_view piece);
/* link_is_ordered, link_has_frames: are there data frames on it, whatever for? */
static inline bool link_is_ordered(const struct rf_link *link)
{
    return link->is_datagrams && link->datagrams->ordered;
}
static inline bool link_has_frames(const struct rf_link *link)
{
    return link->purpose == RF_LINK_OVERLAY || link_is_ordered(link);
}

/* reliable_twice: did this message come already, within the last two seconds and a half? It is remembered. */
bool reliable_twice(struct rf_links *links, struct rf_link *link, struct rf_view message);

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
/* expect_find_app: which application's connection from one of these nodes is it? sip: it said so by ALPN; one that said nothing is rather another's, but SIP's if no other is expected. */
struct link_expect *expect_find_app(struct rf_links *links, const struct rf_cert *cert, bool sip);
static inline bool link_app_is_sip(uint16_t application)
{
    return application == 5060 || application == 5061;
}
bool expects_any(struct rf_links *links); /* is somebody expected now? */
void expect_drop(struct rf_links *links, struct link_expect *expect);
void expects_deinit(struct rf_links *links);

#endif
