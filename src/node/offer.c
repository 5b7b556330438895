/* offer.c - the bodies of Attaches and AppAttaches (reload.md 3.7, 3.8): our candidates in them, and theirs that we can dial. */
#include "node/internal.h"

static size_t own_candidates(const struct rf_node *node, struct rf_ice_candidate *out)
{
    static const char *const foundations[NODE_MAX_LISTEN] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    for (size_t i = 0; i < node->listen_count; i++)
        out[i] = (struct rf_ice_candidate){
            .addr = node->listen[i],
            .overlay_link = RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE,
            .foundation = rf_view_str(foundations[i]),
            .priority = (UINT32_C(126) << 24) | ((uint32_t)(65535 - i) << 8) | 255,
            .type = RF_ICE_HOST,
        };
    return node->listen_count;
}

int node_offer_put(const struct rf_node *node, uint16_t application, const char *role, bool send_update,
                   const struct path *path, struct rf_buf *out)
{
    struct path_params params = {.count = 0};
    int error = 0;
    if (path != NULL)
        error = node_path_put(path, &params);
    else
        params.count = own_candidates(node, params.candidates);
    if (error != 0)
        return error;
    if (application == 0) {
        struct rf_attach body = {.ufrag = params.ufrag,
                                 .password = params.password,
                                 .role = rf_view_str(role),
                                 .candidates = params.candidates,
                                 .candidate_count = params.count,
                                 .send_update = send_update};
        rf_attach_encode(&body, out);
    } else {
        struct rf_app_attach body = {.ufrag = params.ufrag,
                                     .password = params.password,
                                     .application = application,
                                     .role = rf_view_str(role),
                                     .candidates = params.candidates,
                                     .candidate_count = params.count};
        rf_app_attach_encode(&body, out);
    }
    return rf_buf_error(out);
}

int node_offer_get(bool app, struct rf_view body, struct rf_region *region, struct offer *out)
{
    struct rf_app_attach a = {0};
    struct rf_attach o = {0};
    int error = app ? rf_app_attach_decode(body, region, &a) : rf_attach_decode(body, region, &o);
    if (app)
        *out = (struct offer){a.application, a.ufrag,           a.password, a.role,
                              a.candidates,  a.candidate_count, false};
    else
        *out = (struct offer){0, o.ufrag, o.password, o.role, o.candidates, o.candidate_count, o.send_update};
    return error;
}

size_t node_offer_addrs(const struct rf_ice_candidate *candidates, size_t count,
                        struct rf_addr out[NODE_OFFER_ADDRS])
{
    uint32_t priorities[NODE_OFFER_ADDRS];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rf_ice_candidate *c = &candidates[i];
        if (c->overlay_link != RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE || c->addr.family == 0 ||
            c->addr.port == 0 || rf_addr_is_any(&c->addr))
            continue;
        size_t at = n;
        while (at > 0 && priorities[at - 1] < c->priority)
            at--;
        if (at == NODE_OFFER_ADDRS)
            continue;
        n += n < NODE_OFFER_ADDRS;
        memmove(&priorities[at + 1], &priorities[at], (n - at - 1) * sizeof(priorities[0]));
        memmove(&out[at + 1], &out[at], (n - at - 1) * sizeof(out[0]));
        priorities[at] = c->priority;
        out[at] = c->addr;
    }
    return n;
}
