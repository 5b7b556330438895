/* write.c - a signed document from a draft: the enrolment server's side. Same draft, same text. */
#include "conf/parse.h"

#include "base/text.h"
#include "conf/kinds.h"
#include "conf/value.h"

#define LINE_BYTES 57 /* of base64: 76 characters */

static void put_element(struct rf_buf *out, const char *name, struct rf_view text)
{
    rf_buf_printf(out, "<%s>", name);
    value_put_text(out, text);
    rf_buf_printf(out, "</%s>\n", name);
}

static void put_number(struct rf_buf *out, const char *name, uint32_t number)
{
    rf_buf_printf(out, "<%s>%u</%s>\n", name, number, name);
}

static void put_bool(struct rf_buf *out, const char *name, bool value)
{
    put_element(out, name, rf_view_str(value ? "true" : "false"));
}

static void put_base64(struct rf_buf *out, const char *name, struct rf_view bytes)
{
    struct rf_view line;

    rf_buf_printf(out, "<%s>\n", name);
    while (bytes.len > 0) {
        (void)rf_view_take(&bytes, bytes.len < LINE_BYTES ? bytes.len : LINE_BYTES, &line);
        rf_base64_put(out, line);
        rf_buf_str(out, "\n");
    }
    rf_buf_printf(out, "</%s>\n", name);
}

static void put_ids(struct rf_buf *out, const char *name, const struct rf_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[RF_ID_TEXT_LEN];

        put_element(out, name, rf_view_str(rf_id_text(&ids[i], text)));
    }
}

/* put_signature signs what was written since `from` (an offset) and appends the element. */
static int put_signature(struct rf_buf *out, const char *name, size_t from, size_t to,
                         struct rf_identity *signer)
{
    struct rf_buf block;
    int r = rf_buf_error(out);

    if (r != 0)
        return r;
    rf_buf_init(&block, signer->crypto->mem, 1 << 16);
    r = rf_identity_sign_blob(signer, rf_view_of(out->p + from, to - from), &block);
    if (r == 0)
        put_base64(out, name, rf_buf_view(&block));
    rf_buf_deinit(&block);
    return r != 0 ? r : rf_buf_error(out);
}

static void put_patterns(struct rf_buf *out, const char *prefix, const char *name, bool enable,
                         const char **patterns, size_t count)
{
    rf_buf_printf(out, "<%s:%s enable=\"%s\">\n", prefix, name, enable ? "true" : "false");
    for (size_t i = 0; i < count; i++) {
        rf_buf_printf(out, "<%s:pattern>", prefix);
        value_put_text(out, rf_view_str(patterns[i]));
        rf_buf_printf(out, "</%s:pattern>\n", prefix);
    }
    rf_buf_printf(out, "</%s:%s>\n", prefix, name);
}

/* put_kind writes <kind>. Its namespaces are declared in it: the block may be sent alone (3.14). */
static int put_kind(struct rf_buf *out, const struct rf_kind_def *kind)
{
    const char *name = rf_conf_kind_name(kind->id), *model = rf_model_name(kind->model);
    const char *policy = kinds_policy_name(kind->policy);

    if (kind->id == 0 || policy == NULL || kind->model < RF_MODEL_SINGLE || kind->model > RF_MODEL_DICTIONARY)
        return RF_EINVAL;
    rf_buf_str(out, "<kind");
    if (name != NULL)
        rf_buf_printf(out, " name=\"%s\"", name);
    else
        rf_buf_printf(out, " id=\"%u\"", kind->id);
    if (kind->domain_restricted)
        rf_buf_str(out, " xmlns:sip=\"" NS_SIP "\"");
    if (kind->variable_names)
        rf_buf_str(out, " xmlns:share=\"" NS_SHARE "\"");
    if (kind->branching_factor != 0)
        rf_buf_str(out, " xmlns:redir=\"" NS_REDIR "\"");
    rf_buf_str(out, ">\n");
    put_element(out, "data-model", rf_view_str(model));
    put_element(out, "access-control", rf_view_str(policy));
    put_number(out, "max-count", kind->max_count);
    put_number(out, "max-size", kind->max_size);
    if (kind->max_node_multiple != 0)
        put_number(out, "max-node-multiple", kind->max_node_multiple);
    if (kind->domain_restricted)
        put_patterns(out, "sip", "domain-restriction", kind->domain_enable, kind->domain_patterns,
                     kind->domain_pattern_count);
    if (kind->variable_names)
        put_patterns(out, "share", "variable-resource-names", true, kind->name_patterns,
                     kind->name_pattern_count);
    if (kind->branching_factor != 0)
        put_number(out, "redir:branching-factor", kind->branching_factor);
    rf_buf_str(out, "</kind>");
    return rf_buf_error(out);
}

static int put_kinds(struct rf_buf *out, const struct rf_conf *draft, struct rf_identity *signer)
{
    int r = 0;

    if (draft->kind_count == 0)
        return 0;
    rf_buf_str(out, "<required-kinds>\n");
    for (size_t i = 0; i < draft->kind_count && r == 0; i++) {
        size_t from, to;

        rf_buf_str(out, "<kind-block>\n");
        from = out->len;
        if ((r = put_kind(out, &draft->kinds[i])) != 0)
            break;
        to = out->len;
        rf_buf_str(out, "\n");
        r = put_signature(out, "kind-signature", from, to, signer);
        rf_buf_str(out, "</kind-block>\n");
    }
    rf_buf_str(out, "</required-kinds>\n");
    return r;
}

static void put_bootstraps(struct rf_buf *out, const struct rf_conf *draft)
{
    for (size_t i = 0; i < draft->bootstrap_count; i++) {
        char text[RF_ADDR_TEXT_LEN];

        rf_buf_printf(out, "<bootstrap-node address=\"%s\" port=\"%u\"/>\n",
                      rf_addr_ip_text(&draft->bootstraps[i], text), draft->bootstraps[i].port);
    }
}

static void put_fields(struct rf_buf *out, const struct rf_conf *draft)
{
    put_element(out, "topology-plugin",
                rf_view_str(draft->topology_plugin != NULL ? draft->topology_plugin : "CHORD-RELOAD"));
    put_number(out, "node-id-length", draft->id_len);
    for (size_t i = 0; i < draft->root_count; i++)
        put_base64(out, "root-cert", draft->roots[i]);
    for (size_t i = 0; i < draft->enrolment_url_count; i++)
        put_element(out, "enrollment-server", rf_view_str(draft->enrolment_urls[i]));
    rf_buf_printf(out, "<self-signed-permitted digest=\"%s\">%s</self-signed-permitted>\n",
                  draft->self_signed == RF_DIGEST_SHA1 ? "sha1" : "sha256",
                  draft->self_signed != 0 ? "true" : "false");
    put_bootstraps(out, draft);
    put_number(out, "turn-density", draft->turn_density);
    put_bool(out, "clients-permitted", draft->clients_permitted);
    put_bool(out, "no-ice", draft->no_ice);
    put_number(out, "chord:chord-update-interval", draft->chord_update_interval_s);
    put_number(out, "chord:chord-ping-interval", draft->chord_ping_interval_s);
    put_bool(out, "chord:chord-reactive", draft->chord_reactive);
    put_number(out, "max-message-size", draft->max_message_size);
    put_number(out, "initial-ttl", draft->initial_ttl);
    put_number(out, "overlay-reliability-timer", draft->reliability_timer_ms);
    put_element(out, "overlay-link-protocol", rf_view_str("TLS"));
    put_ids(out, "configuration-signer", draft->configuration_signers, draft->configuration_signer_count);
    put_ids(out, "kind-signer", draft->kind_signers, draft->kind_signer_count);
    put_ids(out, "bad-node", draft->bad_nodes, draft->bad_node_count);
    for (size_t i = 0; i < draft->mandatory_extension_count; i++)
        put_element(out, "mandatory-extension", rf_view_str(draft->mandatory_extensions[i]));
}

static int put_document(const struct rf_conf *draft, struct rf_identity *signer, struct rf_buf *out)
{
    size_t from, to;
    int r;

    rf_buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<overlay xmlns=\"" NS_BASE
                    "\" xmlns:chord=\"" NS_CHORD "\">\n");
    from = out->len;
    rf_buf_str(out, "<configuration instance-name=\"");
    value_put_text(out, draft->overlay);
    rf_buf_printf(out, "\" sequence=\"%u\"", draft->sequence);
    if (draft->expiration_ms != UINT64_MAX) {
        rf_buf_str(out, " expiration=\"");
        value_put_time(out, draft->expiration_ms);
        rf_buf_str(out, "\"");
    }
    rf_buf_str(out, ">\n");
    put_fields(out, draft);
    if ((r = put_kinds(out, draft, signer)) != 0)
        return r;
    rf_buf_str(out, "</configuration>");
    to = out->len;
    rf_buf_str(out, "\n");
    r = put_signature(out, "signature", from, to, signer);
    rf_buf_str(out, "</overlay>\n");
    return r != 0 ? r : rf_buf_error(out);
}

int rf_conf_write(const struct rf_conf *draft, struct rf_identity *signer, struct rf_buf *out)
{
    struct rf_mem *mem = signer->crypto->mem;
    struct rf_buf text;
    struct rf_conf *again;
    int r;

    rf_buf_init(&text, mem, RF_CONF_MAX_LEN);
    r = put_document(draft, signer, &text);
    if (r == 0) {
        /* whatever is wrong with the draft shows here, before anybody else sees it */
        r = rf_conf_parse(signer->crypto, mem, rf_buf_view(&text), draft->overlay, &again, NULL, 0);
        if (r == 0)
            rf_conf_release(again);
        else if (r != RF_ENOMEM)
            r = RF_EINVAL;
    }
    if (r == 0) {
        rf_buf_view_put(out, rf_buf_view(&text));
        r = rf_buf_error(out);
    }
    rf_buf_deinit(&text);
    return r;
}
