/* dump_body.c - the bodies of the methods as text, one function each. */
#include "base/error.h"
#include "base/text.h"
#include "wire/attach.h"
#include "wire/chord.h"
#include "wire/dump_internal.h"
#include "wire/method.h"
#include "wire/relay.h"
#include "wire/role.h"
#include "wire/store.h"
#include "wire/value.h"

static void dump_id(const struct rf_id *id, struct rf_buf *out)
{
    rf_hex_put(out, rf_id_view(id));
}

static void dump_ids(const char *what, const struct rf_id_list *list, struct rf_buf *out)
{
    rf_buf_printf(out, "  %s [", what);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            rf_buf_str(out, " ");
        dump_id(&list->ids[i], out);
    }
    rf_buf_str(out, "]\n");
}

/* ---- diagnostics ---- */

void dump_diag_req(const struct rf_diag_req *req, struct rf_buf *out)
{
    rf_buf_printf(out, "DiagnosticsRequest expiration %llu initiated %llu flags %llx\n",
                  (unsigned long long)req->expiration_ms, (unsigned long long)req->initiated_ms,
                  (unsigned long long)req->flags);
}

void dump_diag_ans(const struct rf_diag_ans *ans, struct rf_buf *out)
{
    struct rf_view list = ans->infos;
    struct rf_diag_info info;
    uint64_t number;

    rf_buf_printf(out, "DiagnosticsResponse expiration %llu initiated %llu received %llu hop_counter %u\n",
                  (unsigned long long)ans->expiration_ms, (unsigned long long)ans->initiated_ms,
                  (unsigned long long)ans->received_ms, ans->hop_counter);
    while (list.len > 0 && rf_diag_info_next(&list, &info) == 0) {
        rf_buf_printf(out, "    %s(0x%x) ", rf_diag_kind_name(info.kind), info.kind);
        if (rf_diag_info_number(&info, &number) == 0)
            rf_buf_printf(out, "%llu", (unsigned long long)number);
        else if (info.kind == RF_DIAG_SOFTWARE_VERSION)
            dump_text(info.contents, out);
        else
            dump_hex(info.contents, out);
        rf_buf_str(out, "\n");
    }
}

static int body_path_track_req(const struct dump *d, struct rf_view body)
{
    struct rf_path_track_req req;
    int error = rf_path_track_req_decode(body, d->id_len, &req);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  destination ");
    rf_dest_text(&req.destination, d->out);
    rf_buf_str(d->out, " ");
    dump_diag_req(&req.request, d->out);
    return 0;
}

static int body_path_track_ans(const struct dump *d, struct rf_view body)
{
    struct rf_path_track_ans ans;
    int error = rf_path_track_ans_decode(body, d->id_len, &ans);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  next_hop ");
    rf_dest_text(&ans.next_hop, d->out);
    rf_buf_str(d->out, " ");
    dump_diag_ans(&ans.response, d->out);
    return 0;
}

/* ---- Attach ---- */

static void dump_candidates(const struct rf_ice_candidate *candidates, size_t count, struct rf_buf *out)
{
    static const char *const types[] = {"?", "host", "srflx", "?", "relay"};
    char addr[RF_ADDR_TEXT_LEN];

    for (size_t i = 0; i < count; i++) {
        const struct rf_ice_candidate *c = &candidates[i];
        rf_buf_printf(out, "  candidate %s %s", types[c->type <= RF_ICE_RELAY ? c->type : 0],
                      rf_addr_text(&c->addr, addr));
        if (c->type != RF_ICE_HOST)
            rf_buf_printf(out, " of %s", rf_addr_text(&c->related, addr));
        rf_buf_printf(out, " %s priority %u foundation ", rf_overlay_link_name(c->overlay_link), c->priority);
        dump_text(c->foundation, out);
        rf_buf_str(out, "\n");
    }
}

static int body_attach(const struct dump *d, struct rf_view body)
{
    struct rf_attach attach;
    int error = rf_attach_decode(body, d->region, &attach);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  role ");
    dump_text(attach.role, d->out);
    rf_buf_str(d->out, " ufrag ");
    dump_text(attach.ufrag, d->out); /* the password is a secret of the two */
    rf_buf_printf(d->out, " send_update %d\n", attach.send_update);
    dump_candidates(attach.candidates, attach.candidate_count, d->out);
    return 0;
}

static int body_app_attach(const struct dump *d, struct rf_view body)
{
    struct rf_app_attach attach;
    int error = rf_app_attach_decode(body, d->region, &attach);

    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  application %u role ", attach.application);
    dump_text(attach.role, d->out);
    rf_buf_str(d->out, " ufrag ");
    dump_text(attach.ufrag, d->out);
    rf_buf_str(d->out, "\n");
    dump_candidates(attach.candidates, attach.candidate_count, d->out);
    return 0;
}

/* ---- stored values ---- */

static void dump_acl(const struct rf_acl_value *acl, struct rf_buf *out)
{
    rf_buf_str(out, "item for ");
    dump_text(acl->to_user, out);
    rf_buf_printf(out, " kind 0x%x delegation %d", acl->kind, acl->allow_delegation);
}

static void dump_value(const struct dump *d, uint32_t kind, struct rf_view value)
{
    struct rf_sip_value sip;
    struct rf_turn_value turn;
    struct rf_redir_value redir;
    struct rf_acl_value acl;
    char addr[RF_ADDR_TEXT_LEN];

    if (kind == RF_KIND_SIP_REGISTRATION && rf_sip_value_decode(value, d->id_len, &sip) == 0) {
        rf_buf_str(d->out, sip.type == RF_SIP_VALUE_URI ? "uri " : "route ");
        dump_text(sip.type == RF_SIP_VALUE_URI ? sip.uri : sip.contact_prefs, d->out);
        if (sip.type == RF_SIP_VALUE_ROUTE)
            rf_dest_list_text(sip.dests, d->out);
    } else if (kind == RF_KIND_TURN_SERVICE && rf_turn_value_decode(value, &turn) == 0) {
        rf_buf_printf(d->out, "iteration %u address %s", turn.iteration, rf_addr_text(&turn.address, addr));
    } else if (kind == RF_KIND_REDIR && rf_redir_value_decode(value, d->id_len, &redir) == 0) {
        rf_buf_printf(d->out, "level %u node %u namespace ", redir.level, redir.node);
        dump_text(redir.name_space, d->out);
        rf_dest_list_text(redir.dests, d->out);
    } else if (kind == RF_KIND_ACCESS_CONTROL_LIST && rf_acl_value_decode(value, false, &acl) == 0) {
        dump_acl(&acl, d->out);
    } else {
        rf_buf_printf(d->out, "%zu bytes ", value.len);
        dump_hex(value, d->out);
    }
}

static void dump_slot(enum rf_model model, struct rf_view slot, uint32_t index, struct rf_buf *out)
{
    if (model == RF_MODEL_ARRAY)
        rf_buf_printf(out, "[%u] ", index);
    else if (model == RF_MODEL_DICTIONARY) {
        rf_buf_str(out, "[");
        dump_hex(slot, out);
        rf_buf_str(out, "] ");
    }
}

static void dump_stored(const struct dump *d, uint32_t kind, const struct rf_stored *stored)
{
    struct rf_stored_data data;

    rf_buf_printf(d->out, "    time %llu lifetime %u ", (unsigned long long)stored->storage_time_ms,
                  stored->lifetime_s);
    if (rf_stored_data_decode(stored, rf_kind_model(kind), &data) != 0) {
        dump_hex(stored->rest, d->out); /* a private Kind: its model is not known here */
    } else {
        dump_slot(data.model, data.slot, data.index, d->out);
        if (data.exists)
            dump_value(d, kind, data.value);
        else
            rf_buf_str(d->out, "nonexistent");
        rf_buf_str(d->out, " ");
        dump_signature(&data.signature, d->out);
    }
    rf_buf_str(d->out, "\n");
}

static void dump_meta(const struct dump *d, uint32_t kind, struct rf_view *list)
{
    struct rf_stored_meta meta;
    struct rf_stored stored;

    if (rf_stored_meta_next(list, rf_kind_model(kind), &meta) == 0) {
        rf_buf_printf(d->out, "    time %llu lifetime %u ", (unsigned long long)meta.storage_time_ms,
                      meta.lifetime_s);
        dump_slot(meta.model, meta.slot, meta.index, d->out);
        rf_buf_printf(d->out, "exists %d, %u bytes, hash(%u) ", meta.exists, meta.value_len, meta.hash_alg);
        dump_hex(meta.hash, d->out);
    } else if (rf_stored_next(list, &stored) == 0) {
        rf_buf_str(d->out, "    ");
        dump_hex(stored.raw, d->out);
    } else {
        list->len = 0;
    }
    rf_buf_str(d->out, "\n");
}

static void dump_kinds(const struct dump *d, const struct rf_kind_values *kinds, size_t count, bool metadata)
{
    struct rf_stored stored;

    for (size_t i = 0; i < count; i++) {
        struct rf_view list = kinds[i].values;
        rf_buf_printf(d->out, "  kind 0x%x %s generation %llu, %zu values\n", kinds[i].kind,
                      rf_kind_name(kinds[i].kind), (unsigned long long)kinds[i].generation,
                      kinds[i].value_count);
        while (metadata && list.len > 0)
            dump_meta(d, kinds[i].kind, &list);
        while (!metadata && list.len > 0 && rf_stored_next(&list, &stored) == 0)
            dump_stored(d, kinds[i].kind, &stored);
    }
}

static int body_store_req(const struct dump *d, struct rf_view body)
{
    struct rf_store_req req;
    int error = rf_store_req_decode(body, d->region, &req);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  resource ");
    rf_hex_put(d->out, req.resource);
    rf_buf_printf(d->out, " replica_number %u\n", req.replica_number);
    dump_kinds(d, req.kinds, req.kind_count, false);
    return 0;
}

static int body_store_ans(const struct dump *d, struct rf_view body)
{
    struct rf_store_ans ans;
    int error = rf_store_ans_decode(body, d->id_len, d->region, &ans);

    if (error != 0)
        return error;
    for (size_t i = 0; i < ans.kind_count; i++) {
        struct rf_id_list replicas = {ans.kinds[i].replicas, ans.kinds[i].replica_count};
        rf_buf_printf(d->out, "  kind 0x%x %s generation %llu", ans.kinds[i].kind,
                      rf_kind_name(ans.kinds[i].kind), (unsigned long long)ans.kinds[i].generation);
        dump_ids("replicas", &replicas, d->out);
    }
    return 0;
}

static int body_fetch_req(const struct dump *d, struct rf_view body)
{
    struct rf_fetch_req req;
    int error = rf_fetch_req_decode(body, d->region, &req);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  resource ");
    rf_hex_put(d->out, req.resource);
    rf_buf_str(d->out, "\n");
    for (size_t i = 0; i < req.specifier_count; i++) {
        rf_buf_printf(d->out, "  kind 0x%x %s generation %llu specifier ", req.specifiers[i].kind,
                      rf_kind_name(req.specifiers[i].kind), (unsigned long long)req.specifiers[i].generation);
        dump_hex(req.specifiers[i].model_specifier, d->out);
        rf_buf_str(d->out, "\n");
    }
    return 0;
}

static int body_kind_answers(const struct dump *d, struct rf_view body, bool metadata)
{
    struct rf_fetch_ans ans;
    int error = rf_fetch_ans_decode(body, d->region, &ans);

    if (error == 0)
        dump_kinds(d, ans.kinds, ans.kind_count, metadata);
    return error;
}

static int body_fetch_ans(const struct dump *d, struct rf_view body)
{
    return body_kind_answers(d, body, false);
}

static int body_stat_ans(const struct dump *d, struct rf_view body)
{
    return body_kind_answers(d, body, true);
}

static int body_find_req(const struct dump *d, struct rf_view body)
{
    struct rf_find_req req;
    int error = rf_find_req_decode(body, d->region, &req);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  resource ");
    rf_hex_put(d->out, req.resource);
    for (size_t i = 0; i < req.kind_count; i++)
        rf_buf_printf(d->out, " kind 0x%x %s", req.kinds[i], rf_kind_name(req.kinds[i]));
    rf_buf_str(d->out, "\n");
    return 0;
}

static int body_find_ans(const struct dump *d, struct rf_view body)
{
    struct rf_find_ans ans;
    int error = rf_find_ans_decode(body, d->region, &ans);

    for (size_t i = 0; error == 0 && i < ans.kind_count; i++) {
        rf_buf_printf(d->out, "  kind 0x%x %s closest ", ans.kinds[i].kind, rf_kind_name(ans.kinds[i].kind));
        rf_hex_put(d->out, ans.kinds[i].closest);
        rf_buf_str(d->out, "\n");
    }
    return error;
}

/* ---- topology ---- */

static int body_join_req(const struct dump *d, struct rf_view body)
{
    struct rf_member member;
    int error = rf_member_decode(body, d->id_len, &member);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  joining ");
    dump_id(&member.node, d->out);
    rf_buf_printf(d->out, ", %zu bytes\n", member.data.len);
    return 0;
}

static int body_join_ans(const struct dump *d, struct rf_view body)
{
    struct rf_view data;
    int error = rf_join_ans_decode(body, &data);

    if (error == 0)
        rf_buf_printf(d->out, "  %zu bytes\n", data.len);
    return error;
}

static int body_leave_req(const struct dump *d, struct rf_view body)
{
    struct rf_chord_leave leave;
    struct rf_member member;
    int error = rf_member_decode(body, d->id_len, &member);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  leaving ");
    dump_id(&member.node, d->out);
    rf_buf_str(d->out, "\n");
    if (rf_chord_leave_decode(member.data, d->id_len, d->region, &leave) == 0)
        dump_ids(leave.type == RF_LEAVE_FROM_SUCC ? "from_succ" : "from_pred", &leave.nodes, d->out);
    return 0;
}

static int body_update_req(const struct dump *d, struct rf_view body)
{
    static const char *const types[] = {"?", "peer_ready", "neighbors", "full"};
    struct rf_chord_update update;
    int error = rf_chord_update_decode(body, d->id_len, d->region, &update);

    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  %s uptime %u\n", types[update.type & 3], update.uptime_s);
    if (update.type != RF_UPDATE_PEER_READY) {
        dump_ids("predecessors", &update.predecessors, d->out);
        dump_ids("successors", &update.successors, d->out);
    }
    if (update.type == RF_UPDATE_FULL)
        dump_ids("fingers", &update.fingers, d->out);
    return 0;
}

static int body_route_query_req(const struct dump *d, struct rf_view body)
{
    struct rf_route_query query;
    int error = rf_route_query_decode(body, d->id_len, &query);

    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  send_update %d destination ", query.send_update);
    rf_dest_text(&query.destination, d->out);
    rf_buf_str(d->out, "\n");
    return 0;
}

static int body_route_query_ans(const struct dump *d, struct rf_view body)
{
    struct rf_id id;
    int error = rf_route_query_ans_decode(body, d->id_len, &id);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  next_peer ");
    dump_id(&id, d->out);
    rf_buf_str(d->out, "\n");
    return 0;
}

/* ---- the small ones ---- */

static int body_ping_req(const struct dump *d, struct rf_view body)
{
    struct rf_view padding;
    int error = rf_ping_req_decode(body, &padding);

    if (error == 0)
        rf_buf_printf(d->out, "  padding of %zu bytes\n", padding.len);
    return error;
}

static int body_ping_ans(const struct dump *d, struct rf_view body)
{
    struct rf_ping_ans ans;
    int error = rf_ping_ans_decode(body, &ans);

    if (error == 0)
        rf_buf_printf(d->out, "  response_id %016llx time %llu\n", (unsigned long long)ans.response_id,
                      (unsigned long long)ans.time_ms);
    return error;
}

static int body_probe_req(const struct dump *d, struct rf_view body)
{
    struct rf_view types;
    int error = rf_probe_req_decode(body, &types);

    if (error != 0)
        return error;
    rf_buf_str(d->out, "  types ");
    dump_hex(types, d->out);
    rf_buf_str(d->out, "\n");
    return 0;
}

static int body_probe_ans(const struct dump *d, struct rf_view body)
{
    struct rf_probe_info info;
    struct rf_view list;
    int error = rf_probe_ans_decode(body, &list);

    while (error == 0 && list.len > 0) {
        if ((error = rf_probe_info_next(&list, &info)) == 0)
            rf_buf_printf(d->out, "  type %u number %u\n", info.type, info.number);
    }
    return error;
}

static int body_config_update(const struct dump *d, struct rf_view body)
{
    struct rf_config_update update;
    int error = rf_config_update_decode(body, d->region, &update);

    if (error != 0)
        return error;
    if (update.type == RF_CONFIG_UPDATE_CONFIG) {
        rf_buf_str(d->out, "  document ");
        dump_text(update.config, d->out);
        rf_buf_str(d->out, "\n");
    }
    for (size_t i = 0; i < update.kind_count; i++) {
        rf_buf_str(d->out, "  kind-block ");
        dump_text(update.kinds[i], d->out);
        rf_buf_str(d->out, "\n");
    }
    return 0;
}

/* ---- our messages of the experimental method ---- */

static int body_unknown(const struct dump *d, struct rf_view body);

static int dump_role_ask(const struct dump *d, struct rf_view body)
{
    struct rf_role_ask ask;
    char addr[RF_ADDR_TEXT_LEN];
    int error = rf_role_ask_decode(body, &ask);

    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  role_ask wants%s%s%s", (ask.wants & RF_ROLE_CANDIDATE) != 0 ? " candidate" : "",
                  (ask.wants & RF_ROLE_RETIRE) != 0 ? " retire" : "",
                  (ask.wants & RF_ROLE_DIAL) != 0 ? " dial " : "");
    rf_buf_printf(d->out, "%s\n", (ask.wants & RF_ROLE_DIAL) != 0 ? rf_addr_text(&ask.address, addr) : "");
    return 0;
}

static int body_exp_a_req(const struct dump *d, struct rf_view body)
{
    struct rf_role_move move;
    enum rf_role_tag tag = rf_role_tag_of(body);
    int error;

    if (rf_relay_is_ask(body)) {
        rf_buf_str(d->out, "  relay_ask\n");
        return 0;
    }
    if (tag == RF_ROLE_NONE)
        return body_unknown(d, body);
    if (tag == RF_ROLE_ASK)
        return dump_role_ask(d, body);
    if ((error = rf_role_move_decode(body, d->id_len, &move)) != 0)
        return error;
    rf_buf_printf(d->out, "  role_move within %u ms\n", move.within_ms);
    dump_ids("alternatives", &(struct rf_id_list){move.alternatives, move.alternative_count}, d->out);
    return 0;
}

/* Without the password. */
static int dump_relay_said(const struct dump *d, struct rf_view body)
{
    struct rf_relay_said said;
    char addr[RF_ADDR_TEXT_LEN];
    int error = rf_relay_said_decode(body, &said);

    if (error != 0)
        return error == RF_EUNKNOWN ? body_unknown(d, body) : error;
    if (said.outcome != RF_RELAY_GIVEN) {
        rf_buf_printf(d->out, "  relay_said outcome %d\n", said.outcome);
        return 0;
    }
    rf_buf_str(d->out, "  relay_said user ");
    dump_text(said.user, d->out);
    rf_buf_str(d->out, " realm ");
    dump_text(said.realm, d->out);
    rf_buf_printf(d->out, " for %u s", said.lifetime_s);
    for (size_t i = 0; i < said.server_count; i++)
        rf_buf_printf(d->out, " %s %s", rf_relay_transport_name(said.servers[i].transport),
                      rf_addr_text(&said.servers[i].address, addr));
    rf_buf_str(d->out, "\n");
    return 0;
}

static int body_exp_a_ans(const struct dump *d, struct rf_view body)
{
    struct rf_role_said said;
    int error = rf_role_said_decode(body, &said);

    if (error == RF_EUNKNOWN)
        return body.len == 0 ? 0 : dump_relay_said(d, body);
    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  role_said load %u/%u dial %u granted %d candidates %u ring_size %u", said.load,
                  RF_ROLE_FULL, said.dial, said.granted, said.candidates, said.ring_size);
    if (said.seen.family != 0) {
        char text[RF_ADDR_TEXT_LEN];
        rf_buf_printf(d->out, " seen %s", rf_addr_text(&said.seen, text));
    }
    rf_buf_printf(d->out, "\n");
    return error;
}

static int body_error(const struct dump *d, struct rf_view body)
{
    struct rf_error_body e;
    int error = rf_error_body_decode(body, &e);

    if (error != 0)
        return error;
    rf_buf_printf(d->out, "  %s(0x%x) ", rf_error_code_name(e.code), e.code);
    if (e.code == RF_ERROR_UNKNOWN_KIND || e.code == RF_ERROR_GENERATION_COUNTER_TOO_LOW)
        dump_hex(e.info, d->out);
    else
        dump_text(e.info, d->out);
    rf_buf_str(d->out, "\n");
    return 0;
}

static int body_empty(const struct dump *d, struct rf_view body)
{
    (void)d;
    return rf_empty_decode(body);
}

static int body_unknown(const struct dump *d, struct rf_view body)
{
    rf_buf_str(d->out, "  body ");
    dump_hex(body, d->out);
    rf_buf_str(d->out, "\n");
    return 0;
}

int dump_body(const struct dump *dump, uint16_t code, struct rf_view body)
{
    static const struct {
        uint16_t code;
        int (*print)(const struct dump *d, struct rf_view body);
    } table[] = {
        {RF_CODE_PROBE_REQ, body_probe_req},
        {RF_CODE_PROBE_ANS, body_probe_ans},
        {RF_CODE_ATTACH_REQ, body_attach},
        {RF_CODE_ATTACH_ANS, body_attach},
        {RF_CODE_STORE_REQ, body_store_req},
        {RF_CODE_STORE_ANS, body_store_ans},
        {RF_CODE_FETCH_REQ, body_fetch_req},
        {RF_CODE_FETCH_ANS, body_fetch_ans},
        {RF_CODE_FIND_REQ, body_find_req},
        {RF_CODE_FIND_ANS, body_find_ans},
        {RF_CODE_JOIN_REQ, body_join_req},
        {RF_CODE_JOIN_ANS, body_join_ans},
        {RF_CODE_LEAVE_REQ, body_leave_req},
        {RF_CODE_LEAVE_ANS, body_empty},
        {RF_CODE_UPDATE_REQ, body_update_req},
        {RF_CODE_UPDATE_ANS, body_empty},
        {RF_CODE_ROUTE_QUERY_REQ, body_route_query_req},
        {RF_CODE_ROUTE_QUERY_ANS, body_route_query_ans},
        {RF_CODE_PING_REQ, body_ping_req},
        {RF_CODE_PING_ANS, body_ping_ans},
        {RF_CODE_STAT_REQ, body_fetch_req},
        {RF_CODE_STAT_ANS, body_stat_ans},
        {RF_CODE_APP_ATTACH_REQ, body_app_attach},
        {RF_CODE_APP_ATTACH_ANS, body_app_attach},
        {RF_CODE_CONFIG_UPDATE_REQ, body_config_update},
        {RF_CODE_CONFIG_UPDATE_ANS, body_empty},
        {RF_CODE_EXP_A_REQ, body_exp_a_req},
        {RF_CODE_EXP_A_ANS, body_exp_a_ans},
        {RF_CODE_PATH_TRACK_REQ, body_path_track_req},
        {RF_CODE_PATH_TRACK_ANS, body_path_track_ans},
        {RF_CODE_ERROR, body_error},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code)
            return table[i].print(dump, body);
    }
    return body_unknown(dump, body);
}
