/* test_sip_calls.c - calls between phones of different nodes: answered, refused, forked, cancelled, changed, lost. */
#include "test_sip.h"
#include <stdio.h>
#include <string.h>

struct world {
    struct sip_net *net;
    struct sip_node *a, *b, *b2;
    struct phone *alice, *bob, *bob2;
};

static struct world world_new(bool second, bool tcp)
{
    struct world w = {.net = net_new()};
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, "bob@example.org", false);
    w.b2 = second ? net_add(w.net, "bob@example.org", false) : NULL;
    w.alice = phone_new(w.net, w.a, "alice", tcp);
    w.bob = phone_new(w.net, w.b, "bob", tcp);
    assert_int_equal(phone_register(w.alice, "secret", 600), 200);
    assert_int_equal(phone_register(w.bob, "secret", 600), 200);
    if (second) {
        w.bob2 = phone_new(w.net, w.b2, "bob", tcp);
        assert_int_equal(phone_register(w.bob2, "secret", 600), 200);
    }
    return w;
}

static void world_free(struct world *w)
{
    phone_free(w->alice);
    phone_free(w->bob);
    if (w->bob2 != NULL)
        phone_free(w->bob2);
    net_free(w->net);
}

static void connect_call(struct world *w, struct phone_call *out, struct phone_call *in)
{
    phones_connect(w->alice, out, "bob", w->bob, in);
}

static void one_call(bool tcp, bool caller_hangs_up)
{
    struct world w = world_new(false, tcp);
    struct phone_call out, in;
    char value[600];

    connect_call(&w, &out, &in);
    net_turn(w.net, -1, 20);
    assert_int_equal(net_held(w.net), 2); /* the node must not give it up for another one */
    assert_non_null(strstr(in.invite, SDP_A));
    assert_string_equal(header_of(in.invite, "Subject", value, sizeof(value)), "hello");
    header_of(in.invite, "From", value, sizeof(value));
    assert_non_null(strstr(value, "<sip:alice@example.org>"));
    if (caller_hangs_up)
        phones_hang_up(w.alice, &out, w.bob);
    else
        phones_hang_up(w.bob, &in, w.alice);
    for (int i = 0; i < 50 && net_held(w.net) > 0; i++)
        net_turn(w.net, -1, 20);
    assert_int_equal(net_held(w.net), 0);
    assert_int_equal(net_counter(w.b, "calls_answered"), 1);
    world_free(&w);
}

static void answered_over_udp(void **state)
{
    (void)state;
    one_call(false, true);
}

static void answered_over_tcp(void **state)
{
    (void)state;
    one_call(true, false);
}

/* what stands on the wire between two nodes names the overlay, no loopback address */
static void wire_names_the_overlay(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    connect_call(&w, &out, &in);
    phones_hang_up(w.bob, &in, w.alice);
    const char *wire = net_sniffed(w.net);
    assert_non_null(
        strstr(wire, "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/TLS example.org;branch="));
    assert_non_null(strstr(wire, "Contact: <sip:alice@example.org>"));
    assert_non_null(strstr(wire, "Contact: <sip:bob@example.org>"));
    for (const char *line = strstr(wire, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncmp(line, "\r\nc=", 4) != 0 && strncmp(line, "\r\no=", 4) != 0)
            assert_null(memmem(line + 2, strcspn(line + 2, "\r\n"), "127.0.0.1", 9));
    world_free(&w);
}

/* what the callee's phone says, and what the caller then hears */
static void refusals(void **state)
{
    static const struct {
        int code;
        const char *reason;
        int heard;
    } rows[] = {{486, "Busy Here", 486}, {603, "Decline", 603},    {600, "Busy Everywhere", 600},
                {488, "No Codec", 488},  {503, "Overload", 500},   {404, "Gone", 404},
                {302, "Moved", 480},     {401, "Who Are You", 480}};
    struct world w = world_new(false, false);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct phone_call out, in;
        char start[32];
        phone_invite(w.alice, &out, "bob", SDP_A);
        assert_true(phone_take(w.bob, &in, 2000));
        phone_reply(w.bob, in.invite, rows[i].code, rows[i].reason, in.to_tag, "");
        assert_non_null(phone_wait(w.bob, "ACK", 2000));
        snprintf(start, sizeof(start), "SIP/2.0 %d", rows[i].heard);
        assert_non_null(phone_wait(w.alice, start, 2000));
        phone_ack(w.alice, &out, out.branch);
    }
    world_free(&w);
}

static void nobody_there(void **state)
{
    static const struct {
        const char *to, *heard;
    } rows[] = {{"nobody", "SIP/2.0 404"},
                {"carol", "SIP/2.0 480"}, /* known, no device */
                {"bob@elsewhere.net", "SIP/2.0 404 Not In This Overlay Yet"},
                {"dave", "SIP/2.0 480"}, /* device without phone or listener */
                {"bo%00b", "SIP/2.0 404"}};
    struct world w = world_new(false, false);
    (void)state;
    net_hide(net_add(w.net, "carol@example.org", false), true);
    net_add(w.net, "dave@example.org", false);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct phone_call out;
        phone_invite(w.alice, &out, rows[i].to, SDP_A);
        assert_non_null(phone_wait(w.alice, rows[i].heard, 2000));
        phone_ack(w.alice, &out, out.branch);
    }
    assert_int_equal(net_counter(w.a, "calls_answered"), 0);
    world_free(&w);
}

/* a request that goes round in circles ends (RFC 3261, 16.3): each node takes one hop off */
static void hops(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    char value[16];
    (void)state;
    for (w.alice->hops = 0; w.alice->hops < 2; w.alice->hops++) { /* refused here, refused at bob's node */
        phone_invite(w.alice, &out, "bob", SDP_A);
        assert_non_null(phone_wait(w.alice, "SIP/2.0 483", 2000));
        phone_ack(w.alice, &out, out.branch);
    }
    phones_connect(w.alice, &out, "bob", w.bob, &in);
    assert_string_equal(header_of(in.invite, "Max-Forwards", value, sizeof(value)), "0");
    phones_hang_up(w.alice, &out, w.bob);
    world_free(&w);
}

static void first_answer_wins(void **state)
{
    struct world w = world_new(true, false);
    struct phone_call out, in, in2;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    assert_true(phone_take(w.bob2, &in2, 2000));
    phone_reply(w.bob, in.invite, 180, "Ringing", in.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 2000));
    phone_answered(w.alice, &out);
    char first_tag[128];
    snprintf(first_tag, sizeof(first_tag), "%s", out.to_tag);
    phone_reply(w.bob2, in2.invite, 180, "Ringing", in2.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 2000));
    phone_answered(w.alice, &out);
    assert_string_not_equal(first_tag, out.to_tag); /* two early dialogs */
    phone_reply(w.bob2, in2.invite, 200, "OK", in2.to_tag, SDP_B);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    char winner[128];
    snprintf(winner, sizeof(winner), "%s", out.to_tag);
    phone_answered(w.alice, &out);
    assert_string_equal(winner, out.to_tag);
    phone_ack(w.alice, &out, "z9hG4bKack");
    assert_non_null(phone_wait(w.bob2, "ACK", 2000));
    assert_non_null(phone_wait(w.bob, "CANCEL", 2000));
    phone_reply(w.bob, w.bob->got, 200, "OK", in.to_tag, "");
    phone_reply(w.bob, in.invite, 487, "Request Terminated", in.to_tag, "");
    assert_non_null(phone_wait(w.bob, "ACK", 2000));
    phones_hang_up(w.alice, &out, w.bob2);
    world_free(&w);
}

/* the loser's 200 was under way already: it gets ACK and BYE */
static void both_answer(void **state)
{
    struct world w = world_new(true, false);
    struct phone_call out, in, in2;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    assert_true(phone_take(w.bob2, &in2, 2000));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    phone_reply(w.bob2, in2.invite, 200, "OK", in2.to_tag, SDP_B);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    phone_answered(w.alice, &out);
    phone_ack(w.alice, &out, "z9hG4bKack");
    /* one of them lives, the other is told to end; which, is the network's choice */
    bool first_lives = phone_quiet(w.bob, "BYE", 300);
    struct phone *loser = first_lives ? w.bob2 : w.bob;
    if (first_lives)
        assert_non_null(phone_wait(loser, "BYE", 2000));
    phone_reply(loser, loser->got, 200, "OK", NULL, "");
    phones_hang_up(w.alice, &out, first_lives ? w.bob : w.bob2);
    world_free(&w);
}

static void all_devices_decide(void **state)
{
    struct world w = world_new(true, false);
    struct phone_call out, in, in2;
    (void)state;
    /* one is busy: the caller still waits for the other, whose silence means less */
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    assert_true(phone_take(w.bob2, &in2, 2000));
    phone_reply(w.bob, in.invite, 486, "Busy Here", in.to_tag, "");
    assert_true(phone_quiet(w.alice, "SIP/2.0 486", 200));
    phone_reply(w.bob2, in2.invite, 480, "Later", in2.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 486", 2000));
    phone_ack(w.alice, &out, out.branch);
    /* a 6xx ends it for all at once */
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    assert_true(phone_take(w.bob2, &in2, 2000));
    phone_reply(w.bob2, in2.invite, 180, "Ringing", in2.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 2000));
    phone_reply(w.bob, in.invite, 603, "Decline", in.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 603", 2000));
    phone_ack(w.alice, &out, out.branch);
    assert_non_null(phone_wait(w.bob2, "CANCEL", 2000));
    phone_reply(w.bob2, w.bob2->got, 200, "OK", in2.to_tag, "");
    phone_reply(w.bob2, in2.invite, 487, "Request Terminated", in2.to_tag, "");
    world_free(&w);
}

static void caller_cancels(void **state)
{
    struct world w = world_new(true, false);
    struct phone_call out, in, in2;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    assert_true(phone_take(w.bob2, &in2, 2000));
    phone_reply(w.bob, in.invite, 180, "Ringing", in.to_tag, "");
    phone_reply(w.bob2, in2.invite, 180, "Ringing", in2.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 2000));
    out.to_tag[0] = '\0';
    phone_cancel(w.alice, &out, "bob");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    assert_non_null(phone_wait(w.alice, "SIP/2.0 487", 2000));
    phone_ack(w.alice, &out, out.branch);
    assert_non_null(phone_wait(w.bob, "CANCEL", 2000));
    assert_non_null(phone_wait(w.bob2, "CANCEL", 2000));
    world_free(&w);
}

/* CANCEL and 200 cross: who answered is thanked and sent home */
static void cancel_meets_answer(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    phone_reply(w.bob, in.invite, 180, "Ringing", in.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 180", 2000));
    phone_cancel(w.alice, &out, "bob");
    assert_non_null(phone_wait(w.bob, "CANCEL", 2000));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(w.bob, "ACK", 2000));
    assert_non_null(phone_wait(w.bob, "BYE", 2000));
    assert_non_null(phone_wait(w.alice, "SIP/2.0 487", 2000));
    phone_ack(w.alice, &out, out.branch);
    assert_true(phone_quiet(w.alice, "SIP/2.0 200 OK\r\nContact", 100));
    world_free(&w);
}

static void nobody_answers(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    phone_reply(w.bob, in.invite, 180, "Ringing", in.to_tag, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 480", 5000)); /* the nodes of these tests ring for 3 s */
    phone_ack(w.alice, &out, out.branch);
    assert_non_null(phone_wait(w.bob, "CANCEL", 2000));
    world_free(&w);
}

static void answer_is_repeated_until_confirmed(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in, 2000));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 1000)); /* T1 later */
    phone_answered(w.alice, &out);
    phone_ack(w.alice, &out, "z9hG4bKack");
    assert_non_null(phone_wait(w.bob, "ACK", 2000));
    assert_true(phone_quiet(w.alice, "SIP/2.0 200", 1500));
    /* and a repeated 200 of the phone gets its ACK again */
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(w.bob, "ACK", 2000));
    phones_hang_up(w.alice, &out, w.bob);
    world_free(&w);
}

static void session_changes_pass(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in, again;
    (void)state;
    connect_call(&w, &out, &in);
    /* re-INVITE from the callee, answered by the caller, confirmed end to end */
    phone_within(w.bob, &in, "INVITE", "Content-Type: application/sdp\r\n", SDP_B "a=sendonly\r\n");
    assert_true(phone_take(w.alice, &again, 2000));
    assert_non_null(strstr(again.invite, "a=sendonly"));
    phone_reply(w.alice, again.invite, 200, "OK", NULL, SDP_A "a=recvonly\r\n");
    assert_non_null(phone_wait(w.bob, "SIP/2.0 200", 2000));
    assert_non_null(strstr(w.bob->got, "a=recvonly"));
    phone_ack(w.bob, &in, "z9hG4bKack2");
    assert_non_null(phone_wait(w.alice, "ACK", 2000));
    /* a refused one changes nothing */
    phone_within(w.alice, &out, "INVITE", "Content-Type: application/sdp\r\n", SDP_A);
    assert_true(phone_take(w.bob, &again, 2000));
    phone_reply(w.bob, again.invite, 488, "Not Acceptable Here", NULL, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 488", 2000));
    phone_ack(w.alice, &out, "z9hG4bKack3");
    /* INFO with a body, UPDATE with session timer headers, an answer with a body */
    phone_within(w.alice, &out, "INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\n");
    assert_non_null(phone_wait(w.bob, "INFO", 2000));
    assert_non_null(strstr(w.bob->got, "Signal=5"));
    phone_reply(w.bob, w.bob->got, 200, "OK", NULL, "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    phone_within(w.bob, &in, "UPDATE", "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n", "");
    assert_non_null(phone_wait(w.alice, "UPDATE", 2000));
    assert_non_null(strstr(w.alice->got, "Session-Expires: 1800;refresher=uac"));
    phone_reply(w.alice, w.alice->got, 200, "OK", NULL, "");
    assert_non_null(phone_wait(w.bob, "SIP/2.0 200", 2000));
    /* what cannot be passed on is refused by the node itself */
    phone_within(w.alice, &out, "REFER", "Refer-To: <sip:carol@example.org>\r\n", "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 501", 2000));
    phone_within(w.alice, &out, "INFO", "Require: 100rel\r\n", "");
    assert_non_null(phone_wait(w.alice, "SIP/2.0 420", 2000));
    phones_hang_up(w.alice, &out, w.bob);
    world_free(&w);
}

/* the offer comes with the 200, the answer with the ACK */
static void late_offer_passes(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    phone_invite(w.alice, &out, "bob", "");
    assert_true(phone_take(w.bob, &in, 2000));
    assert_null(strstr(in.invite, "m=audio"));
    phone_reply(w.bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 200", 2000));
    assert_non_null(strstr(w.alice->got, SDP_B));
    phone_answered(w.alice, &out);
    phone_send(
        w.alice,
        "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKlate;rport\r\nFrom: <%s>;tag=%s\r\n"
        "To: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u ACK\r\nContent-Type: application/sdp\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        out.peer, w.alice->local.port, out.local, out.from_tag, out.remote, out.to_tag, out.call_id, out.seq,
        strlen(SDP_A), SDP_A);
    assert_non_null(phone_wait(w.bob, "ACK", 2000));
    assert_non_null(strstr(w.bob->got, SDP_A));
    phones_hang_up(w.bob, &in, w.alice);
    world_free(&w);
}

/* the connection between the nodes goes away and comes back: the call stands */
static void connection_lost_in_a_call(void **state)
{
    struct world w = world_new(false, false);
    struct phone_call out, in;
    (void)state;
    connect_call(&w, &out, &in);
    net_break(w.net, w.a);
    assert_int_equal(net_conns(w.net), 0);
    for (int i = 0; i < 100 && net_conns(w.net) == 0; i++)
        net_turn(w.net, -1, 20);
    assert_true(net_conns(w.net) > 0);
    phones_hang_up(w.bob, &in, w.alice);
    /* and when the device is gone for good, the phone is told */
    connect_call(&w, &out, &in);
    net_hide(w.b, true);
    net_remove(w.net, w.b);
    assert_non_null(phone_wait(w.alice, "BYE", 3000));
    world_free(&w);
}

static void many_calls_at_once(void **state)
{
    struct world w = world_new(false, false);
    static struct phone_call out[20], in[20];
    (void)state;
    for (size_t i = 0; i < 20; i++)
        phone_invite(w.alice, &out[i], "bob", SDP_A);
    for (size_t i = 0; i < 20; i++)
        assert_true(phone_take(w.bob, &in[i], 3000));
    for (size_t i = 0; i < 20; i++)
        phone_reply(w.bob, in[i].invite, 200, "OK", in[i].to_tag, SDP_B);
    size_t answered = 0;
    while (answered < 20 && phone_wait(w.alice, "SIP/2.0 200", 3000) != NULL) {
        char call_id[64], to[200];
        header_of(w.alice->got, "Call-ID", call_id, sizeof(call_id));
        header_of(w.alice->got, "To", to, sizeof(to));
        for (size_t i = 0; i < 20; i++) {
            if (strcmp(out[i].call_id, call_id) != 0 || out[i].to_tag[0] != '\0')
                continue;
            phone_answered(w.alice, &out[i]);
            phone_ack(w.alice, &out[i], "z9hG4bKack");
            answered++;
        }
    }
    assert_int_equal(answered, 20);
    for (size_t i = 0; i < 20; i++)
        phone_bye(w.alice, &out[i]);
    for (size_t ended = 0; ended < 20; ended++) {
        assert_non_null(phone_wait(w.bob, "BYE", 3000));
        phone_reply(w.bob, w.bob->got, 200, "OK", NULL, "");
    }
    assert_int_equal(net_counter(w.a, "calls_answered"), 20);
    assert_int_equal(net_conns(w.net), 1); /* one connection carried them all */
    world_free(&w);
}

/* a node ends in the middle of calls in every state: its phones and the other side hear of it */
static void node_ends_with_calls(void **state)
{
    struct world w = world_new(true, false);
    struct phone_call out, in, ringing, in2;
    (void)state;
    net_hide(w.b2, true);
    connect_call(&w, &out, &in);
    phone_invite(w.alice, &ringing, "bob", SDP_A);
    assert_true(phone_take(w.bob, &in2, 2000));
    net_remove(w.net, w.a);
    assert_non_null(phone_wait(w.alice, "SIP/2.0 503", 2000));
    assert_non_null(phone_wait(w.bob, "BYE", 2000));
    world_free(&w);
}

int test_sip_calls(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_over_udp),
        cmocka_unit_test(answered_over_tcp),
        cmocka_unit_test(wire_names_the_overlay),
        cmocka_unit_test(refusals),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(hops),
        cmocka_unit_test(first_answer_wins),
        cmocka_unit_test(both_answer),
        cmocka_unit_test(all_devices_decide),
        cmocka_unit_test(caller_cancels),
        cmocka_unit_test(cancel_meets_answer),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(answer_is_repeated_until_confirmed),
        cmocka_unit_test(session_changes_pass),
        cmocka_unit_test(late_offer_passes),
        cmocka_unit_test(connection_lost_in_a_call),
        cmocka_unit_test(many_calls_at_once),
        cmocka_unit_test(node_ends_with_calls),
    };
    return cmocka_run_group_tests_name("sip calls", tests, NULL, NULL);
}
