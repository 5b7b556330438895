/*
 * daemon_media.c - whom the SIP side asks for addresses and relays: the relay that the node is given over the overlay (rf_node_relay), asked for when it is
 * ready and again before the credentials run out. With one that is silent calls still go the direct way.
 */
#include <stdio.h>
#include "apps/daemon.h"

#define PAUSE_MIN_US (5 * RF_US_PER_S)
#define PAUSE_MAX_US (300 * RF_US_PER_S)
#define AHEAD_US     (300 * RF_US_PER_S) /* a call that begins now may last a while */

static void copy_text(char *out, size_t max, struct rf_view text)
{
    snprintf(out, max, "%.*s", (int)text.len, (const char *)text.p);
}

static void set_servers(struct daemon *d, const struct rf_relay_said *said)
{
    char user[RF_RELAY_TEXT_MAX + 1], password[RF_RELAY_TEXT_MAX + 1];
    struct rf_addr stun[RF_RELAY_SERVERS];
    struct rf_sip_turn turn[RF_RELAY_SERVERS];
    struct rf_sip_servers servers = {.stun = stun, .turn = turn};
    copy_text(user, sizeof(user), said->user);
    copy_text(password, sizeof(password), said->password);
    for (size_t i = 0; i < said->server_count; i++) {
        bool stream = said->servers[i].transport == RF_RELAY_TCP;
        if (!stream && said->servers[i].transport != RF_RELAY_UDP)
            continue;
        if (!stream)
            stun[servers.stun_count++] = said->servers[i].address; /* it answers Binding requests, too */
        turn[servers.turn_count++] = (struct rf_sip_turn){said->servers[i].address, stream, user, password};
    }
    (void)rf_sip_set_servers(d->sip, &servers);
    rf_wipe(password, sizeof(password));
}

static void given(void *arg, const struct rf_node_relay *relay)
{
    struct daemon *d = arg;
    uint64_t now_us = rf_loop_now(d->loop)->mono_us;
    d->media_busy = false;
    if (d->sip == NULL || d->stopping || relay->error == RF_ECANCELLED)
        return;
    if (relay->error != 0) {
        d->media_pause_us = d->media_pause_us < PAUSE_MAX_US / 2 ? d->media_pause_us * 2 : PAUSE_MAX_US;
        d->media_at_us = now_us + d->media_pause_us;
        return;
    }
    set_servers(d, &relay->given);
    d->media_pause_us = PAUSE_MIN_US;
    d->media_at_us =
        relay->expires_us > now_us + 2 * AHEAD_US ? relay->expires_us - AHEAD_US : now_us + AHEAD_US;
}

uint64_t daemon_media_turn(struct daemon *d)
{
    const struct rf_now *now = rf_loop_now(d->loop);
    if (d->sip == NULL || d->sip_crypto == NULL || d->media_busy || d->stopping || !d->ready_told)
        return RF_NEVER; /* what changes that makes another turn */
    if (now->mono_us < d->media_at_us)
        return d->media_at_us;
    if (d->media_pause_us == 0)
        d->media_pause_us = PAUSE_MIN_US;
    d->media_at_us = now->mono_us + d->media_pause_us;
    d->media_busy = rf_node_relay(d->node, false, *now, given, d) == 0;
    return d->media_at_us;
}
