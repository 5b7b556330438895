/* fuzz_wire_relay.c - what others say about relays: decoded, encoded, decoded again: the same. */
#include "base/assert.h"
#include "base/error.h"
#include "wire/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t bytes[4096];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_view in = rf_view_of(data, len);
    struct rf_relay_said said, again;
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    bool is_ask = rf_relay_is_ask(in);
    if (rf_relay_said_decode(in, &said) != 0)
        return 0;
    RF_ASSERT(!is_ask && said.server_count <= RF_RELAY_SERVERS);
    rf_relay_said_encode(&said, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_relay_said_decode(rf_buf_view(&buf), &again) == 0);
    RF_ASSERT(again.outcome == said.outcome);
    if (said.outcome != RF_RELAY_GIVEN)
        return 0;
    RF_ASSERT(again.lifetime_s == said.lifetime_s && again.server_count == said.server_count);
    RF_ASSERT(rf_view_equal(again.user, said.user) && rf_view_equal(again.password, said.password) &&
              rf_view_equal(again.realm, said.realm));
    for (size_t i = 0; i < said.server_count; i++) {
        RF_ASSERT(said.servers[i].transport < RF_RELAY_TRANSPORTS && said.servers[i].address.port != 0);
        RF_ASSERT(again.servers[i].transport == said.servers[i].transport &&
                  rf_addr_equal(&again.servers[i].address, &said.servers[i].address) &&
                  rf_view_equal(again.servers[i].name, said.servers[i].name));
    }
    return 0;
}
