/* parse.c - from bytes to a configuration document: which configuration, its attributes, its signatures. */
#include "conf/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/text.h"
#include "conf/value.h"

#define SEQUENCE_MAX      65534
#define SIGNATURE_MAX_LEN 65536
#define SCRATCH_MAX_LEN   (16 * RF_CONF_MAX_LEN)
#define REGION_MAX_LEN    (8 * RF_CONF_MAX_LEN)
#define KIND_BLOCK_MAX    65535

int conf_fail(struct conf_error *e, int error, const char *format, ...)
{
    va_list args;

    if (e->text != NULL && e->len > 0 && e->text[0] == '\0') {
        va_start(args, format);
        vsnprintf(e->text, e->len, format, args);
        va_end(args);
    }
    return error;
}

bool xml_is(const struct xml_node *node, const char *ns, const char *name)
{
    return rf_view_equal(node->name, rf_view_str(name)) && rf_view_equal(node->ns, rf_view_str(ns));
}

const struct xml_attr *xml_attr_find(const struct xml_node *node, const char *name)
{
    for (const struct xml_attr *a = node->attrs; a != NULL; a = a->next)
        if (a->ns.len == 0 && rf_view_equal(a->name, rf_view_str(name)))
            return a;
    return NULL;
}

int parse_attrs_known(struct parse *p, const struct xml_node *node, const char *const *names)
{
    for (const struct xml_attr *a = node->attrs; a != NULL; a = a->next) {
        size_t i = 0;

        if (a->ns.len > 0)
            continue;
        while (names[i] != NULL && !rf_view_equal(a->name, rf_view_str(names[i])))
            i++;
        if (names[i] == NULL)
            return conf_fail(&p->e, RF_EFORMAT, "unknown attribute %.*s", (int)a->name.len,
                             (const char *)a->name.p);
    }
    return 0;
}

int parse_no_text(struct parse *p, const struct xml_node *node)
{
    if (value_trim(node->text).len == 0)
        return 0;
    return conf_fail(&p->e, RF_EFORMAT, "text in <%.*s>", (int)node->name.len, (const char *)node->name.p);
}

size_t xml_count_children(const struct xml_node *node, const char *ns, const char *name)
{
    size_t count = 0;

    for (const struct xml_node *n = node->children; n != NULL; n = n->next)
        count += xml_is(n, ns, name);
    return count;
}

int parse_bad_value(struct parse *p, const struct xml_node *node)
{
    struct rf_view text = value_trim(node->text);

    return conf_fail(&p->e, RF_EFORMAT, "<%.*s> cannot be \"%.*s\"", (int)node->name.len,
                     (const char *)node->name.p, text.len < 64 ? (int)text.len : 64, (const char *)text.p);
}

int parse_no_memory(struct parse *p)
{
    return conf_fail(&p->e, RF_ENOMEM, "out of memory");
}

int parse_unmet(struct parse *p, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!p->examine)
        return conf_fail(&p->e, RF_EUNSUPPORTED, "%s", text);
    if (p->conf->unmet == NULL &&
        (p->conf->unmet = value_string(&p->conf->region, rf_view_str(text))) == NULL)
        return parse_no_memory(p);
    return 0;
}

int parse_uint(struct parse *p, const struct xml_node *node, uint64_t min, uint64_t max, uint64_t *out)
{
    return value_uint(node->text, min, max, out) == 0 ? 0 : parse_bad_value(p, node);
}

/* read_attributes reads those of <configuration>. */
static int read_attributes(struct parse *p, const struct xml_node *node)
{
    static const char *const known[] = {"instance-name", "sequence", "expiration", NULL};
    const struct xml_attr *sequence = xml_attr_find(node, "sequence"),
                          *expiration = xml_attr_find(node, "expiration");
    struct rf_conf *conf = p->conf;
    uint64_t number = 0;
    int r = parse_attrs_known(p, node, known);

    if (r != 0)
        return r;
    conf->overlay = rf_region_copy(&conf->region, value_trim(xml_attr_find(node, "instance-name")->value));
    if (conf->overlay.p == NULL)
        return parse_no_memory(p);
    if (sequence != NULL && value_uint(sequence->value, 0, SEQUENCE_MAX, &number) != 0)
        return conf_fail(&p->e, RF_EFORMAT, "the sequence is no number from 0 to 65534");
    conf->sequence = (uint16_t)number;
    conf->expiration_ms = UINT64_MAX;
    if (expiration != NULL && value_time(expiration->value, &conf->expiration_ms) != 0)
        return conf_fail(&p->e, RF_EFORMAT, "the expiration is no time of RFC 3339");
    if (rf_overlay_hash32(p->crypto, conf->overlay, &conf->overlay_hash) != 0)
        return conf_fail(&p->e, RF_ECRYPTO, "the overlay's name cannot be hashed");
    return 0;
}

/* read_signatures decodes the <signature>s that follow a configuration. */
static int read_signatures(struct parse *p, const struct xml_node *configuration)
{
    size_t room = 0;

    for (const struct xml_node *n = configuration->next; n != NULL && !xml_is(n, NS_BASE, "configuration");
         n = n->next)
        room++;
    if ((p->conf->signatures = rf_region_array(&p->conf->region, room, sizeof(struct rf_view))) == NULL)
        return parse_no_memory(p);
    for (const struct xml_node *n = configuration->next; n != NULL && !xml_is(n, NS_BASE, "configuration");
         n = n->next) {
        struct rf_view *out = &p->conf->signatures[p->conf->signature_count];
        int r;

        if (!xml_is(n, NS_BASE, "signature"))
            continue;
        if ((r = value_base64(&p->conf->region, n->text, SIGNATURE_MAX_LEN, out)) != 0)
            return r == RF_ENOMEM ? parse_no_memory(p) : parse_bad_value(p, n);
        p->conf->signature_count++;
    }
    return 0;
}

/* find_configuration chooses the configuration of `overlay`, or the first; two of one name are ambiguous. */
static int find_configuration(struct parse *p, const struct xml_node *root, struct rf_view overlay,
                              const struct xml_node **out)
{
    *out = NULL;
    if (!xml_is(root, NS_BASE, "overlay"))
        return conf_fail(&p->e, RF_EFORMAT, "the root element is not <overlay>");
    for (const struct xml_node *n = root->children; n != NULL; n = n->next) {
        const struct xml_attr *name = xml_attr_find(n, "instance-name");

        if (!xml_is(n, NS_BASE, "configuration")) {
            if (rf_view_equal(n->ns, rf_view_str(NS_BASE)) && !xml_is(n, NS_BASE, "signature"))
                return conf_fail(&p->e, RF_EFORMAT, "unknown element in <overlay>");
            continue;
        }
        if (name == NULL || !rf_domain_valid(value_trim(name->value)))
            return conf_fail(&p->e, RF_EFORMAT, "a configuration has no valid instance-name");
        if (overlay.len > 0 && !rf_view_equal(value_trim(name->value), overlay))
            continue;
        if (*out != NULL && overlay.len == 0)
            break;
        if (*out != NULL)
            return conf_fail(&p->e, RF_EFORMAT, "two configurations of one overlay");
        *out = n;
    }
    if (*out == NULL)
        return conf_fail(&p->e, RF_ENOTFOUND, "no configuration of this overlay");
    return parse_no_text(p, root);
}

static int read_document(struct parse *p, struct rf_view overlay)
{
    const struct xml_node *root, *configuration;
    int r;

    if ((r = xml_parse(p->conf->xml, &p->scratch, &root, &p->e)) != 0)
        return r;
    if ((r = find_configuration(p, root, overlay, &configuration)) != 0 ||
        (r = parse_no_text(p, configuration)) != 0)
        return r;
    p->conf->blob = configuration->raw;
    if ((r = read_attributes(p, configuration)) != 0 || (r = parse_fields(p, configuration)) != 0)
        return r;
    return read_signatures(p, configuration);
}

/* parse_begin makes an empty document of defaults around a copy of `xml`. */
static int parse_begin(struct parse *p, struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml,
                       char *error_text, size_t error_text_len)
{
    *p = (struct parse){.crypto = crypto, .e = {error_text, error_text_len}};
    if (error_text != NULL && error_text_len > 0)
        error_text[0] = '\0';
    if (xml.len > RF_CONF_MAX_LEN)
        return conf_fail(&p->e, RF_ELIMIT, "larger than %zu bytes", RF_CONF_MAX_LEN);
    if ((p->conf = rf_zalloc(mem, sizeof(*p->conf))) == NULL)
        return parse_no_memory(p);
    rf_conf_draft(p->conf);
    p->conf->refs = 1;
    p->conf->mem = mem;
    rf_region_init(&p->conf->region, mem, REGION_MAX_LEN);
    rf_region_init(&p->scratch, mem, SCRATCH_MAX_LEN);
    p->conf->xml = rf_region_copy(&p->conf->region, xml);
    p->conf->topology_plugin = value_string(&p->conf->region, rf_view_str("CHORD-RELOAD"));
    return (xml.len > 0 && p->conf->xml.p == NULL) || p->conf->topology_plugin == NULL ? parse_no_memory(p)
                                                                                       : 0;
}

static int parse_end(struct parse *p, int r, struct rf_conf **out)
{
    if (p->conf == NULL)
        return r;
    rf_region_deinit(&p->scratch);
    if (r == 0)
        *out = p->conf;
    else
        rf_conf_release(p->conf);
    return r;
}

static int parse(struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml, struct rf_view overlay,
                 bool examine, struct rf_conf **out, char *error_text, size_t error_text_len)
{
    struct parse p;
    int r = parse_begin(&p, crypto, mem, xml, error_text, error_text_len);

    p.examine = examine;
    if (r == 0)
        r = read_document(&p, overlay);
    return parse_end(&p, r, out);
}

int rf_conf_parse(struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml, struct rf_view overlay,
                  struct rf_conf **out, char *error_text, size_t error_text_len)
{
    return parse(crypto, mem, xml, overlay, false, out, error_text, error_text_len);
}

int rf_conf_examine(struct rf_crypto *crypto, struct rf_mem *mem, struct rf_view xml, struct rf_view overlay,
                    struct rf_conf **out, char *error_text, size_t error_text_len)
{
    return parse(crypto, mem, xml, overlay, true, out, error_text, error_text_len);
}

/* ---- Kinds that came after the document ---- */

/* The place among the <kind-block>s that came later of the one that `def` was read from; NULL: it stands in the document. */
static struct rf_view *late_block(struct rf_conf *conf, const struct rf_kind_def *def)
{
    for (size_t i = 0; i < conf->kind_block_count; i++) {
        struct rf_view *block = &conf->kind_blocks[i];

        if (def->block.p >= block->p && def->block.p < block->p + block->len)
            return block;
    }
    return NULL;
}

/* merge_kind puts a definition, read from the <kind-block> `raw`, in the place of an older one of the same Kind, or behind the others. */
static void merge_kind(struct rf_conf *conf, const struct rf_kind_def *kind, struct rf_view raw)
{
    struct rf_view *before = NULL;
    size_t i = 0;

    while (i < conf->kind_count && conf->kinds[i].id != kind->id)
        i++;
    if (i < conf->kind_count)
        before = late_block(conf, &conf->kinds[i]);
    else
        conf->kind_count++;
    conf->kinds[i] = *kind;
    *(before != NULL ? before : &conf->kind_blocks[conf->kind_block_count++]) = raw;
}

/*
 * read_block reads one <kind-block> that came alone: the base namespace is its default one (3.14), and the extensions' usual
 * prefixes are declared for it.
 */
static int read_block(struct parse *p, struct rf_view block, struct rf_kind_def *out, struct rf_view *raw)
{
    struct rf_conf *conf = p->conf;
    const struct xml_node *root;
    struct rf_buf text;
    struct rf_view copy;
    int r;

    if (block.len > KIND_BLOCK_MAX)
        return conf_fail(&p->e, RF_ELIMIT, "a <kind-block> is too long");
    rf_buf_init(&text, conf->mem, KIND_BLOCK_MAX + 1024);
    rf_buf_str(&text, "<required-kinds xmlns=\"" NS_BASE "\" xmlns:sip=\"" NS_SIP "\" xmlns:share=\"" NS_SHARE
                      "\" xmlns:redir=\"" NS_REDIR "\">");
    rf_buf_view_put(&text, block);
    rf_buf_str(&text, "</required-kinds>");
    copy = rf_region_copy(&conf->region, rf_buf_view(&text));
    r = rf_buf_error(&text) != 0 || copy.p == NULL ? parse_no_memory(p) : 0;
    rf_buf_deinit(&text);
    if (r != 0 || (r = xml_parse(copy, &p->scratch, &root, &p->e)) != 0)
        return r;
    if (root->children == NULL || root->children->next != NULL ||
        !xml_is(root->children, NS_BASE, "kind-block"))
        return conf_fail(&p->e, RF_EFORMAT, "not one <kind-block>");
    *raw = root->children->raw;
    return parse_kind_block(p, root->children, out);
}

/* room_for_blocks makes room for `all` definitions more. */
static int room_for_blocks(struct parse *p, size_t all)
{
    struct rf_kind_def *kinds;

    kinds = rf_region_array(&p->conf->region, p->conf->kind_count + all, sizeof(*kinds));
    p->conf->kind_blocks = rf_region_array(&p->conf->region, all, sizeof(struct rf_view));
    if (kinds == NULL || p->conf->kind_blocks == NULL)
        return parse_no_memory(p);
    if (p->conf->kind_count > 0)
        memcpy(kinds, p->conf->kinds, p->conf->kind_count * sizeof(*kinds));
    p->conf->kinds = kinds;
    return 0;
}

/* What new blocks are measured by. */
struct judge {
    const struct rf_conf *current;
    struct rf_trust *trust;
    uint64_t wall_ms;
};

/*
 * verify_block: what comes now is signed by a kind-signer of the document, and a Kind defined already stays with its signer, as long as that
 * one has the right (3.14).
 */
static int verify_block(struct parse *p, const struct judge *judge, const struct rf_kind_def *kind)
{
    const struct rf_kind_def *old = rf_conf_kind(judge->current, kind->id);
    struct rf_id signer, before;
    int r = conf_kind_signer(judge->current, kind, judge->trust, judge->wall_ms, &signer);

    if (r == 0 && old != NULL && old->block.len > 0 &&
        conf_kind_signer(judge->current, old, judge->trust, judge->wall_ms, &before) == 0 &&
        !rf_id_equal(&signer, &before))
        r = RF_EFORBIDDEN;
    return r == 0 ? 0 : conf_fail(&p->e, r, "the signature of Kind %u: %s", kind->id, rf_error_text(r));
}

/* judge NULL: they were verified when they came. */
static int add_blocks(struct parse *p, const struct judge *judge, const struct rf_view *blocks, size_t count)
{
    struct rf_kind_def kind;
    struct rf_view raw;
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        r = read_block(p, blocks[i], &kind, &raw);
        if (r == 0 && judge != NULL)
            r = verify_block(p, judge, &kind);
        if (r == 0)
            merge_kind(p->conf, &kind, raw);
    }
    return r;
}

int rf_conf_with_kinds(const struct rf_conf *current, struct rf_crypto *crypto, struct rf_trust *trust,
                       uint64_t wall_ms, const struct rf_view *kind_blocks, size_t kind_block_count,
                       struct rf_conf **out, char *error_text, size_t error_text_len)
{
    struct judge judge = {current, trust, wall_ms};
    struct parse p;
    int r = parse_begin(&p, crypto, current->mem, current->xml, error_text, error_text_len);

    if (r == 0)
        r = read_document(&p, current->overlay);
    if (r == 0)
        r = room_for_blocks(&p, current->kind_block_count + kind_block_count);
    if (r == 0)
        r = add_blocks(&p, NULL, current->kind_blocks, current->kind_block_count);
    if (r == 0)
        r = add_blocks(&p, &judge, kind_blocks, kind_block_count);
    return parse_end(&p, r, out);
}

int rf_conf_keep_kinds(const struct rf_conf *current, struct rf_crypto *crypto, struct rf_trust *trust,
                       uint64_t wall_ms, const struct rf_view *kind_blocks, size_t kind_block_count,
                       bool newer, struct rf_conf **out)
{
    struct rf_kind_def kind;
    struct rf_view raw;
    struct rf_id signer;
    struct parse p;
    int r = parse_begin(&p, crypto, current->mem, current->xml, NULL, 0);

    if (r == 0)
        r = read_document(&p, current->overlay);
    if (r == 0)
        r = room_for_blocks(&p, kind_block_count);
    for (size_t i = 0; i < kind_block_count && r == 0; i++) {
        const struct rf_kind_def *own;
        int bad = read_block(&p, kind_blocks[i], &kind, &raw);

        if (bad == RF_ENOMEM)
            r = bad;
        if (bad != 0 || conf_kind_signer(current, &kind, trust, wall_ms, &signer) != 0)
            continue; /* no longer one that we may or can have */
        own = rf_conf_kind(p.conf, kind.id);
        if (newer || own == NULL || own->block.len == 0 || late_block(p.conf, own) != NULL)
            merge_kind(p.conf, &kind, raw);
    }
    return parse_end(&p, r, out);
}
