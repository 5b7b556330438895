/*
 * sip.h - rf_sip: the node's SIP endpoint: registrar and back-to-back user agent for the user's own phones, calls and texts of the
 * daemon itself, the echo service. It joins two sides: phones (UDP and TCP at `listen`, digest authentication) and the overlay
 * (application connections of node/, RFC 7904, applications 5060 and 5061). libre works in a thread of its own, made by rf_sip_new.
 *
 * A call's journey, caller's side: phone -> INVITE, authenticated -> [node's thread] rf_node_whois -> rf_node_app_attach to each device ->
 * INVITE to each (fork) -> 180/183 passed on -> the first 2xx wins, the others are cancelled. Callee's side: application connection whose
 * certificate names the caller -> INVITE, its From checked against that name -> all phones ring, `call` event to whoever listens at the
 * control socket -> the first answer wins. Media: a phone speaks plain RTP with its own node; between the nodes it is SRTP over ICE (anchor.h).
 * docs/protocol/sip.md has the details.
 *
 * Commands added to `control`: message, call, answer, hangup, calls, phones, forward. Events: message, call.
 * Everything here is called in the thread that runs the node (`poster` brings the other thread's work there).
 */
#ifndef RF_SIP_SIP_H
#define RF_SIP_SIP_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "control/control.h"
#include "crypto/crypto.h"
#include "node/node.h"

struct rf_sip; /* opaque, owned */

/*
 * How the SIP thread reaches the node's thread: post may be called by any thread and runs fn(arg) in the node's thread soon and once, in the
 * order posted. Everything posted must be run in the end, also what is still waiting when rf_sip_free returns (it touches nothing
 * of `sip` then); so the poster must outlive rf_sip and be drained after it.
 */
struct rf_poster {
    void (*post)(void *ctx, void (*fn)(void *arg), void *arg);
    void *ctx;
};

/* Of AppAttach (RFC 7904). Both run in TLS; they choose the scheme of the URIs, sip or sips (reload.md D32). */
#define RF_SIP_APPLICATION  5060
#define RF_SIPS_APPLICATION 5061

/*
 * Whom the media of calls to other nodes ask for addresses and relays. Addresses and strings are borrowed for the call. More servers than ice/ takes
 * (RF_ICE_MAX_STUN, RF_ICE_MAX_TURN) are left out.
 */
struct rf_sip_turn {
    struct rf_addr addr;
    bool stream; /* TCP, for machines whose UDP gets no answers; else UDP */
    const char *user, *password;
};
struct rf_sip_servers {
    const struct rf_addr *stun;
    size_t stun_count;
    const struct rf_sip_turn *turn;
    size_t turn_count;
};

struct rf_sip_config {
    struct rf_mem *mem;   /* borrowed; used by both threads, so it must be safe for that (rf_mem_system is) */
    struct rf_log *log;   /* borrowed, may be NULL; used in the node's thread only */
    struct rf_node *node; /* borrowed */
    struct rf_control *control;      /* borrowed; may be NULL: no commands, no events */
    struct rf_poster poster;         /* copied */
    struct rf_now (*now)(void *ctx); /* called in the node's thread */
    void *now_ctx;
    struct rf_addr
        listen; /* where phones register, UDP and TCP; port 0: the kernel's choice; family 0: no phone side */
    struct rf_addr
        media; /* IP address that the daemon's own calls offer for RTP (port ignored); family 0: 127.0.0.1 */
    struct rf_crypto *
        crypto; /* borrowed, the SIP thread's alone: media to other nodes are anchored (anchor.h); NULL: they go as the SDPs say */
    bool
        loopback; /* media may take addresses of the loopback interface (they do when the machine has no others) */
    const char *user; /* "alice@example.org", copied: the only user that phones register for */
    const char
        *password; /* of the phones, copied and wiped; not NULL and not empty when there is a phone side */
    bool
        echo_service; /* answer calls at once and send the audio back; a user named "echo" has it on anyway */
    const char *software; /* User-Agent and Server, copied; NULL: none */
    size_t max_calls;     /* at the same time; 0: 200 */
    size_t max_phones;    /* bindings; 0: 16 */
    unsigned ring_s;      /* seconds until an unanswered call ends; 0: 120 */
    unsigned keepalive_s; /* between keep-alives on connections with devices; 0: 25 */
};

/*
 * rf_sip_new opens the phone side, takes applications 5060 and 5061 of the node, adds its commands to control and starts the thread.
 * error_text (error_len bytes, may be NULL) gets one sentence for people, e.g. that the port is in use.
 * Errors: RF_EINVAL user or password missing or unusable, RF_ESYSTEM port in use or no thread, RF_EEXIST the application is taken,
 * RF_ENOMEM.
 */
int rf_sip_new(const struct rf_sip_config *config, struct rf_sip **out, char *error_text, size_t error_len);
/*
 * rf_sip_free hangs up what is under way, answers its unfinished commands with RF_ECLOSED, ends the thread (waits at most about a second for
 * farewells to leave) and frees all. Before rf_control_free and rf_node_free; no command and no input to the node in between.
 */
void rf_sip_free(struct rf_sip *sip);

/* rf_sip_set_servers replaces the servers; what goes over a relay that is not among them any more ends. Errors: RF_ENOMEM nothing is changed. */
int rf_sip_set_servers(struct rf_sip *sip, const struct rf_sip_servers *servers);

/* rf_sip_listening is where phones register, with the port that was chosen; family 0: no phone side. */
struct rf_addr rf_sip_listening(const struct rf_sip *sip);
/* rf_sip_counters calls fn for every counter of this room ("sip", "phone_auth_failed", 3). */
void rf_sip_counters(const struct rf_sip *sip,
                     void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                uint64_t value),
                     void *arg);

#endif
