/*
 * document.c - configuration documents: a newer one, further Kinds, and what is kept of them for the next start (reload.md 3.14, 6.2).
 *
 * A document comes by ConfigUpdate (verified by overlay/config.c) or from the shell (rf_node_offer_conf). One that we cannot meet is not put in
 * force and not kept: the node tells what it lacks and leaves the overlay. It comes back with the next start, when it may have been
 * updated or a further document may have been published; until then everybody refuses it (Error_Config_Too_Old), so it does no harm.
 * Kinds that came by ConfigUpdate outlive a new document, as far as that does not define them itself and its kind-signers vouch for them.
 */
#include "chat/chat.h"
#include "node/internal.h"
#include "wire/method.h"

#define KINDS_MAX_LEN ((size_t)4 * 1024 * 1024)

static bool revoked_by(const struct rf_node *node, const struct rf_conf *conf)
{
    for (size_t i = 0; i < conf->bad_node_count; i++)
        if (rf_cert_has_node_id(node->identity.cert, &conf->bad_nodes[i]))
            return true;
    return false;
}

/* What we lack for this document; NULL: nothing. */
static const char *unmet(const struct rf_node *node, const struct rf_conf *conf)
{
    if (conf->unmet != NULL)
        return conf->unmet;
    if (!conf->no_ice && node->paths == NULL)
        return "ICE";
    if (!conf->clients_permitted && node->role != RF_NODE_SUPERNODE)
        return "that nobody is a client";
    if (conf->id_len != node->identity.node_id.len)
        return "Node-IDs of another length";
    return NULL;
}

static void give_up(struct rf_node *node, const struct rf_conf *conf, const char *what)
{
    if (node->leaving)
        return;
    node_event(node, RF_NODE_EVENT_UNMET, &node->identity.node_id, NULL, RF_EUNSUPPORTED,
               "configuration document %u asks for what this node lacks (%.120s): it leaves the overlay",
               conf->sequence, what);
    rf_node_leave(node, node->now);
}

/* ---- what the shell keeps ---- */

static void put_kinds(const struct rf_conf *conf, struct rf_buf *out)
{
    struct rf_config_update update = {
        .type = RF_CONFIG_UPDATE_KIND, .kinds = conf->kind_blocks, .kind_count = conf->kind_block_count};
    if (conf->kind_block_count > 0)
        rf_config_update_encode(&update, out);
}

static int tell_conf(struct rf_node *node, const struct rf_conf *conf)
{
    struct node_out *o = node_out_new(node, RF_NODE_OUT_CONF);
    struct rf_buf kinds;
    if (o == NULL)
        return RF_ENOMEM;
    rf_buf_init(&kinds, node->env.mem, KINDS_MAX_LEN);
    put_kinds(conf, &kinds);
    o->out.xml = rf_region_copy(&o->region, conf->xml);
    o->out.kinds = rf_region_copy(&o->region, rf_buf_view(&kinds));
    bool whole =
        rf_buf_error(&kinds) == 0 && o->out.xml.len == conf->xml.len && o->out.kinds.len == kinds.len;
    rf_buf_deinit(&kinds);
    if (whole)
        return 0;
    node_out_free(node, o); /* a shell that was told of an empty document would keep that */
    return RF_ENOMEM;
}

/* ---- in force ---- */

static int use(struct rf_node *node, struct rf_conf *conf)
{
    int error = rf_store_configure(node->store, conf);
    if (error != 0)
        return error;
    struct rf_conf *old = node->conf;
    node->conf = rf_conf_hold(conf);
    rf_links_set_max_message(node->links, conf->max_message_size);
    rf_overlay_configure(node->overlay, conf);
    rf_usages_configure(node->usages, conf);
    if (node->chat != NULL)
        rf_chat_configure(node->chat, conf);
    node_relay_configure(node);
    rf_conf_release(old);
    rf_links_recheck(node->links);
    node_paths_configure(node);
    return 0;
}

/* `conf`, or with the Kinds that came after the document in force if this is a new one. out: one reference. */
static int with_old_kinds(struct rf_node *node, struct rf_conf *conf, struct rf_conf **out)
{
    const struct rf_conf *old = node->conf;
    if (old->kind_block_count == 0 || conf->kind_block_count > 0 || rf_view_equal(old->xml, conf->xml)) {
        *out = rf_conf_hold(conf);
        return 0;
    }
    return rf_conf_keep_kinds(conf, node->crypto, node->trust, node->now.wall_ms, old->kind_blocks,
                              old->kind_block_count, false, out);
}

static int apply(struct rf_node *node, struct rf_conf *given)
{
    struct rf_conf *conf = NULL;
    const char *lacking = unmet(node, given);
    if (lacking != NULL) {
        give_up(node, given, lacking);
        return RF_EUNSUPPORTED;
    }
    int error = rf_conf_trust(given, node->trust);
    if (error == 0)
        error = with_old_kinds(node, given, &conf);
    if (error == 0)
        error = tell_conf(node, conf);
    if (error == 0)
        error = use(node, conf);
    rf_conf_release(conf);
    if (error != 0)
        return error;
    node_event(node, RF_NODE_EVENT_CONF, NULL, NULL, 0, "configuration document %u is in force",
               node->conf->sequence);
    if (revoked_by(node, node->conf) && !node->revoked) {
        node->revoked = true;
        node_event(
            node, RF_NODE_EVENT_REVOKED, &node->identity.node_id, NULL, RF_EREVOKED,
            "this device was revoked by the overlay's administrator; enrol again to get a new identity");
    }
    return 0;
}

void node_configured(void *ctx, struct rf_conf *conf)
{
    struct rf_node *node = ctx;
    int error = apply(node, conf);
    if (error != 0)
        rf_log_write(node->env.log, RF_LOG_ERROR, "node", "configuration document %u cannot be used: %s",
                     conf->sequence, rf_error_text(error));
}

int rf_node_offer_conf(struct rf_node *node, struct rf_view xml, bool trusted_by_https, struct rf_now now)
{
    node_enter(node, now);
    struct rf_conf *conf = NULL;
    int error = rf_conf_examine(node->crypto, node->env.mem, xml, node->conf->overlay, &conf, NULL, 0);
    if (error == 0 && !rf_conf_sequence_newer(conf->sequence, node->conf->sequence))
        error = RF_EEXIST;
    if (error == 0 && !trusted_by_https)
        error = rf_conf_verify(node->conf, conf, node->trust, now.wall_ms);
    if (error == 0)
        error = apply(node, conf);
    rf_conf_release(conf);
    return error;
}

int rf_node_load_kinds(struct rf_node *node, struct rf_view kinds)
{
    struct rf_config_update update = {0};
    struct rf_conf *conf = NULL;
    struct rf_region region;
    if (kinds.len == 0)
        return 0;
    rf_region_init(&region, node->env.mem, 64 * KINDS_MAX_LEN);
    int error = rf_config_update_decode(kinds, &region, &update);
    if (error != 0 && error != RF_ENOMEM)
        error = RF_EFORMAT;
    if (error == 0)
        error = rf_conf_keep_kinds(node->conf, node->crypto, node->trust, node->now.wall_ms, update.kinds,
                                   update.kind_count, true, &conf);
    if (error == 0)
        error = use(node, conf);
    rf_conf_release(conf);
    rf_region_deinit(&region);
    return error;
}
