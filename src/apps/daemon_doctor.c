/*
 * daemon_doctor.c - the command `doctor`: what is well with this node and what is not, in plain words, with what to do about it.
 *
 * Findings come from three places: the node (its status, and rf_node_checkup), the enrolment server (asked once more by the web thread), this
 * computer (disk). When all have answered they are put into words. A finding is "good", a "note", or "trouble": something to be done by somebody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include "apps/daemon.h"
#include "apps/enrolling.h"
#include "base/civil.h"

#define CLOCK_MS 60000 /* others refuse values whose time differs by more */
#define DISK_LOW ((uint64_t)200 << 20)
#define LATE_US  (500 * RF_US_PER_MS)
#define LINE     400

struct doctor {
    struct daemon *d;
    struct rf_control_call *call;
    struct rf_node_status status;
    struct rf_node_checkup checkup;
    int web_error;
    char web_sentence[RF_ENROL_SENTENCE_SIZE];
    int relay_error;
    char relay[RF_ADDR_TEXT_LEN];
    unsigned missing; /* answers */
    json_t *findings;
    bool trouble;
};

enum verdict { GOOD, NOTE, TROUBLE };

/* One finding; advice: what to do, NULL: nothing. */
static void find(struct doctor *doc, enum verdict verdict, const char *topic, const char *text,
                 const char *advice)
{
    static const char *const names[] = {"good", "note", "trouble"};
    json_t *f = json_pack("{ss ss ss}", "finding", names[verdict], "about", topic, "text", text);
    if (f != NULL && advice != NULL)
        json_object_set_new(f, "do", json_string(advice));
    json_array_append_new(doc->findings, f);
    doc->trouble |= verdict == TROUBLE;
}

static void find_in_overlay(struct doctor *doc)
{
    const struct rf_node_checkup *c = &doc->checkup;
    char text[LINE], addr[RF_ADDR_TEXT_LEN], id[RF_ID_TEXT_LEN];
    if (!c->joined && c->way_error != 0) {
        snprintf(text, sizeof(text),
                 "not in the overlay: no supernode answers; the last one tried was %s: %s",
                 rf_addr_text(&c->way, addr), rf_error_text(c->way_error));
        find(doc, TROUBLE, "supernode", text,
             "look whether this computer is on the Internet, and whether a firewall lets TCP connections to "
             "that port out; if others "
             "are in the overlay, ask its administrator for newer bootstrap nodes");
    } else if (!c->joined) {
        find(doc, TROUBLE, "supernode", "not in the overlay: it is still looking for a supernode",
             "wait a minute and ask again");
    } else if (c->supernode.len == 0) {
        find(doc, doc->status.role == RF_NODE_SUPERNODE ? NOTE : TROUBLE, "supernode",
             "in the overlay, but linked with no other supernode",
             "look at the log; start more supernodes: each value should be stored at three");
    } else if (c->silent) {
        snprintf(text, sizeof(text), "%s at %s has not answered in time", rf_id_text(&c->supernode, id),
                 rf_addr_text(&c->remote, addr));
        find(doc, TROUBLE, "supernode", text, "ask again: another one is looked for if this one is gone");
    } else {
        snprintf(text, sizeof(text), "%s %s at %s, which answers in %.1f ms%s",
                 doc->status.role == RF_NODE_SUPERNODE ? "linked with" : "a client of",
                 rf_id_text(&c->supernode, id), rf_addr_text(&c->remote, addr), (double)c->rtt_us / 1000,
                 doc->status.guest ? "; as a guest: its own place has no room, or was not found" : "");
        find(doc, c->rtt_us > LATE_US ? NOTE : GOOD, "supernode", text, NULL);
    }
    if (doc->status.role == RF_NODE_CLIENT && c->joined) {
        if (c->reserve.len > 0)
            snprintf(text, sizeof(text), "%s stands by", rf_id_text(&c->reserve, id));
        find(doc, GOOD, "reserve",
             c->reserve.len > 0
                 ? text
                 : "no other one is linked: those that it remembers are dialled when this one is lost",
             NULL);
    }
}

/* Does the link to the supernode pass a NAT? */
static bool is_translated(const struct rf_node_checkup *c)
{
    return c->seen.family != 0 && !rf_addr_same_ip(&c->seen, &c->local);
}

static void find_addresses(struct doctor *doc)
{
    const struct rf_node_checkup *c = &doc->checkup;
    char text[LINE], local[RF_ADDR_TEXT_LEN], seen[RF_ADDR_TEXT_LEN], listen[RF_ADDR_TEXT_LEN];
    if (c->local.family == 0)
        return;
    rf_addr_ip_text(&c->local, local);
    rf_addr_ip_text(&c->seen, seen);
    if (c->seen.family == 0)
        snprintf(text, sizeof(text), "%s here; the supernode does not say what it sees", local);
    else if (is_translated(c))
        snprintf(text, sizeof(text), "behind a NAT: %s here, and supernodes see %s", local, seen);
    else
        snprintf(text, sizeof(text), "no NAT: %s here, and supernodes see the same", local);
    find(doc, GOOD, "address", text, NULL);
    snprintf(text, sizeof(text), "listens at %s", rf_addr_text(&doc->d->config.listen, listen));
    find(doc, GOOD, "listens", text, NULL);
}

static void find_reach(struct doctor *doc)
{
    const struct rf_node_checkup *c = &doc->checkup;
    bool direct = c->datagrams == RF_DATAGRAMS_OPEN || c->datagrams == RF_DATAGRAMS_ALIKE;
    const char *forward = direct
                              ? "nothing: others reach it all the same. Only if it is to become a supernode, "
                                "forward the port in the router"
                              : "nothing, unless this is to become a supernode or others are to call you "
                                "without a relay: then forward the port in the router";
    bool client = doc->status.role == RF_NODE_CLIENT;
    bool wants = doc->d->config.role != RF_NODE_CLIENT; /* it is to be reachable */
    if (!c->joined || c->supernode.len == 0)
        return;
    switch (c->reach) {
    case RF_REACH_YES:
        find(doc, GOOD, "reachable", "yes: a supernode has connected with this node", NULL);
        break;
    case RF_REACH_NO:
        find(doc, wants ? TROUBLE : NOTE, "reachable",
             is_translated(c) ? "no: a supernode tried to connect, and the NAT let nothing in"
                              : "no: a supernode tried to connect, and nothing came: a firewall keeps it out",
             is_translated(c) ? forward : "let TCP connections to the port at which this node listens in");
        break;
    case RF_REACH_NOWHERE:
    case RF_REACH_ELSEWHERE:
        if (is_translated(c))
            find(doc, wants ? TROUBLE : NOTE, "reachable",
                 "no: behind the NAT it has no address that supernodes could dial",
                 wants ? "forward a port in the router, or set \"role\" to client in config.json" : forward);
        else
            find(doc, wants ? TROUBLE : NOTE, "reachable",
                 "no: it listens at an address that supernodes cannot dial, or is seen at another",
                 "set \"listen\" in config.json to an address of this computer that others reach, if there "
                 "is one");
        break;
    case RF_REACH_UNKNOWN:
        find(doc, NOTE, "reachable",
             client ? "not known: the supernode did not try just now"
                    : "not known: nobody has connected with this node yet",
             client ? "ask again in a minute" : NULL);
        break;
    }
}

/* Calls and texts go by UDP. */
static void find_datagrams(struct doctor *doc)
{
    char text[LINE], seen[RF_ADDR_TEXT_LEN];
    const struct rf_node_checkup *c = &doc->checkup;
    rf_addr_text(&c->datagrams_seen, seen);
    switch (c->datagrams) {
    case RF_DATAGRAMS_UNKNOWN:
        return;
    case RF_DATAGRAMS_OPEN:
        snprintf(text, sizeof(text), "pass, and no NAT changes them: seen at %s", seen);
        break;
    case RF_DATAGRAMS_ALIKE:
        snprintf(text, sizeof(text), "pass; the NAT shows everybody the same address, %s: calls go directly",
                 seen);
        break;
    case RF_DATAGRAMS_VARY:
        snprintf(
            text, sizeof(text),
            "pass; the NAT shows everybody another address: calls to some others have to go over a relay");
        break;
    case RF_DATAGRAMS_BLOCKED:
        snprintf(text, sizeof(text), "do not get out, or no answer gets in: calls go over a relay, by TCP");
        break;
    }
    bool blocked = c->datagrams == RF_DATAGRAMS_BLOCKED;
    find(doc, blocked ? NOTE : GOOD, "UDP", text,
         blocked ? "if the firewall is yours, let UDP out: calls sound better without a relay" : NULL);
}

static void find_relay(struct doctor *doc)
{
    char text[LINE];
    if (doc->checkup.datagrams == RF_DATAGRAMS_UNKNOWN || doc->status.role == RF_NODE_SUPERNODE)
        return;
    if (doc->relay_error == 0)
        snprintf(text, sizeof(text), "%s, where no direct way is found", doc->relay);
    find(doc, doc->relay_error == 0 ? GOOD : NOTE, "relay",
         doc->relay_error == 0 ? text : "no supernode gives us the use of one",
         doc->relay_error == 0 ? NULL
                               : "calls fail where no direct way is found: ask the overlay's administrator "
                                 "whether its supernodes relay");
}

static void find_flows(struct doctor *doc)
{
    char text[LINE];
    const struct rf_node_status *s = &doc->status;
    if (s->max_flows == SIZE_MAX)
        return;
    snprintf(text, sizeof(text), "%zu connection%s of at most %zu", s->flow_count,
             s->flow_count == 1 ? "" : "s", s->max_flows);
    bool full = s->flow_count + 1 >= s->max_flows;
    find(doc, full ? NOTE : GOOD, "flows", text,
         full ? "if calls or texts fail for it, raise \"max_flows\" in config.json" : NULL);
}

/* "between 4:00 and 5:00 min", "at least 40 s", "less than 15 s"; false: nothing is known. */
static bool say_kept(uint64_t kept_us, uint64_t lost_us, char *out, size_t len)
{
    unsigned kept = (unsigned)(kept_us / RF_US_PER_S), lost = (unsigned)(lost_us / RF_US_PER_S);
    if (kept_us != 0 && lost_us != 0)
        snprintf(out, len, "between %u and %u s", kept, lost);
    else if (kept_us != 0)
        snprintf(out, len, "at least %u s", kept);
    else
        snprintf(out, len, "less than %u s", lost);
    return kept_us != 0 || lost_us != 0;
}

static void find_bindings(struct doctor *doc)
{
    struct rf_node_bindings b;
    char text[LINE], tcp[64], udp[64];
    rf_node_bindings(doc->d->node, &b);
    if (doc->status.role != RF_NODE_CLIENT || daemon_keepalive_max_s(doc->d) == 0)
        return;
    bool has_tcp = say_kept(b.tcp_kept_us, b.tcp_lost_us, tcp, sizeof(tcp));
    bool has_udp = say_kept(b.udp_kept_us, b.udp_lost_us, udp, sizeof(udp));
    if (!b.known || (!has_tcp && !has_udp)) {
        find(doc, GOOD, "bindings",
             "how long this network keeps an idle connection is not known yet: signs of life are as frequent "
             "as usual",
             NULL);
        return;
    }
    int at =
        snprintf(text, sizeof(text), "this network keeps an idle TCP connection for %s", has_tcp ? tcp : "?");
    if (has_udp)
        at += snprintf(text + at, sizeof(text) - (size_t)at, ", and an idle UDP binding for %s", udp);
    if (b.silent_us != 0)
        at += snprintf(text + at, sizeof(text) - (size_t)at, ": a sign of life every %u s is enough",
                       (unsigned)(b.silent_us / RF_US_PER_S));
    snprintf(text + at, sizeof(text) - (size_t)at, "%s", b.learning ? " (still learning)" : "");
    find(doc, GOOD, "bindings", text, NULL);
}

static void find_clock(struct doctor *doc)
{
    char text[LINE];
    int64_t ms = doc->checkup.clock_ms;
    if (!doc->checkup.clock_known)
        return;
    double off = (double)(ms < 0 ? -ms : ms) / 1000;
    snprintf(text, sizeof(text), "%.1f s %s the supernode's", off, ms < 0 ? "ahead of" : "behind");
    bool wrong = ms > CLOCK_MS || ms < -CLOCK_MS;
    find(doc, wrong ? TROUBLE : GOOD, "clock", text,
         wrong ? "set the clock (timedatectl set-ntp true): others refuse what is stored with a wrong time"
               : NULL);
}

static void find_certificate(struct doctor *doc, uint64_t wall_ms)
{
    char text[LINE];
    uint64_t end_ms = doc->status.cert_not_after_ms;
    struct rf_civil c = rf_civil_from_ms(end_ms);
    bool expired = wall_ms >= end_ms, late = wall_ms + doc->status.cert_life_ms / 4 >= end_ms;
    snprintf(text, sizeof(text), "%s %04d-%02d-%02d %02d:%02d UTC%s", expired ? "expired" : "valid until",
             c.year, c.month, c.day, c.hour, c.minute,
             !expired && late ? ": it should have been renewed by now" : "");
    find(
        doc, expired || late ? TROUBLE : GOOD, "certificate", text,
        expired
            ? "if it cannot be renewed, enrol again with a new home: ringfolk --home DIR init URL --user NAME"
        : late ? "see what is said of the enrolment server: it has to be reachable before the certificate "
                 "expires"
               : NULL);
}

static void find_enrolment(struct doctor *doc)
{
    char text[LINE + RF_ENROL_SENTENCE_SIZE];
    if (doc->web_error == 0 || doc->web_error == RF_EEXIST) {
        snprintf(text, sizeof(text), "%.300s answers", doc->d->config.url);
        find(doc, GOOD, "enrolment", text, NULL);
        return;
    }
    snprintf(text, sizeof(text), "%.300s: %s", doc->d->config.url, doc->web_sentence);
    find(doc, TROUBLE, "enrolment", text,
         "the overlay works on without it, but the certificate cannot be renewed: look whether the address "
         "is right and the server runs");
}

static void find_disk(struct doctor *doc)
{
    struct statvfs fs;
    char text[LINE];
    if (statvfs(doc->d->home, &fs) != 0)
        return;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    snprintf(text, sizeof(text), "%llu MB free at %s", (unsigned long long)(room >> 20), doc->d->home);
    find(doc, room < DISK_LOW ? TROUBLE : GOOD, "disk", text,
         room < DISK_LOW ? "make room: what cannot be written is not stored" : NULL);
}

static void find_person(struct doctor *doc)
{
    if (!doc->status.registered)
        find(doc, NOTE, "found", "this device is not registered yet: others do not find it",
             "wait a moment and ask again");
    else
        find(doc, GOOD, "found", "this device is registered: others find it under its user's name", NULL);
}

static void put_addr(json_t *r, const char *key, const struct rf_addr *addr)
{
    char text[RF_ADDR_TEXT_LEN];
    json_object_set_new(r, key, addr->family != 0 ? json_string(rf_addr_text(addr, text)) : json_null());
}

static void answer(struct doctor *doc)
{
    static const char *const reach[] = {[RF_REACH_UNKNOWN] = "unknown",
                                        [RF_REACH_YES] = "yes",
                                        [RF_REACH_NO] = "no",
                                        [RF_REACH_NOWHERE] = "no",
                                        [RF_REACH_ELSEWHERE] = "no"};
    static const char *const datagrams[] = {[RF_DATAGRAMS_OPEN] = "open",
                                            [RF_DATAGRAMS_ALIKE] = "alike",
                                            [RF_DATAGRAMS_VARY] = "varies",
                                            [RF_DATAGRAMS_BLOCKED] = "blocked"};
    const struct rf_node_checkup *c = &doc->checkup;
    struct rf_now now = rf_call_now(doc->call);
    doc->findings = json_array();
    find(doc, GOOD, "role", doc->status.role_why, NULL);
    find_in_overlay(doc);
    find_person(doc);
    find_addresses(doc);
    find_reach(doc);
    find_datagrams(doc);
    find_relay(doc);
    find_flows(doc);
    find_bindings(doc);
    find_clock(doc);
    find_certificate(doc, now.wall_ms);
    find_enrolment(doc);
    find_disk(doc);
    json_t *r = json_object();
    json_object_set_new(r, "healthy", json_boolean(!doc->trouble));
    json_object_set_new(r, "joined", json_boolean(c->joined));
    json_object_set_new(r, "reachable", json_string(reach[c->reach]));
    put_addr(r, "local", &c->local);
    put_addr(r, "seen", &c->seen);
    json_object_set_new(r, "nat", c->seen.family != 0 ? json_boolean(is_translated(c)) : json_null());
    json_object_set_new(
        r, "udp", c->datagrams != RF_DATAGRAMS_UNKNOWN ? json_string(datagrams[c->datagrams]) : json_null());
    put_addr(r, "udp_seen", &c->datagrams_seen);
    json_object_set_new(r, "relay", doc->relay_error == 0 ? json_string(doc->relay) : json_null());
    json_object_set_new(r, "clock_ms", c->clock_known ? json_integer((json_int_t)c->clock_ms) : json_null());
    json_object_set_new(r, "findings", doc->findings);
    rf_call_result(doc->call, r);
}

static void come_in(struct doctor *doc)
{
    if (--doc->missing > 0)
        return;
    if (doc->checkup.error == 0)
        answer(doc);
    else
        rf_call_error(doc->call, doc->checkup.error, "the node was not examined", NULL);
    free(doc);
}

static void checked(void *arg, const struct rf_node_checkup *checkup)
{
    struct doctor *doc = arg;
    doc->checkup = *checkup;
    if (checkup->error == 0)
        rf_node_status(doc->d->node, &doc->status);
    come_in(doc);
}

static void relay_found(void *arg, const struct rf_node_relay *relay)
{
    struct doctor *doc = arg;
    doc->relay_error = relay->error != 0 ? relay->error : relay->given.server_count == 0 ? RF_ENOTFOUND : 0;
    if (doc->relay_error == 0)
        rf_addr_text(&relay->given.servers[0].address, doc->relay);
    come_in(doc);
}

static void probed(void *arg, int error, const char *sentence)
{
    struct doctor *doc = arg;
    doc->web_error = error;
    snprintf(doc->web_sentence, sizeof(doc->web_sentence), "%s", sentence);
    come_in(doc);
}

static void run_doctor(void *ctx, struct rf_control_call *call, json_t *args)
{
    struct daemon *d = ctx;
    struct doctor *doc = calloc(1, sizeof(*doc));
    (void)args;
    int error = RF_ENOMEM;
    if (doc != NULL) {
        *doc = (struct doctor){.d = d, .call = call, .missing = 2};
        error = rf_node_checkup(d->node, rf_call_now(call), checked, doc);
    }
    if (error != 0) {
        free(doc);
        rf_call_error(call, error, "the node cannot be examined now",
                      error == RF_EBUSY ? "somebody else has asked just before: wait some seconds" : NULL);
        return;
    }
    struct rf_node_status status;
    rf_node_status(d->node, &status);
    doc->relay_error = RF_ENOTFOUND;
    if (status.role != RF_NODE_SUPERNODE && !rf_node_conf(d->node)->no_ice) {
        doc->missing++;
        if (rf_node_relay(d->node, false, rf_call_now(call), relay_found, doc) != 0)
            doc->missing--; /* not in the overlay */
    }
    daemon_web_probe(d, probed, doc);
}

int daemon_doctor_open(struct daemon *d)
{
    d->doctor_command =
        (struct rf_command){.name = "doctor",
                            .help = "what is well with this node, what is not, and what to do",
                            .run = run_doctor,
                            .ctx = d};
    return rf_control_add(d->control, &d->doctor_command) == 0 ? 0
                                                               : daemon_say("doctor", "out of memory", NULL);
}
