/* fuzz_wire_event.c - Watch, Event and the values of conversations: decoded, encoded, decoded and encoded again: the same bytes. */
#include "base/assert.h"
#include "base/error.h"
#include "wire/conversation.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rf_buf first, second;
static struct rf_region region;

static void same(void)
{
    RF_ASSERT(rf_buf_error(&first) == 0 && rf_view_equal(rf_buf_view(&first), rf_buf_view(&second)));
    rf_buf_reset(&first);
    rf_buf_reset(&second);
}

static void requests(struct rf_view in)
{
    struct rf_watch_ask ask;
    struct rf_watch_event event;
    struct rf_watch_hold hold;
    struct rf_watch_said said;
    if (rf_watch_ask_decode(in, 16, &region, &ask) == 0) {
        rf_watch_ask_encode(&ask, &first);
        RF_ASSERT(rf_watch_ask_decode(rf_buf_view(&first), 16, &region, &ask) == 0);
        rf_watch_ask_encode(&ask, &second);
        same();
    }
    if (rf_watch_event_decode(in, &region, &event) == 0) {
        rf_watch_event_encode(&event, &first);
        RF_ASSERT(rf_watch_event_decode(rf_buf_view(&first), &region, &event) == 0);
        rf_watch_event_encode(&event, &second);
        same();
    }
    if (rf_watch_hold_decode(in, 16, &region, &hold) == 0) {
        rf_watch_hold_encode(&hold, &first);
        RF_ASSERT(rf_watch_hold_decode(rf_buf_view(&first), 16, &region, &hold) == 0);
        rf_watch_hold_encode(&hold, &second);
        same();
    }
    if (rf_watch_said_decode(in, &region, &said) == 0) {
        rf_watch_said_encode(&said, &first);
        RF_ASSERT(rf_watch_said_decode(rf_buf_view(&first), &region, &said) == 0);
        rf_watch_said_encode(&said, &second);
        same();
    }
}

static void values(struct rf_view in)
{
    struct rf_roster roster;
    struct rf_entry entry;
    struct rf_view content;
    if (rf_roster_decode(in, &roster) == 0) {
        RF_ASSERT(rf_roster_has(roster.admins, roster.admins.p) &&
                  !rf_roster_has(roster.members, roster.admins.p));
        rf_roster_encode(&roster, &first);
        RF_ASSERT(rf_roster_decode(rf_buf_view(&first), &roster) == 0);
        rf_roster_encode(&roster, &second);
        same();
    }
    if (rf_entry_decode(in, &entry) == 0) {
        rf_entry_encode(&entry, &first);
        RF_ASSERT(rf_view_equal(rf_buf_view(&first), in));
        rf_buf_reset(&first);
    }
    if (rf_note_decode(in, &content) == 0) {
        rf_note_encode(content, &first);
        RF_ASSERT(rf_view_equal(rf_buf_view(&first), in));
        rf_buf_reset(&first);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    rf_buf_init(&first, rf_mem_system(), 1 << 20);
    rf_buf_init(&second, rf_mem_system(), 1 << 20);
    rf_region_init(&region, rf_mem_system(), 8 << 20);
    requests(rf_view_of(data, len));
    values(rf_view_of(data, len));
    rf_region_deinit(&region);
    rf_buf_deinit(&first);
    rf_buf_deinit(&second);
    return 0;
}
