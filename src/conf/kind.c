/* kind.c - <kind-block>: the definition of a Kind and the signature over it (reload.md 6.2, 7.3, 7.6). */
#include "conf/parse.h"

#include "base/assert.h"
#include "conf/kinds.h"
#include "conf/value.h"

#define SIGNATURE_MAX_LEN 65536 /* bytes of a SecurityBlock */
#define NODE_MULTIPLE_MAX 65535 /* all are tried when a value is checked */

static int set_name(struct parse *p, const struct xml_node *node, struct rf_kind_def *out)
{
    static const char *const known[] = {"name", "id", NULL};
    const struct xml_attr *name = xml_attr_find(node, "name"), *id = xml_attr_find(node, "id");
    uint64_t number;
    int r = parse_attrs_known(p, node, known);

    if (r != 0)
        return r;
    if ((name == NULL) == (id == NULL))
        return conf_fail(&p->e, RF_EFORMAT, "a <kind> needs either a name or an id");
    if (name != NULL) {
        struct rf_view text = value_trim(name->value);

        if ((out->id = kinds_by_name(text)) == 0)
            return parse_unmet(p, "Kind %.*s is required", text.len < 64 ? (int)text.len : 64,
                               (const char *)text.p);
        return 0;
    }
    if (value_uint(id->value, 1, UINT32_MAX - 1, &number) != 0)
        return conf_fail(&p->e, RF_EFORMAT, "a Kind's id is no number of 32 bits");
    out->id = (uint32_t)number;
    return 0;
}

/* read_patterns copies the text of children `name` as strings. */
static int read_patterns(struct parse *p, const struct xml_node *node, const char *ns, const char ***out,
                         size_t *count)
{
    size_t room = xml_count_children(node, ns, "pattern");

    *count = 0;
    if ((*out = rf_region_array(&p->conf->region, room, sizeof(**out))) == NULL)
        return parse_no_memory(p);
    for (const struct xml_node *n = node->children; n != NULL; n = n->next) {
        if (!xml_is(n, ns, "pattern"))
            continue;
        if (value_trim(n->text).len == 0)
            return parse_bad_value(p, n);
        if (((*out)[(*count)++] = value_string(&p->conf->region, value_trim(n->text))) == NULL)
            return parse_no_memory(p);
    }
    return 0;
}

static int read_enable(struct parse *p, const struct xml_node *node, bool *out)
{
    const struct xml_attr *enable = xml_attr_find(node, "enable");

    *out = false;
    return enable == NULL || value_bool(enable->value, out) == 0 ? 0 : parse_bad_value(p, node);
}

/* set_extension reads what we know of the foreign elements in a <kind>. */
static int set_extension(struct parse *p, const struct xml_node *n, struct rf_kind_def *out)
{
    uint64_t number;
    int r = 0;

    if (xml_is(n, NS_SIP, "domain-restriction") || xml_is(n, NS_SIP, "domain-restrictions")) { /* D35 */
        if (out->domain_restricted)
            return conf_fail(&p->e, RF_EFORMAT, "a domain restriction stands twice");
        out->domain_restricted = true;
        if ((r = read_enable(p, n, &out->domain_enable)) == 0)
            r = read_patterns(p, n, NS_SIP, &out->domain_patterns, &out->domain_pattern_count);
    } else if (xml_is(n, NS_SHARE, "variable-resource-names")) {
        if ((r = read_enable(p, n, &out->variable_names)) == 0)
            r = read_patterns(p, n, NS_SHARE, &out->name_patterns, &out->name_pattern_count);
    } else if (xml_is(n, NS_REDIR, "branching-factor")) {
        if ((r = parse_uint(p, n, 2, 65535, &number)) == 0)
            out->branching_factor = (uint32_t)number;
    }
    return r;
}

/* The children that say what a Kind is. Each stands at most once. */
struct kind_fields {
    const struct xml_node *model, *policy, *max_count, *max_size, *max_node_multiple;
};

static int sort_children(struct parse *p, const struct xml_node *node, struct kind_fields *f,
                         struct rf_kind_def *out)
{
    const struct {
        const char *name;
        const struct xml_node **slot;
    } slots[] = {{"data-model", &f->model},
                 {"access-control", &f->policy},
                 {"max-count", &f->max_count},
                 {"max-size", &f->max_size},
                 {"max-node-multiple", &f->max_node_multiple}};

    for (const struct xml_node *n = node->children; n != NULL; n = n->next) {
        size_t i = 0;
        int r;

        while (i < RF_COUNT(slots) && !xml_is(n, NS_BASE, slots[i].name))
            i++;
        if (i < RF_COUNT(slots)) {
            if (*slots[i].slot != NULL)
                return conf_fail(&p->e, RF_EFORMAT, "<%s> stands more than once", slots[i].name);
            *slots[i].slot = n;
        } else if (rf_view_equal(n->ns, rf_view_str(NS_BASE))) {
            return conf_fail(&p->e, RF_EFORMAT, "unknown element <%.*s> in <kind>", (int)n->name.len,
                             (const char *)n->name.p);
        } else if ((r = set_extension(p, n, out)) != 0) {
            return r;
        }
    }
    return 0;
}

/* set_rules fills in model and policy. For registered Kinds those of the reference win over the document's (4.8). */
static int set_rules(struct parse *p, const struct kind_fields *f, struct rf_kind_def *out)
{
    const struct rf_kind_def *registered = kinds_registered(out->id);

    if (registered != NULL) {
        out->model = registered->model;
        out->policy = registered->policy;
        out->max_node_multiple = registered->max_node_multiple;
        return 0;
    }
    out->model = kinds_model(f->model->text);
    out->policy = kinds_policy(f->policy->text);
    if (out->model == 0 || out->policy == RF_POLICY_NONE)
        return parse_unmet(p, "data model or access policy of Kind %u", out->id);
    if (out->model != RF_MODEL_DICTIONARY &&
        (out->policy == RF_POLICY_USER_NODE_MATCH || out->policy == RF_POLICY_NODE_ID_MATCH))
        return conf_fail(&p->e, RF_EFORMAT, "Kind %u: its access policy is for dictionaries", out->id);
    if (out->policy == RF_POLICY_NODE_MULTIPLE && f->max_node_multiple == NULL)
        return conf_fail(&p->e, RF_EFORMAT, "Kind %u: max-node-multiple is missing", out->id);
    return 0;
}

static int read_kind(struct parse *p, const struct xml_node *node, struct rf_kind_def *out)
{
    struct kind_fields f = {.model = NULL};
    uint64_t number;
    int r;

    out->block = node->raw;
    if ((r = set_name(p, node, out)) != 0 || out->id == 0)
        return r; /* a Kind that we know by no number */
    if ((r = parse_no_text(p, node)) != 0 || (r = sort_children(p, node, &f, out)) != 0)
        return r;
    if (f.model == NULL || f.policy == NULL || f.max_count == NULL || f.max_size == NULL)
        return conf_fail(&p->e, RF_EFORMAT, "Kind %u is not fully defined", out->id);
    if ((r = set_rules(p, &f, out)) != 0)
        return r;
    if ((r = parse_uint(p, f.max_count, 1, INT32_MAX, &number)) != 0)
        return r;
    out->max_count = (uint32_t)number;
    if ((r = parse_uint(p, f.max_size, 1, INT32_MAX, &number)) != 0)
        return r;
    out->max_size = (uint32_t)number;
    if (f.max_node_multiple != NULL) {
        if ((r = parse_uint(p, f.max_node_multiple, 1, NODE_MULTIPLE_MAX, &number)) != 0)
            return r;
        out->max_node_multiple = (uint32_t)number;
    }
    return 0;
}

int parse_kind_block(struct parse *p, const struct xml_node *block, struct rf_kind_def *out)
{
    size_t kinds = xml_count_children(block, NS_BASE, "kind"),
           signatures = xml_count_children(block, NS_BASE, "kind-signature");
    int r = parse_no_text(p, block);

    if (r != 0)
        return r;
    *out = (struct rf_kind_def){.id = 0};
    if (kinds != 1 || signatures > 1)
        return conf_fail(&p->e, RF_EFORMAT, "a <kind-block> holds one <kind> and one <kind-signature>");
    for (const struct xml_node *n = block->children; n != NULL && r == 0; n = n->next) {
        if (xml_is(n, NS_BASE, "kind")) {
            r = read_kind(p, n, out);
        } else if (xml_is(n, NS_BASE, "kind-signature")) {
            r = value_base64(&p->conf->region, n->text, SIGNATURE_MAX_LEN, &out->signature);
            if (r != 0)
                r = r == RF_ENOMEM ? parse_no_memory(p) : parse_bad_value(p, n);
        } else if (rf_view_equal(n->ns, rf_view_str(NS_BASE))) {
            r = conf_fail(&p->e, RF_EFORMAT, "unknown element <%.*s> in <kind-block>", (int)n->name.len,
                          (const char *)n->name.p);
        }
    }
    return r;
}
