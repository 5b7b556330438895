/* test_wire_event.c - Watch, Event and the values of conversations: the bytes of docs/protocol/conversations.md, there and back; what is broken or too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "wire/conversation.h"
#include "wire/event.h"

#define ID_LEN 16

static struct rf_buf buf;
static struct rf_region region;

static int setup(void **state)
{
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    rf_region_init(&region, rf_mem_system(), 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rf_buf_deinit(&buf);
    rf_region_deinit(&region);
    return 0;
}

static struct rf_view hex(const char *text)
{
    static uint8_t bytes[512];
    size_t len = strlen(text) / 2;
    assert_true(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return rf_view_of(bytes, len);
}

static void is_written(const char *text)
{
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), hex(text)));
}

/* ---- vectors: worked out by hand from the document ---- */

#define R1    "10a0000000000000000000000000000001"
#define N1    "c0000000000000000000000000000007"
#define NONCE "000102030405060708090a0b0c0d0e0f"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ROSTER1                                                                                              \
    "01" NONCE "05616c696365"                                                                                \
    "00000000" ZEROS "0008"                                                                                  \
    "1111111111111111"                                                                                       \
    "0010"                                                                                                   \
    "01000000000000002200000000000000"
#define ASK                                                                                                  \
    "52467771"                                                                                               \
    "00005460"                                                                                               \
    "10" N1 "0021" R1 "f0000012"                                                                             \
    "0000000000000102"                                                                                       \
    "00000007"
#define SAID                                                                                                 \
    "52467773" R1 "0016"                                                                                     \
    "00"                                                                                                     \
    "00005460"                                                                                               \
    "0000000000000103"                                                                                       \
    "00000002"                                                                                               \
    "00000009"                                                                                               \
    "03"
#define EVENT                                                                                                \
    "52466576"                                                                                               \
    "0026" R1 "f0000012"                                                                                     \
    "01"                                                                                                     \
    "0000000000000103"                                                                                       \
    "00000002"                                                                                               \
    "00000009"
#define HOLD                                                                                                 \
    "52467768"                                                                                               \
    "004e" R1 "f0000012" N1 "10" N1 "1111111111111111"                                                       \
    "00005460"                                                                                               \
    "0000000000000103"                                                                                       \
    "00000009"

static void test_ask(void **state)
{
    struct rf_watch_ask ask;
    (void)state;
    assert_int_equal(rf_watch_tag_of(hex(ASK)), RF_WATCH_ASK);
    assert_int_equal(rf_watch_ask_decode(hex(ASK), ID_LEN, &region, &ask), 0);
    assert_int_equal(ask.lease_s, 21600);
    assert_int_equal(ask.way.count, 1);
    assert_int_equal(ask.way.nodes[0].b[15], 7);
    assert_int_equal(ask.item_count, 1);
    assert_int_equal(ask.items[0].kind, 0xf0000012);
    assert_int_equal(ask.items[0].generation, 0x102);
    assert_int_equal(ask.items[0].next, 7);
    rf_watch_ask_encode(&ask, &buf);
    is_written(ASK);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_watch_ask_decode(rf_view_of(buf.p, len), ID_LEN, &region, &ask) < 0);
    rf_buf_view_put(&buf, rf_view_str("of a later version"));
    assert_int_equal(rf_watch_ask_decode(rf_buf_view(&buf), ID_LEN, &region, &ask), 0);
}

static void test_said(void **state)
{
    struct rf_watch_said said;
    (void)state;
    assert_int_equal(rf_watch_said_decode(hex(SAID), &region, &said), 0);
    assert_int_equal(said.from.len, 16);
    assert_int_equal(said.state_count, 2);
    assert_int_equal(said.states[0].outcome, RF_WATCH_HELD);
    assert_int_equal(said.states[0].lease_s, 21600);
    assert_int_equal(said.states[0].generation, 0x103);
    assert_int_equal(said.states[0].first, 2);
    assert_int_equal(said.states[0].next, 9);
    assert_int_equal(said.states[1].outcome, RF_WATCH_FORBIDDEN);
    rf_watch_said_encode(&said, &buf);
    is_written(SAID);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_watch_said_decode(rf_view_of(buf.p, len), &region, &said) < 0);
    buf.p[buf.len - 1] = 77; /* an outcome that we do not know */
    assert_int_equal(rf_watch_said_decode(rf_buf_view(&buf), &region, &said), 0);
    assert_int_equal(said.states[1].outcome, RF_WATCH_LATER);
}

static void test_event(void **state)
{
    struct rf_watch_event event;
    (void)state;
    assert_int_equal(rf_watch_tag_of(hex(EVENT)), RF_WATCH_EVENT);
    assert_int_equal(rf_watch_event_decode(hex(EVENT), &region, &event), 0);
    assert_int_equal(event.news_count, 1);
    assert_int_equal(event.news[0].what, RF_WATCH_CHANGED);
    assert_int_equal(event.news[0].generation, 0x103);
    assert_int_equal(event.news[0].next, 9);
    rf_watch_event_encode(&event, &buf);
    is_written(EVENT);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_watch_event_decode(rf_view_of(buf.p, len), &region, &event) < 0);
    buf.p[6 + 17 + 4] = 99; /* a later version's: something happened */
    assert_int_equal(rf_watch_event_decode(rf_buf_view(&buf), &region, &event), 0);
    assert_int_equal(event.news[0].what, RF_WATCH_CHANGED);
}

static void test_hold(void **state)
{
    struct rf_watch_hold hold;
    (void)state;
    assert_int_equal(rf_watch_tag_of(hex(HOLD)), RF_WATCH_HOLD);
    assert_int_equal(rf_watch_hold_decode(hex(HOLD), ID_LEN, &region, &hold), 0);
    assert_int_equal(hold.lease_count, 1);
    assert_int_equal(hold.leases[0].watcher.b[15], 7);
    assert_int_equal(hold.leases[0].way.count, 1);
    assert_int_equal(hold.leases[0].member[0], 0x11);
    assert_int_equal(hold.leases[0].lease_s, 21600);
    rf_watch_hold_encode(&hold, &buf);
    is_written(HOLD);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_watch_hold_decode(rf_view_of(buf.p, len), ID_LEN, &region, &hold) < 0);
    assert_int_equal(rf_watch_hold_decode(hex(ASK), ID_LEN, &region, &hold), RF_EUNKNOWN);
}

/* Each list with more than it may hold, and ways that are none. */
static void test_too_much(void **state)
{
    struct rf_watch_said said;
    struct rf_watch_ask ask;
    (void)state;
    rf_buf_u32(&buf, RF_WATCH_TAG_SAID);
    rf_buf_u8(&buf, 0);
    size_t mark = rf_buf_open(&buf, 2);
    for (size_t i = 0; i <= RF_WATCH_MAX_ITEMS; i++)
        rf_buf_u8(&buf, RF_WATCH_FULL);
    rf_buf_close(&buf, mark, 2);
    assert_int_equal(rf_watch_said_decode(rf_buf_view(&buf), &region, &said), RF_ELIMIT);
    static const struct {
        const char *hex;
        int error;
    } rows[] = {
        {"52467771"
         "00000001"
         "00"
         "0000",
         RF_EFORMAT}, /* about nothing */
        {"52467771"
         "00000001"
         "30" N1 N1 N1 "0000",
         RF_ELIMIT}, /* a long way */
        {"52467771"
         "00000001"
         "10"
         "00000000000000000000000000000000"
         "0000",
         RF_EFORMAT},
        {"52467771"
         "00000001"
         "10"
         "ffffffffffffffffffffffffffffffff"
         "0000",
         RF_EFORMAT},
        {"52467771"
         "00000001"
         "0f"
         "ffffffffffffffffffffffffffffff"
         "0000",
         RF_ESHORT},
        {"52467771"
         "00000001"
         "00"
         "0010"
         "ff",
         RF_ESHORT},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (rf_watch_ask_decode(hex(rows[i].hex), ID_LEN, &region, &ask) != rows[i].error)
            fail_msg("row %zu: %d", i, rf_watch_ask_decode(hex(rows[i].hex), ID_LEN, &region, &ask));
    assert_int_equal(rf_watch_tag_of(rf_view_str("RFw")), RF_WATCH_NONE);
    assert_int_equal(rf_watch_tag_of(rf_view_str("RFrq")), RF_WATCH_NONE);
}

/* ---- values ---- */

static void test_roster(void **state)
{
    struct rf_roster roster;
    (void)state;
    assert_int_equal(rf_roster_decode(hex(ROSTER1), &roster), 0);
    assert_true(rf_view_equal(roster.creator, rf_view_str("alice")));
    assert_int_equal(roster.sequence, 0);
    assert_true(rf_roster_has(roster.admins, (const uint8_t *)"\x11\x11\x11\x11\x11\x11\x11\x11"));
    assert_true(rf_roster_has(roster.members, (const uint8_t *)"\1\0\0\0\0\0\0\0"));
    assert_true(rf_roster_has(roster.members, (const uint8_t *)"\x22\0\0\0\0\0\0\0"));
    assert_false(rf_roster_has(roster.members, (const uint8_t *)"\x22\0\0\0\0\0\0\1"));
    assert_false(rf_roster_has(roster.members, (const uint8_t *)"\0\0\0\0\0\0\0\0"));
    assert_false(rf_roster_has(rf_view_of(NULL, 0), (const uint8_t *)"\0\0\0\0\0\0\0\0"));
    rf_roster_encode(&roster, &buf);
    is_written(ROSTER1);
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_roster_decode(rf_view_of(buf.p, len), &roster) < 0);
    static const struct {
        const char *hex;
        int error;
    } rows[] = {
        {"02" NONCE "0161"
         "00000000" ZEROS "0008"
         "1111111111111111"
         "0000",
         RF_EVERSION},
        {"01" NONCE "00"
         "00000000" ZEROS "0008"
         "1111111111111111"
         "0000",
         RF_EFORMAT}, /* nobody's */
        {"01" NONCE "0161"
         "00000000" ZEROS "0000"
         "0000",
         RF_EFORMAT}, /* no admin */
        {"01" NONCE "0161"
         "00000000" ZEROS "0007"
         "11111111111111"
         "0000",
         RF_ELENGTH},
        {"01" NONCE "0161"
         "00000000" ZEROS "0010"
         "22222222222222221111111111111111"
         "0000",
         RF_EFORMAT},
        {"01" NONCE "0161"
         "00000000" ZEROS "0010"
         "11111111111111111111111111111111"
         "0000",
         RF_EFORMAT},
        {"01" NONCE "0161"
         "00000000" ZEROS "0008"
         "1111111111111111"
         "0008"
         "1111111111111111",
         RF_EFORMAT},
        {"01" NONCE "0161"
         "00000000" ZEROS "0008"
         "1111111111111111"
         "0000"
         "ab",
         0}, /* a later version's */
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (rf_roster_decode(hex(rows[i].hex), &roster) != rows[i].error)
            fail_msg("row %zu", i);
}

static void test_roster_of_many(void **state)
{
    struct rf_roster roster;
    uint8_t *tags = calloc(RF_ROSTER_MAX_TAGS, RF_ROSTER_TAG_LEN);
    (void)state;
    for (size_t i = 0; i < RF_ROSTER_MAX_TAGS; i++) {
        tags[i * 8] = (uint8_t)(i >> 8);
        tags[i * 8 + 1] = (uint8_t)i;
    }
    assert_int_equal(rf_roster_decode(hex(ROSTER1), &roster), 0);
    roster.members = rf_view_of(tags, (RF_ROSTER_MAX_TAGS - 1) * RF_ROSTER_TAG_LEN);
    rf_roster_encode(&roster, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_int_equal(rf_roster_decode(rf_buf_view(&buf), &roster), 0);
    for (size_t i = 0; i + 1 < RF_ROSTER_MAX_TAGS; i += 97)
        assert_true(rf_roster_has(roster.members, tags + i * 8));
    assert_false(rf_roster_has(roster.members, tags + (RF_ROSTER_MAX_TAGS - 1) * 8));
    rf_buf_reset(&buf);
    roster.members = rf_view_of(tags, RF_ROSTER_MAX_TAGS * RF_ROSTER_TAG_LEN);
    rf_roster_encode(&roster, &buf);
    assert_int_equal(rf_buf_error(&buf), RF_EINVAL);
    free(tags);
}

static void test_entries_and_notes(void **state)
{
    struct rf_entry entry;
    struct rf_view content;
    (void)state;
    assert_int_equal(rf_entry_decode(hex("01"
                                         "0000000000000005"
                                         "abcd"),
                                     &entry),
                     0);
    assert_int_equal(entry.sequence, 5);
    assert_int_equal(entry.content.len, 2);
    rf_entry_encode(&entry, &buf);
    is_written("01"
               "0000000000000005"
               "abcd");
    assert_int_equal(rf_entry_decode(hex("01"
                                         "0000000000000000"
                                         "ab"),
                                     &entry),
                     RF_EFORMAT);
    assert_int_equal(rf_entry_decode(hex("01"
                                         "0000000000000001"),
                                     &entry),
                     RF_ESHORT);
    assert_int_equal(rf_entry_decode(hex("02"
                                         "0000000000000001"
                                         "ab"),
                                     &entry),
                     RF_EVERSION);
    assert_int_equal(rf_entry_decode(hex(""), &entry), RF_ESHORT);
    rf_buf_reset(&buf);
    assert_int_equal(rf_note_decode(hex("0161"), &content), 0);
    rf_note_encode(content, &buf);
    is_written("0161");
    assert_int_equal(rf_note_decode(hex("01"), &content), RF_ESHORT);
    assert_int_equal(rf_note_decode(hex("0061"), &content), RF_EVERSION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ask),      TEST(test_said),   TEST(test_event),          TEST(test_hold),
        TEST(test_too_much), TEST(test_roster), TEST(test_roster_of_many), TEST(test_entries_and_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
