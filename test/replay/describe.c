/* describe.c - a message as words: "ping_ans ttl=100 seq=1 signer=node to=b ...". What a scenario compares, and what it shows. */
#include "replay/world.h"

#include <stdio.h>

#include "wire/attach.h"
#include "wire/chord.h"
#include "wire/diag.h"
#include "wire/method.h"
#include "wire/store.h"

struct text {
    struct world *w;
    struct rf_region region;
    struct rf_buf out;
};

static void put_id(struct text *t, const char *key, const struct rf_id *id)
{
    char hex[RF_ID_TEXT_LEN];

    rf_buf_printf(&t->out, " %s=%s", key, world_name(t->w, id, hex));
}

static void put_ids(struct text *t, const char *key, const struct rf_id_list *list)
{
    char hex[RF_ID_TEXT_LEN];

    rf_buf_printf(&t->out, " %s=", key);
    for (size_t i = 0; i < list->count; i++)
        rf_buf_printf(&t->out, "%s%s", i > 0 ? "," : "", world_name(t->w, &list->ids[i], hex));
}

static void put_dest(struct text *t, const struct rf_dest *dest)
{
    char hex[RF_ID_TEXT_LEN];

    if (dest->type == RF_DEST_NODE)
        rf_buf_str(&t->out, world_name(t->w, &dest->id, hex));
    else if (dest->type == RF_DEST_RESOURCE)
        rf_buf_printf(&t->out, "res:%s", rf_id_text(&dest->id, hex));
    else
        rf_buf_str(&t->out, "opaque");
}

static void put_list(struct text *t, const char *key, struct rf_view list)
{
    struct rf_dest dest;

    rf_buf_printf(&t->out, " %s=", key);
    for (size_t i = 0; list.len > 0 && rf_dest_next(&list, 0, &dest) == 0; i++) {
        rf_buf_str(&t->out, i > 0 ? "," : "");
        put_dest(t, &dest);
    }
}

/* ---- bodies ---- */

static void put_error(struct text *t, struct rf_view body)
{
    struct rf_error_body e;

    if (rf_error_body_decode(body, &e) == 0)
        rf_buf_printf(&t->out, " error=%s", rf_error_code_name(e.code));
}

static void put_attach(struct text *t, struct rf_view body)
{
    char addr[RF_ADDR_TEXT_LEN];
    struct rf_attach a;

    if (rf_attach_decode(body, &t->region, &a) != 0)
        return;
    rf_buf_printf(&t->out, " role=%.*s send_update=%s", (int)a.role.len, (const char *)a.role.p,
                  a.send_update ? "yes" : "no");
    for (size_t i = 0; i < a.candidate_count; i++)
        rf_buf_printf(&t->out, " candidate=%s priority=%u link=%s", rf_addr_text(&a.candidates[i].addr, addr),
                      (unsigned)a.candidates[i].priority, rf_overlay_link_name(a.candidates[i].overlay_link));
}

static void put_member(struct text *t, struct rf_view body, bool leave)
{
    struct rf_member m;
    struct rf_chord_leave l;

    if (rf_member_decode(body, 16, &m) != 0)
        return;
    put_id(t, "node", &m.node);
    if (leave && rf_chord_leave_decode(m.data, 16, &t->region, &l) == 0)
        put_ids(t, l.type == RF_LEAVE_FROM_SUCC ? "successors" : "predecessors", &l.nodes);
}

static void put_update(struct text *t, struct rf_view body)
{
    static const char *const types[] = {"?", "ready", "neighbors", "full"};
    struct rf_chord_update u;

    if (rf_chord_update_decode(body, 16, &t->region, &u) != 0)
        return;
    rf_buf_printf(&t->out, " type=%s uptime=%u", types[u.type & 3], (unsigned)u.uptime_s);
    if (u.type != RF_UPDATE_PEER_READY) {
        put_ids(t, "predecessors", &u.predecessors);
        put_ids(t, "successors", &u.successors);
    }
}

static void put_values(struct text *t, const struct rf_kind_values *kind)
{
    enum rf_model model = kind->kind == 0xf0000001   ? RF_MODEL_SINGLE
                          : kind->kind == 0xf0000002 ? RF_MODEL_ARRAY
                                                     : rf_kind_model(kind->kind);
    struct rf_view list = kind->values;
    struct rf_stored_data data;
    struct rf_stored stored;

    rf_buf_printf(&t->out, " kind=%x generation=%llu values=", (unsigned)kind->kind,
                  (unsigned long long)kind->generation);
    while (list.len > 0 && rf_stored_next(&list, &stored) == 0) {
        if (rf_stored_data_decode(&stored, model, &data) != 0)
            return;
        if (!data.exists)
            rf_buf_str(&t->out, "none");
        else if (kind->kind >= 0xf0000001)
            rf_buf_view_put(&t->out, data.value);
        else
            rf_buf_printf(&t->out, "%zu_bytes", data.value.len);
        rf_buf_str(&t->out, list.len > 0 ? "," : "");
    }
}

static void put_store(struct text *t, struct rf_view body)
{
    struct rf_store_req req;
    char hex[RF_ID_TEXT_LEN];
    struct rf_id id;

    if (rf_store_req_decode(body, &t->region, &req) != 0 || rf_id_from(req.resource, &id) != 0)
        return;
    rf_buf_printf(&t->out, " replica=%u at=%s", req.replica_number, rf_id_text(&id, hex));
    for (size_t i = 0; i < req.kind_count; i++)
        put_values(t, &req.kinds[i]);
}

static void put_store_ans(struct text *t, struct rf_view body)
{
    struct rf_store_ans ans;

    if (rf_store_ans_decode(body, 16, &t->region, &ans) != 0)
        return;
    for (size_t i = 0; i < ans.kind_count; i++) {
        struct rf_id_list replicas = {ans.kinds[i].replicas, ans.kinds[i].replica_count};
        rf_buf_printf(&t->out, " kind=%x generation=%llu", (unsigned)ans.kinds[i].kind,
                      (unsigned long long)ans.kinds[i].generation);
        put_ids(t, "replicas", &replicas);
    }
}

static void put_fetch_ans(struct text *t, struct rf_view body)
{
    struct rf_fetch_ans ans;

    if (rf_fetch_ans_decode(body, &t->region, &ans) != 0)
        return;
    for (size_t i = 0; i < ans.kind_count; i++)
        put_values(t, &ans.kinds[i]);
}

static void put_config(struct text *t, struct rf_view body)
{
    struct rf_config_update u;
    struct rf_conf *conf;

    if (rf_config_update_decode(body, &t->region, &u) != 0 || u.type != RF_CONFIG_UPDATE_CONFIG ||
        rf_conf_parse(t->w->pki.crypto, rf_mem_system(), u.config, rf_view_str(""), &conf, NULL, 0) != 0)
        return;
    rf_buf_printf(&t->out, " document=%u", conf->sequence);
    rf_conf_release(conf);
}

static void put_probe(struct text *t, struct rf_view body)
{
    struct rf_view infos;
    struct rf_probe_info info;

    if (rf_probe_ans_decode(body, &infos) != 0)
        return;
    while (infos.len > 0 && rf_probe_info_next(&infos, &info) == 0)
        rf_buf_printf(&t->out, " info%u=%u", info.type, (unsigned)info.number);
}

static void put_path_track(struct text *t, struct rf_view body)
{
    struct rf_path_track_ans ans;

    if (rf_path_track_ans_decode(body, 16, &ans) != 0)
        return;
    rf_buf_str(&t->out, " next=");
    put_dest(t, &ans.next_hop);
    rf_buf_printf(&t->out, " hops=%u", ans.response.hop_counter);
}

static void put_query(struct text *t, struct rf_view body)
{
    struct rf_route_query q;

    if (rf_route_query_decode(body, 16, &q) != 0)
        return;
    rf_buf_printf(&t->out, " send_update=%s for=", q.send_update ? "yes" : "no");
    put_dest(t, &q.destination);
}

static void put_route(struct text *t, struct rf_view body)
{
    struct rf_id id;

    if (rf_route_query_ans_decode(body, 16, &id) == 0)
        put_id(t, "next", &id);
}

static void put_body(struct text *t, uint16_t code, struct rf_view body)
{
    switch (code) {
    case RF_CODE_ERROR:
        return put_error(t, body);
    case RF_CODE_ATTACH_REQ:
    case RF_CODE_ATTACH_ANS:
        return put_attach(t, body);
    case RF_CODE_JOIN_REQ:
        return put_member(t, body, false);
    case RF_CODE_LEAVE_REQ:
        return put_member(t, body, true);
    case RF_CODE_UPDATE_REQ:
        return put_update(t, body);
    case RF_CODE_STORE_REQ:
        return put_store(t, body);
    case RF_CODE_STORE_ANS:
        return put_store_ans(t, body);
    case RF_CODE_FETCH_ANS:
        return put_fetch_ans(t, body);
    case RF_CODE_CONFIG_UPDATE_REQ:
        return put_config(t, body);
    case RF_CODE_PROBE_ANS:
        return put_probe(t, body);
    case RF_CODE_PATH_TRACK_ANS:
        return put_path_track(t, body);
    case RF_CODE_ROUTE_QUERY_REQ:
        return put_query(t, body);
    case RF_CODE_ROUTE_QUERY_ANS:
        return put_route(t, body);
    default:
        return;
    }
}

/* The signer as the peer's own trust would name it: by the hash in the signature. */
static void put_signer(struct text *t, const struct rf_message *m)
{
    const struct rf_cert *cert = t->w->identity.cert;
    struct rf_view hash = m->security.signature.identity.hash;
    const char *name = "unknown";

    if (cert != NULL && rf_view_equal(hash, rf_view_of(cert->sha256, sizeof(cert->sha256))))
        name = "node";
    for (size_t i = 0; i < t->w->peer_count; i++)
        if (rf_view_equal(hash, rf_view_of(t->w->peers[i].identity.cert->sha256, RF_SHA256_LEN)))
            name = t->w->peers[i].name;
    rf_buf_printf(&t->out, " signer=%s", name);
}

void describe(struct world *w, struct rf_view message, char out[TEXT_MAX])
{
    struct text t = {.w = w};
    struct rf_message m;
    int error = rf_message_decode(message, 16, &m);

    rf_region_init(&t.region, rf_mem_system(), 1 << 20);
    rf_buf_fixed(&t.out, out, TEXT_MAX - 1);
    if (error == 0) {
        rf_buf_str(&t.out, rf_code_name(m.code));
        put_body(&t, m.code, m.body);
    } else {
        rf_buf_str(&t.out, error == RF_EAGAIN ? "piece" : "keepalive"); /* the rest is no RELOAD message */
    }
    if (error == 0 || error == RF_EAGAIN) {
        rf_buf_printf(&t.out, " ttl=%u seq=%u length=%zu", m.header.ttl, m.header.config_sequence,
                      message.len);
        put_list(&t, "via", m.header.via);
        put_list(&t, "to", m.header.dests);
    }
    if (error == 0)
        put_signer(&t, &m);
    out[t.out.len] = '\0';
    rf_region_deinit(&t.region);
}
