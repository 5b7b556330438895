/* test_sip_anchor.h - phones with sound: what the tests of anchored calls share. */
#ifndef TEST_SIP_ANCHOR_H
#define TEST_SIP_ANCHOR_H

#include "test_sip.h"

/* An RTP and an RTCP socket on 127.0.0.1, and an SDP that names them. */
struct sound {
    int fds[2];
    uint16_t port, seq;
    char sdp[512];
    uint16_t to; /* the port that the other side's SDP names */
};

struct anchor_world {
    struct sip_net *net;
    struct sip_node *a, *b;
    struct phone *alice, *bob;
    struct sound at_alice, at_bob;
};

void sound_open(struct sound *sound);
void sound_close(struct sound *sound);
/* sound_port: the port of the first m=audio line of a message's body; 0: none. */
uint16_t sound_port(const char *message);
/* sound_send sends one packet with `text`. rtcp: a report. from: another socket, -1: its own. */
void sound_send(struct sound *sound, bool rtcp, const char *text, int from);
/* sound_arrives: packets that `from` sends from now on come out at `to`, within `ms`. */
bool sound_arrives(struct sip_net *net, struct sound *from, struct sound *to, bool rtcp, int ms);

/* two nodes that anchor, a phone at each */
struct anchor_world anchor_world_new(void);
void anchor_world_free(struct anchor_world *world);
/* anchor_connect: a call from alice's phone to bob's; both know where to send to. */
void anchor_connect(struct anchor_world *w, struct phone_call *out, struct phone_call *in);
uint64_t anchor_wait_counter(struct anchor_world *w, struct sip_node *node, const char *name, uint64_t least,
                             int ms);

#endif
