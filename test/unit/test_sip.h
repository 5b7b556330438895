/* test_sip.h - what the tests of sip/ share: a network of rf_sip objects whose nodes are doubles, and phones of a few lines. */
#ifndef TEST_SIP_H
#define TEST_SIP_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include "sip/sip.h"

/* ---- the network: user names to devices; application connections carry bytes from one to the other ---- */

#define NET_MAX_NODES 8

struct sip_net;

struct sip_node {
    struct rf_node *node; /* the double */
    struct rf_control *control;
    struct rf_sip *sip;
    struct rf_addr phones; /* where phones register */
    struct rf_session *session;
    char lines[256 * 1024]; /* what the control session got */
    size_t lines_len;
};

struct sip_net *net_new(void);
/* net_starve: from now on every `one_in`th allocation of the nodes' SIP sides is refused (0: none), in an order that `seed` draws. */
void net_starve(struct sip_net *net, unsigned one_in, unsigned seed);
void net_free(struct sip_net *net);
/* net_add makes a node of `user` with a phone side (password "secret"). max_calls: 0 default. */
struct sip_node *net_add(struct sip_net *net, const char *user, bool echo);
void net_remove(struct sip_net *net,
                struct sip_node *node); /* rf_sip_free and all; its device is unknown then */
/* net_start makes a second rf_sip beside that of a node, without control, from `mem`; net_stop ends it. */
int net_start(struct sip_net *net, struct sip_node *node, struct rf_mem *mem, struct rf_addr listen,
              struct rf_sip **out, char *why, size_t why_len);
void net_stop(struct sip_net *net, struct rf_sip *sip);
/* net_anchor: nodes that are added from now on carry the media of their calls (on loopback). */
void net_anchor(struct sip_net *net, bool anchor);
/* net_tamper: from now on the hexadecimal digit behind the first `before` (borrowed; NULL: none) of what nodes send each other arrives as another. */
void net_tamper(struct sip_net *net, const char *before);
/* net_hide: the user has a certificate but no device is registered. net_break closes all its connections. */
void net_hide(struct sip_node *node, bool hidden);
void net_break(struct sip_net *net, struct sip_node *node);
/* net_late: connections to it (one at most) come only when it is late no more; net_asked: somebody waits for one. */
void net_late(struct sip_node *node, bool late);
bool net_asked(const struct sip_node *node);
/* net_prefer_sips: its registration wants application 5061. */
void net_prefer_sips(struct sip_node *node);
/* net_lie: connections of `node` carry this user name in its certificate to the others. */
void net_lie(struct sip_node *node, const char *user);
size_t net_conns(struct sip_net *net); /* open connections */
size_t net_held(struct sip_net *net);  /* ends of them that are held for a call */
/* net_inject: bytes as if the device of `from` had sent them to `to` (a connection is made first). */
void net_inject(struct sip_net *net, struct sip_node *from, struct sip_node *to, const char *bytes,
                size_t len);
void net_mute(struct sip_net *net, bool mute); /* nothing arrives any more, and nobody is told */
const char *net_sniffed(struct sip_net *net);  /* everything that went over connections, as one string */
/*
 * patience: how long to wait for what must come. Times of a second and more are only there that nothing hangs, and a busy machine may be slow;
 * shorter ones say that nothing should come.
 */
static inline uint64_t patience(int ms)
{
    return (uint64_t)ms * (ms >= 1000 ? 6 : 1);
}
/* net_turn does what is due in the node's thread and waits for more, at most `ms`, or until `fd` (-1: none) is readable. */
void net_turn(struct sip_net *net, int fd, int ms);
/* net_command sends a request to the control socket of a node; net_wait_line waits until its session has got `text` (from `*from` on). */
void net_command(struct sip_net *net, struct sip_node *node, const char *json);
bool net_wait_line(struct sip_net *net, struct sip_node *node, size_t *from, const char *text, int ms);
uint64_t net_counter(const struct sip_node *node, const char *name);

/* ---- a phone: one UDP (or TCP) socket, and text ---- */

struct phone {
    struct sip_net *net;
    int fd;
    bool tcp;
    unsigned hops; /* Max-Forwards of its INVITEs */
    struct rf_addr server, local;
    char user[64];
    char got[65536]; /* the last message */
    char inbox[65536];
    size_t inbox_len;
    unsigned seq;
    char nonce[64]; /* of the last challenge */
};

/* One call as a phone sees it. */
struct phone_call {
    char call_id[64], from_tag[64], to_tag[128], peer[256]; /* peer: URI for requests in the dialog */
    char branch[64];
    unsigned seq;
    bool caller;
    char remote[256], local[256]; /* From/To values without tag */
    char invite[16384];           /* callee: the INVITE */
};

struct phone *phone_new(struct sip_net *net, const struct sip_node *node, const char *user, bool tcp);
void phone_free(struct phone *phone);
void phone_send(struct phone *phone, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* phone_wait takes messages until one begins with `start` (others are dropped); NULL when none comes in `ms`. */
const char *phone_wait(struct phone *phone, const char *start, int ms);
/* phone_quiet: no message that begins with `start` comes within `ms`. */
bool phone_quiet(struct phone *phone, const char *start, int ms);
/* header_of copies a header's value of a message into `out` ("" if absent). */
char *header_of(const char *message, const char *name, char *out, size_t max);
/* phone_auth gives the Authorization line for a method and URI after a challenge was received. */
const char *phone_auth(struct phone *phone, const char *user, const char *password, const char *method,
                       const char *uri);
/* phone_register: the final code. expires in seconds. */
int phone_register(struct phone *phone, const char *password, int expires);
/* phone_invite sends an authenticated INVITE and returns after the 100. to: "bob" or a URI's user@host. */
void phone_invite(struct phone *phone, struct phone_call *call, const char *to, const char *body);
void phone_ack(struct phone *phone, struct phone_call *call, const char *extra_seq);
void phone_cancel(struct phone *phone, struct phone_call *call, const char *to);
void phone_bye(struct phone *phone, struct phone_call *call);
/* phone_take waits for an INVITE and fills the call; phone_reply answers it. */
bool phone_take(struct phone *phone, struct phone_call *call, int ms);
void phone_reply(struct phone *phone, const char *request, int code, const char *reason, const char *tag,
                 const char *body);
/* phones_connect: one calls `to`, the other one's phone rings and answers, both dialogs stand. phones_hang_up ends them. */
void phones_connect(struct phone *caller, struct phone_call *out, const char *to, struct phone *callee,
                    struct phone_call *in);
void phones_hang_up(struct phone *who, struct phone_call *call, struct phone *other);
/* phone_within sends a request within the call; `extra`: more header lines, each with its end. */
void phone_within(struct phone *phone, struct phone_call *call, const char *method, const char *extra,
                  const char *body);
/* phone_answered reads the 2xx that was just received into the call. */
void phone_answered(struct phone *phone, struct phone_call *call);

#define SDP_A                                                                                                \
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=a\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n"
#define SDP_B                                                                                                \
    "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=b\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0\r\n"

int test_sip_frame(void);
int test_sip_parts(void);
int test_sip_phones(void);
int test_sip_calls(void);
int test_sip_texts(void);
int test_sip_local(void);
int test_sip_hostile(void);
int test_sip_ways(void);
int test_sip_anchor(void);
int test_sip_anchor_sdp(void);

#endif
