/* wire_again.c - decode and encode again: headers, contents, stored values. The bodies are in wire_again_body.c. */
#include "support/wire_again.h"

#include "base/error.h"
#include "wire/diag.h"
#include "wire/value.h"

/* given_up: an inner structure did not decode; not strict: its bytes are copied. */
static int given_up(const struct wire_again *again, int error, struct rf_view bytes, struct rf_buf *out)
{
    if (error == 0 || again->strict)
        return error;
    rf_buf_view_put(out, bytes);
    return 0;
}

int wire_again_dests(struct wire_again *again, struct rf_view list, struct rf_buf *out)
{
    struct rf_dest dest;

    while (list.len > 0) {
        int error = rf_dest_next(&list, again->id_len, &dest);
        if (error != 0)
            return error;
        if (dest.id.len > 0)
            dest.bytes = rf_view_of(NULL, 0); /* the owned bytes must do */
        rf_dest_encode(&dest, out);
    }
    return 0;
}

static int again_mode(struct wire_again *again, struct rf_view data, struct rf_buf *out)
{
    uint8_t bytes[256];
    struct rf_routing_mode mode;
    struct rf_buf dests;
    int error = rf_routing_mode_decode(data, again->id_len, &mode);

    if (error == 0 && mode.addr.family == 0)
        error = RF_EUNKNOWN;
    if (error != 0)
        return given_up(again, error, data, out);
    rf_buf_fixed(&dests, bytes, sizeof bytes);
    if ((error = wire_again_dests(again, mode.dests, &dests)) != 0)
        return error;
    mode.dests = rf_buf_view(&dests);
    rf_routing_mode_encode(&mode, out);
    return 0;
}

static int again_options(struct wire_again *again, struct rf_view list, struct rf_buf *out)
{
    struct rf_option option;

    while (list.len > 0) {
        struct rf_buf data;
        int error = rf_option_next(&list, &option);
        if (error != 0)
            return error;
        rf_buf_init(&data, rf_mem_system(), 1 << 16);
        if (option.type == RF_OPTION_EXTENSIVE_ROUTING_MODE)
            error = again_mode(again, option.data, &data);
        else
            rf_buf_view_put(&data, option.data);
        option.data = rf_buf_view(&data);
        rf_option_encode(&option, out);
        rf_buf_deinit(&data);
        if (error != 0)
            return error;
    }
    return 0;
}

static int again_header(struct wire_again *again, const struct rf_header *header, size_t rest_len,
                        struct rf_buf *out)
{
    struct rf_header copy = {.overlay = header->overlay,
                             .config_sequence = header->config_sequence,
                             .ttl = header->ttl,
                             .fragment = header->fragment,
                             .transaction_id = header->transaction_id,
                             .max_response_len = header->max_response_len};
    struct rf_buf via, dests, options;
    int error;

    rf_buf_init(&via, rf_mem_system(), 1 << 16);
    rf_buf_init(&dests, rf_mem_system(), 1 << 16);
    rf_buf_init(&options, rf_mem_system(), 1 << 17);
    if ((error = wire_again_dests(again, header->via, &via)) == 0 &&
        (error = wire_again_dests(again, header->dests, &dests)) == 0 &&
        (error = again_options(again, header->options, &options)) == 0) {
        copy.via = rf_buf_view(&via);
        copy.dests = rf_buf_view(&dests);
        copy.options = rf_buf_view(&options);
        rf_header_encode(&copy, rest_len, out);
    }
    rf_buf_deinit(&via);
    rf_buf_deinit(&dests);
    rf_buf_deinit(&options);
    return error;
}

int wire_again_diag_req(struct wire_again *again, struct rf_view in, struct rf_buf *out)
{
    struct rf_diag_extension extension;
    struct rf_diag_req req;
    struct rf_buf list;
    int error = rf_diag_req_decode(in, &req);

    if (error != 0)
        return given_up(again, error, in, out);
    rf_buf_init(&list, rf_mem_system(), 1 << 24);
    while (error == 0 && req.extensions.len > 0) {
        if ((error = rf_diag_extension_next(&req.extensions, &extension)) == 0)
            rf_diag_extension_encode(&extension, &list);
    }
    req.extensions = rf_buf_view(&list);
    rf_diag_req_encode(&req, out);
    rf_buf_deinit(&list);
    return error;
}

int wire_again_diag_ans(struct wire_again *again, struct rf_view in, struct rf_buf *out)
{
    struct rf_diag_info info;
    struct rf_diag_ans ans;
    struct rf_buf list, number;
    uint8_t bytes[8];
    uint64_t n;
    int error = rf_diag_ans_decode(in, &ans);

    if (error != 0)
        return given_up(again, error, in, out);
    rf_buf_init(&list, rf_mem_system(), 1 << 24);
    while (error == 0 && ans.infos.len > 0) {
        if ((error = rf_diag_info_next(&ans.infos, &info)) != 0)
            break;
        if (rf_diag_info_number(&info, &n) == 0) {
            rf_buf_fixed(&number, bytes, sizeof bytes);
            rf_diag_number_encode(info.kind, n, &number);
            info.contents = rf_buf_view(&number);
        }
        rf_diag_info_encode(&info, &list);
    }
    ans.infos = rf_buf_view(&list);
    rf_diag_ans_encode(&ans, out);
    rf_buf_deinit(&list);
    return error;
}

static int again_extensions(struct wire_again *again, bool request, struct rf_view list, struct rf_buf *out)
{
    struct rf_self_tuning tuning;
    struct rf_extension extension;
    int error = 0;

    while (error == 0 && list.len > 0) {
        struct rf_buf contents;
        if ((error = rf_extension_next(&list, &extension)) != 0)
            break;
        rf_buf_init(&contents, rf_mem_system(), 1 << 24);
        if (extension.type == RF_EXTENSION_SELF_TUNING_DATA) {
            if ((error = rf_self_tuning_decode(extension.contents, &tuning)) == 0)
                rf_self_tuning_encode(&tuning, &contents);
            else
                error = given_up(again, error, extension.contents, &contents);
        } else if (extension.type == RF_EXTENSION_DIAGNOSTIC_PING) {
            error = request ? wire_again_diag_req(again, extension.contents, &contents)
                            : wire_again_diag_ans(again, extension.contents, &contents);
        } else {
            rf_buf_view_put(&contents, extension.contents);
        }
        extension.contents = rf_buf_view(&contents);
        rf_extension_encode(&extension, out);
        rf_buf_deinit(&contents);
    }
    return error;
}

int wire_again_message(struct wire_again *again, struct rf_view message, struct rf_buf *out)
{
    struct rf_message m;
    struct rf_buf body, extensions, contents, security;
    int error = rf_message_decode(message, again->id_len, &m);

    if (error != 0)
        return error;
    rf_buf_init(&body, rf_mem_system(), 1 << 24);
    rf_buf_init(&extensions, rf_mem_system(), 1 << 24);
    rf_buf_init(&contents, rf_mem_system(), 1 << 24);
    rf_buf_init(&security, rf_mem_system(), 1 << 24);
    if ((error = wire_again_body(again, m.code, m.body, &body)) != 0) {
        rf_buf_reset(&body);
        error = given_up(again, error, m.body, &body);
    }
    if (error == 0)
        error = again_extensions(again, rf_code_is_request(m.code), m.extensions, &extensions);
    rf_contents_encode(m.code, rf_buf_view(&body), rf_buf_view(&extensions), &contents);
    rf_security_encode(&m.security, &security);
    if (error == 0)
        error = again_header(again, &m.header, contents.len + security.len, out);
    rf_buf_view_put(out, rf_buf_view(&contents));
    rf_buf_view_put(out, rf_buf_view(&security));
    rf_buf_deinit(&body);
    rf_buf_deinit(&extensions);
    rf_buf_deinit(&contents);
    rf_buf_deinit(&security);
    return error;
}

/* ---- stored values ---- */

int wire_again_value(struct wire_again *again, uint32_t kind, struct rf_view value, struct rf_buf *out)
{
    struct rf_sip_value sip;
    struct rf_turn_value turn;
    struct rf_redir_value redir;
    struct rf_acl_value acl;
    struct rf_buf dests;
    int error = 0;

    rf_buf_init(&dests, rf_mem_system(), 1 << 16);
    if (kind == RF_KIND_SIP_REGISTRATION) {
        if ((error = rf_sip_value_decode(value, again->id_len, &sip)) == 0 &&
            (error = wire_again_dests(again, sip.dests, &dests)) == 0) {
            sip.dests = rf_buf_view(&dests);
            rf_sip_value_encode(&sip, out);
        }
    } else if (kind == RF_KIND_TURN_SERVICE) {
        if ((error = rf_turn_value_decode(value, &turn)) == 0)
            rf_turn_value_encode(&turn, out);
    } else if (kind == RF_KIND_REDIR) {
        if ((error = rf_redir_value_decode(value, again->id_len, &redir)) == 0 &&
            (error = wire_again_dests(again, redir.dests, &dests)) == 0) {
            redir.dests = rf_buf_view(&dests);
            rf_redir_value_encode(&redir, out);
        }
    } else if (kind == RF_KIND_ACCESS_CONTROL_LIST) {
        if ((error = rf_acl_value_decode(value, false, &acl)) == 0)
            rf_acl_value_encode(&acl, out);
    } else {
        rf_buf_view_put(out, value);
    }
    rf_buf_deinit(&dests);
    return given_up(again, error, value, out);
}

int wire_again_stored(struct wire_again *again, uint32_t kind, enum rf_model model, struct rf_view list,
                      struct rf_buf *out)
{
    struct rf_stored_data data;
    struct rf_stored stored;
    int error = 0;

    while (error == 0 && list.len > 0) {
        struct rf_buf value;
        if ((error = rf_stored_next(&list, &stored)) != 0)
            return error;
        if ((error = rf_stored_data_decode(&stored, model, &data)) != 0) {
            error = given_up(again, error, stored.raw, out);
            continue;
        }
        rf_buf_init(&value, rf_mem_system(), 1 << 24);
        if (data.exists)
            error = wire_again_value(again, kind, data.value, &value);
        data.value = rf_buf_view(&value);
        data.value_raw = data.signature_raw = rf_view_of(NULL, 0);
        rf_stored_data_encode(&data, out);
        rf_buf_deinit(&value);
    }
    return error;
}

int wire_again_meta(struct wire_again *again, enum rf_model model, struct rf_view list, struct rf_buf *out)
{
    struct rf_stored_meta meta;
    struct rf_stored stored;

    while (list.len > 0) {
        int error = rf_stored_meta_next(&list, model, &meta);
        if (error == 0) {
            rf_stored_meta_encode(&meta, out);
        } else {
            if (again->strict || (error = rf_stored_next(&list, &stored)) != 0)
                return error;
            rf_buf_view_put(out, stored.raw);
        }
    }
    return 0;
}
