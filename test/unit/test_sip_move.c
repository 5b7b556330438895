/* test_sip_move.c - an end of a call moves: its media go on. Each SIP thread sees the addresses of this machine that the test gives it. */
#include "test_sip_anchor.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the addresses of this machine, as a thread is told: in the order in which threads ask for the first time ---- */

#define MAX_MACHINES 4

static struct {
    pthread_t thread;
    bool known;
    const char *address; /* dotted, or with colons; NULL: none at all */
} machines[MAX_MACHINES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *address_of_thread(void)
{
    const char *address = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MAX_MACHINES; i++) {
        if (!machines[i].known) {
            machines[i].known = true;
            machines[i].thread = pthread_self();
        }
        if (pthread_equal(machines[i].thread, pthread_self())) {
            address = machines[i].address;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return address;
}

static void machine_at(size_t number, const char *address)
{
    pthread_mutex_lock(&lock);
    machines[number].address = address;
    pthread_mutex_unlock(&lock);
}

/* Instead of the system's. */
int getifaddrs(struct ifaddrs **out)
{
    const char *address = address_of_thread();
    struct {
        struct ifaddrs head;
        struct sockaddr_in6 storage;
    } *one = calloc(1, sizeof(*one));
    *out = NULL;
    if (one == NULL)
        return -1;
    one->head.ifa_flags = IFF_UP;
    if (address != NULL && strchr(address, ':') != NULL) {
        one->storage.sin6_family = AF_INET6;
        (void)inet_pton(AF_INET6, address, &one->storage.sin6_addr);
    } else if (address != NULL) {
        struct sockaddr_in *in = (struct sockaddr_in *)&one->storage;
        in->sin_family = AF_INET;
        (void)inet_pton(AF_INET, address, &in->sin_addr);
    }
    one->head.ifa_addr = address != NULL ? (struct sockaddr *)&one->storage : NULL;
    *out = &one->head;
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    free(list);
}

/* ---- calls ---- */

struct moving {
    struct anchor_world w;
    struct phone_call out, in;
};

/* alice's node is machine 0, bob's machine 1 */
static void begin(struct moving *m)
{
    memset(machines, 0, sizeof(machines));
    for (size_t i = 0; i < MAX_MACHINES; i++)
        machines[i].address = "127.0.0.1";
    m->w = anchor_world_new();
    anchor_connect(&m->w, &m->out, &m->in);
    assert_true(sound_arrives(m->w.net, &m->w.at_alice, &m->w.at_bob, false, 3000));
    assert_true(sound_arrives(m->w.net, &m->w.at_bob, &m->w.at_alice, false, 3000));
}

/* Sound goes on both ways, with the keys that there were, and no phone has heard of anything. */
static void goes_on(struct moving *m)
{
    struct anchor_world *w = &m->w;
    assert_true(sound_arrives(w->net, &w->at_alice, &w->at_bob, false, 3000));
    assert_true(sound_arrives(w->net, &w->at_bob, &w->at_alice, false, 3000));
    assert_true(sound_arrives(w->net, &w->at_alice, &w->at_bob, true, 3000));
    assert_int_equal(net_counter(w->a, "media_secured"), 1);
    assert_int_equal(net_counter(w->b, "media_secured"), 1);
    assert_int_equal(net_counter(w->a, "media_srtp_failed") + net_counter(w->b, "media_srtp_failed"), 0);
    assert_true(phone_quiet(w->alice, "UPDATE", 20));
    assert_true(phone_quiet(w->bob, "UPDATE", 20));
}

static void end(struct moving *m)
{
    phones_hang_up(m->w.alice, &m->out, m->w.bob);
    anchor_world_free(&m->w);
}

static uint64_t both(const struct moving *m, const char *counter)
{
    return net_counter(m->w.a, counter) + net_counter(m->w.b, counter);
}

/* the other end sees the check from the new address and follows */
static void followed(void **state)
{
    struct moving m;
    (void)state;
    begin(&m);
    machine_at(0, NULL); /* between two networks */
    net_turn(m.w.net, -1, 300);
    machine_at(0, "127.0.0.2");
    goes_on(&m);
    machine_at(1, "127.0.0.3");
    goes_on(&m);
    end(&m);
}

/* phones negotiate as ever */
static void hold(struct moving *m)
{
    struct phone_call again;
    memcpy(strstr(m->w.at_bob.sdp, "a=sendrecv"), "a=inactive", 10);
    phone_within(m->w.bob, &m->in, "INVITE", "Content-Type: application/sdp\r\n", m->w.at_bob.sdp);
    assert_true(phone_take(m->w.alice, &again, 3000));
    assert_non_null(strstr(again.invite, "a=inactive"));
    memcpy(strstr(m->w.at_alice.sdp, "a=sendrecv"), "a=inactive", 10);
    phone_reply(m->w.alice, again.invite, 200, "OK", NULL, m->w.at_alice.sdp);
    assert_non_null(phone_wait(m->w.bob, "SIP/2.0 200", 3000));
    phone_ack(m->w.bob, &m->in, "z9hG4bKack2");
    assert_non_null(phone_wait(m->w.alice, "ACK", 3000));
}

/* both move at once: neither knows where the other one is, both ask */
static void both_move(void **state)
{
    struct moving m;
    (void)state;
    begin(&m);
    uint64_t secured = both(&m, "media_secured");
    machine_at(0, "127.0.0.2");
    machine_at(1, "127.0.0.3");
    anchor_wait_counter(&m.w, m.w.a, "media_moved", 1, 10000);
    anchor_wait_counter(&m.w, m.w.b, "media_moved", 1, 10000);
    goes_on(&m);
    assert_int_equal(both(&m, "media_secured"), secured);
    assert_true(both(&m, "media_restarts") > 0);
    assert_true(both(&m, "media_restarts_asked") > 0);
    const char *update = strstr(net_sniffed(m.w.net), "UPDATE sip:");
    assert_non_null(update);
    assert_non_null(strstr(update, "o=- 1 2 IN IP4 127.0.0.1\r\n")); /* a later version of the phone's SDP */
    assert_non_null(strstr(update, "a=setup:actpass\r\n"));
    assert_non_null(strstr(update, "127.0.0.2"));
    hold(&m);
    goes_on(&m);
    end(&m);
}

/* the connection of the nodes is lost as well, and comes back */
static void connection_lost(void **state)
{
    struct moving m;
    (void)state;
    begin(&m);
    machine_at(0, "127.0.0.2");
    machine_at(1, "127.0.0.3");
    net_turn(m.w.net, -1, 200);
    net_break(m.w.net, m.w.a);
    anchor_wait_counter(&m.w, m.w.a, "media_moved", 1, 10000);
    goes_on(&m);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followed),
        cmocka_unit_test(both_move),
        cmocka_unit_test(connection_lost),
    };
    return cmocka_run_group_tests_name("sip move", tests, NULL, NULL);
}
