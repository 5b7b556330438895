/*
 * daemon.h - the inside of ringfolkd: the shell around the one object.
 *
 * Two threads of its own beside the loop: `disk` commits records and writes files, `web` speaks HTTPS with the enrolment server (renewal,
 * new documents). sip/ brings one more. Everything of the node happens in the loop's thread.
 */
#ifndef RF_APPS_DAEMON_H
#define RF_APPS_DAEMON_H

#include "apps/home.h"
#include "base/assert.h"
#include "base/list.h"
#include "control/control.h"
#include "io/addresses.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/flows.h"
#include "io/listener.h"
#include "io/log_stderr.h"
#include "io/loop.h"
#include "io/relay.h"
#include "io/signals.h"
#include "io/sockets.h"
#include "io/udp.h"
#include "io/worker.h"
#include "node/store.h"
#include "sip/sip.h"

#ifndef RF_VERSION
#define RF_VERSION "0.1.0"
#endif

#define RF_SESSIONS_COUNTERS(X)                                                                              \
    X(accepted, "programs that connected to the control socket")                                             \
    X(refused, "programs turned away: too many, or no memory")                                               \
    X(cut_off, "programs that did not read what they asked for")                                             \
    X(listener_rests, "times that listening rested for want of descriptors")
RF_COUNTERS(sessions, RF_SESSIONS_COUNTERS)

#define RF_DATAGRAMS_COUNTERS(X)                                                                             \
    X(bindings, "Binding requests of strangers answered")                                                    \
    X(unanswered, "... and not answered: too many from there, or at once")                                   \
    X(nobodys, "datagrams dropped: nobody here knows what to do with them")
RF_COUNTERS(datagrams, RF_DATAGRAMS_COUNTERS)

struct daemon_capture;
struct daemon_files;
struct daemon_chat;
struct daemon_udp;

struct daemon {
    const char *home;
    struct home_config config;
    struct rf_log_stderr log;
    struct rf_crypto *crypto;
    struct rf_rng_seeded jitter;
    struct rf_conf *conf; /* as loaded; the node has its own reference */
    struct rf_buf cert_der, key_pem;
    struct rf_lock lock;
    bool locked;

    struct rf_loop *loop;
    struct rf_signals signals;
    struct rf_addresses addresses;
    struct rf_worker *disk, *web;
    struct rf_node_store *store;
    struct rf_node *node;
    struct rf_flows *flows;
    struct rf_loop_task task;
    struct rf_control *control;
    struct rf_sip *sip;
    struct rf_crypto *sip_crypto; /* the SIP thread's; NULL: media go as the SDPs say */
    struct daemon_capture *capture;
    struct daemon_files *files; /* daemon_files.h */
    struct daemon_chat *chat;   /* daemon_chat.c */

    /* daemon_control.c */
    int control_fd;
    struct rf_listener control_listener;
    struct rf_sessions_counters session_counters;
    struct rf_list clients;
    /* daemon_disk.c */
    struct rf_list batches; /* waiting for the disk thread */
    bool disk_busy;
    /* daemon_web.c */
    bool web_busy;
    uint64_t renew_at_ms, refresh_at_ms; /* wall clock */
    uint64_t refreshed_ms;               /* when the document was asked for last */
    struct rf_command refresh_command, doctor_command;

    size_t max_links; /* 0: the node's default */
    /* daemon_claim.c */
    bool claim_busy;
    uint64_t claim_at_us, claim_pause_us; /* monotonic: not before that */
    struct rf_id claimants[16];
    size_t claimant_count;

    /* daemon_udp.c */
    struct rf_udp *udp;
    struct daemon_udp *udp_door;         /* what stands behind it */
    struct rf_addr udp_at[RF_UDP_BASES]; /* by base; family 0: not open */
    bool udp_spare;                      /* one is for rf_node_spare */
    bool udp_open, udp_told;             /* there is a socket at `listen`; the node knows it: */
    unsigned udp_base;
    /* daemon_media.c */
    bool media_busy;
    uint64_t media_at_us, media_pause_us; /* monotonic: not before that */

    /* daemon_relay.c */
    struct rf_relay *relay; /* NULL: there is none now */
    bool relay_wanted;
    uint8_t relay_secret[RF_TURN_SECRET_LEN];
    uint64_t relay_rotate_us; /* monotonic: when it is made anew */

    uint64_t unreachable_say_us; /* not before that is it said again */
    bool ready_told, stopping, leaving, left;
    int status; /* exit status */
};

/* daemon_say prints "ringfolkd: what: why" and a hint to stderr; returns 1. */
int daemon_say(const char *what, const char *why, const char *hint);

/* daemon_start.c: home, identity, node. 0, or 1 after having said why. */
int daemon_open(struct daemon *d, const char *home);
int daemon_start(struct daemon *d, const char *capture_path);
void daemon_end_sip(struct daemon *d);
void daemon_close(struct daemon *d);
/* daemon_run.c */
const struct rf_flow_doorway *daemon_doorway(struct daemon *d, struct rf_flow_doorway *door);
uint64_t daemon_turn(void *arg);    /* the node's turn in the loop */
void daemon_stop(struct daemon *d); /* leaves from the next turn on */
/* daemon_disk.c */
int daemon_disk_open(struct daemon *d);
void daemon_disk_persist(struct daemon *d, const struct rf_node_out *out);
void daemon_disk_file(struct daemon *d, const char *name, struct rf_view bytes);
void daemon_disk_value(struct daemon *d, const char *key, struct rf_view value); /* in node.db; empty: none */
void daemon_disk_peers(struct daemon *d, const struct rf_addr *peers, size_t count);
void daemon_disk_networks(struct daemon *d, const struct rf_node_network *networks, size_t count);
int daemon_disk_load(struct daemon *d); /* Kinds, records and remembered peers into the node */
void daemon_disk_close(struct daemon *d);
/* daemon_control.c */
int daemon_control_open(struct daemon *d);
void daemon_control_close(struct daemon *d);
/* daemon_chat.c */
int daemon_chat_open(struct daemon *d);    /* after node, disk and control: key, database, engine, commands */
void daemon_chat_turn(struct daemon *d);   /* gives the disk what came */
void daemon_chat_finish(struct daemon *d); /* before the node goes: what was given is on disk */
void daemon_chat_close(struct daemon *d);  /* after the node went, before control does */
void daemon_chat_counters(struct daemon *d,
                          void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                     uint64_t value),
                          void *arg);
struct rf_chat;
struct rf_chat *daemon_chat_engine(struct daemon *d); /* ready to be called now; NULL: this device has none */
/* daemon_web.c */
int daemon_web_open(struct daemon *d);      /* adds the `refresh` command */
void daemon_web_outdated(struct daemon *d); /* the document may be: refreshes soon, at most once a minute */
void daemon_web_turn(struct daemon *d);     /* renews and refreshes when it is time */
int daemon_web_renew_now(struct daemon *d, char *why, size_t why_len); /* blocking, before the node starts */
/* daemon_web_probe asks the enrolment server whether there is a newer document; done: 0 or RF_EEXIST it answers, else `sentence` says why not. */
void daemon_web_probe(struct daemon *d, void (*done)(void *arg, int error, const char *sentence), void *arg);
/* daemon_doctor.c */
int daemon_doctor_open(struct daemon *d);
/* daemon_claim.c */
/* daemon_claim_turn looks who claims our name when it is time; returns when it is next (mono_us). */
uint64_t daemon_claim_turn(struct daemon *d);
/* daemon_claim_status adds "name_claimed_by", in a self-signed overlay. */
void daemon_claim_status(const struct daemon *d, json_t *status);
/* daemon_udp.c */
uint32_t daemon_keepalive_max_s(const struct daemon *d); /* daemon_start.c; 0: nothing is learned of NATs */
int daemon_udp_open(struct daemon *d);
void daemon_udp_tell_node(struct daemon *d); /* of the socket's address */
void daemon_udp_moved(void *daemon);         /* the computer's addresses have changed */
void daemon_udp_follow(struct daemon *d);    /* links have come up: perhaps from another address */
void daemon_udp_send(struct daemon *d, const struct rf_node_out *out); /* RF_NODE_OUT_DATAGRAM */
void daemon_udp_close(struct daemon *d);
void daemon_udp_counters(struct daemon *d,
                         void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                    uint64_t value),
                         void *arg);
/* daemon_relay.c */
void daemon_relay_role(struct daemon *d,
                       bool supernode); /* what the node is from now on; takes effect at the next turn */
uint64_t daemon_relay_turn(struct daemon *d); /* returns when it has something to do next (mono_us) */
void daemon_relay_close(struct daemon *d);
void daemon_relay_status(struct daemon *d, json_t *status); /* adds "relay" */
void daemon_relay_counters(struct daemon *d,
                           void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                      uint64_t value),
                           void *arg);
/* daemon_media.c */
uint64_t daemon_media_turn(
    struct daemon *d); /* asks for a relay for calls; returns when it has something to do next (mono_us) */
/* daemon_capture.c */
int daemon_capture_open(struct daemon *d, const char *path);
void daemon_capture_close(struct daemon *d);

#endif
