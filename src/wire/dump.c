/* dump.c - a whole message as text: header, extensions, security block; the bodies are in dump_body.c. */
#include "wire/dump.h"

#include "base/error.h"
#include "base/text.h"
#include "wire/diag.h"
#include "wire/dump_internal.h"

void dump_hex(struct rf_view bytes, struct rf_buf *out)
{
    struct rf_view start = bytes;

    if (start.len > DUMP_HEX_MAX)
        start.len = DUMP_HEX_MAX;
    rf_hex_put(out, start);
    if (bytes.len > start.len)
        rf_buf_printf(out, "...(%zu)", bytes.len);
}

void dump_text(struct rf_view text, struct rf_buf *out)
{
    rf_buf_str(out, "\"");
    for (size_t i = 0; i < text.len && i < DUMP_TEXT_MAX; i++) {
        uint8_t c = text.p[i];
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
            rf_buf_u8(out, c);
        else
            rf_buf_printf(out, "\\x%02x", c);
    }
    rf_buf_str(out, "\"");
    if (text.len > DUMP_TEXT_MAX)
        rf_buf_printf(out, "...(%zu)", text.len);
}

void dump_signature(const struct rf_signature *signature, struct rf_buf *out)
{
    static const char *const types[] = {"?", "cert_hash", "cert_hash_node_id", "none"};

    rf_buf_printf(out, "signer %s", types[signature->identity.type & 3]);
    if (signature->identity.type != RF_IDENTITY_NONE) {
        rf_buf_printf(out, "(%u) ", signature->identity.hash_alg);
        dump_hex(signature->identity.hash, out);
    }
    rf_buf_printf(out, " algorithm %02x%02x, %zu bytes", signature->hash_alg, signature->sig_alg,
                  signature->value.len);
}

void rf_dump_line(const struct rf_message *message, struct rf_buf *out)
{
    const struct rf_header *h = &message->header;

    rf_buf_printf(out, "%s(0x%x) tid=%016llx ttl=%u", rf_code_name(message->code), message->code,
                  (unsigned long long)h->transaction_id, h->ttl);
    rf_buf_str(out, " via=");
    rf_dest_list_text(h->via, out);
    rf_buf_str(out, " dst=");
    rf_dest_list_text(h->dests, out);
    rf_buf_printf(out, " len=%u config=%u", h->length, h->config_sequence);
    if (h->max_response_len != 0)
        rf_buf_printf(out, " max_response=%u", h->max_response_len);
    if (h->fragment != RF_FRAGMENT_WHOLE)
        rf_buf_printf(out, " fragment=%08x", h->fragment);
}

static void dump_options(const struct rf_header *header, uint8_t id_len, struct rf_buf *out)
{
    struct rf_view list = header->options;
    struct rf_routing_mode mode;
    struct rf_option option;
    char addr[RF_ADDR_TEXT_LEN];

    while (list.len > 0 && rf_option_next(&list, &option) == 0) {
        rf_buf_printf(out, "  option %u flags %02x ", option.type, option.flags);
        if (option.type == RF_OPTION_EXTENSIVE_ROUTING_MODE &&
            rf_routing_mode_decode(option.data, id_len, &mode) == 0) {
            rf_buf_printf(out, "%s over %s to %s ", mode.mode == RF_ROUTE_DRR ? "DRR" : "RPR",
                          rf_overlay_link_name(mode.transport), rf_addr_text(&mode.addr, addr));
            rf_dest_list_text(mode.dests, out);
        } else {
            dump_hex(option.data, out);
        }
        rf_buf_str(out, "\n");
    }
}

static void dump_extension(const struct rf_extension *extension, bool request, struct rf_buf *out)
{
    struct rf_self_tuning tuning;
    struct rf_diag_req req;
    struct rf_diag_ans ans;

    rf_buf_printf(out, "  extension %u%s ", extension->type, extension->critical ? " critical" : "");
    if (extension->type == RF_EXTENSION_SELF_TUNING_DATA &&
        rf_self_tuning_decode(extension->contents, &tuning) == 0)
        rf_buf_printf(out, "self_tuning_data size %u joins %u leaves %u\n", tuning.network_size,
                      tuning.join_rate, tuning.leave_rate);
    else if (extension->type == RF_EXTENSION_DIAGNOSTIC_PING && request &&
             rf_diag_req_decode(extension->contents, &req) == 0)
        dump_diag_req(&req, out);
    else if (extension->type == RF_EXTENSION_DIAGNOSTIC_PING && !request &&
             rf_diag_ans_decode(extension->contents, &ans) == 0)
        dump_diag_ans(&ans, out);
    else {
        dump_hex(extension->contents, out);
        rf_buf_str(out, "\n");
    }
}

void rf_dump_message(const struct rf_message *message, uint8_t id_len, struct rf_region *region,
                     struct rf_buf *out)
{
    struct dump dump = {.out = out, .region = region, .id_len = id_len};
    struct rf_view list = message->extensions;
    struct rf_extension extension;
    int error;

    rf_dump_line(message, out);
    rf_buf_str(out, "\n");
    dump_options(&message->header, id_len, out);
    error = dump_body(&dump, message->code, message->body);
    if (error != 0)
        rf_buf_printf(out, "  body of %zu bytes: %s\n", message->body.len, rf_error_text(error));
    while (list.len > 0 && rf_extension_next(&list, &extension) == 0)
        dump_extension(&extension, rf_code_is_request(message->code), out);
    rf_buf_str(out, "  certificates");
    for (size_t i = 0; i < message->security.cert_count; i++)
        rf_buf_printf(out, " %zu", message->security.certs[i].len);
    rf_buf_str(out, " bytes; ");
    dump_signature(&message->security.signature, out);
    rf_buf_str(out, "\n");
}

void rf_dump_bytes(struct rf_view message, uint8_t id_len, struct rf_region *region, struct rf_buf *out)
{
    struct rf_message decoded;
    struct rf_view rest = message;
    int error = rf_message_decode(message, id_len, &decoded);

    if (error == 0) {
        rf_dump_message(&decoded, id_len, region, out);
    } else if (error == RF_EAGAIN && rf_header_decode(&rest, id_len, &decoded.header) == 0) {
        decoded.code = 0;
        rf_dump_line(&decoded, out);
        rf_buf_printf(out, "\n  %zu bytes of a fragment\n", rest.len);
    } else {
        rf_buf_printf(out, "message of %zu bytes: %s\n", message.len, rf_error_text(error));
    }
}
