/* fields.c - the children of <configuration>, one row each (reload.md 6.2). */
#include "conf/parse.h"

#include "base/assert.h"
#include "conf/kinds.h"
#include "conf/value.h"

#define URL_MAX_LEN      2048
#define SECONDS_MAX      INT32_MAX
#define RELIABILITY_MIN  200
#define RELIABILITY_MAX  3600000
#define MESSAGE_SIZE_MIN 1000 /* certificates alone need that much */
#define PORT_DEFAULT     6084
#define PROBES_MAX       128 /* as many as there may be fingers */

/* Namespaces that we speak, for mandatory-extension. */
static const char *const spoken[] = {NS_BASE, NS_CHORD, NS_TUNING, NS_SIP, NS_SHARE, NS_REDIR};

static int set_topology(struct parse *p, const struct xml_node *node)
{
    p->conf->topology_plugin = value_string(&p->conf->region, value_trim(node->text));
    if (p->conf->topology_plugin == NULL)
        return parse_no_memory(p);
    p->conf->self_tuning = strcmp(p->conf->topology_plugin, "CHORD-SELF-TUNING") == 0;
    if (!p->conf->self_tuning && strcmp(p->conf->topology_plugin, "CHORD-RELOAD") != 0)
        return parse_unmet(p, "topology plug-in %.64s", p->conf->topology_plugin);
    return 0;
}

static int set_id_len(struct parse *p, const struct xml_node *node)
{
    uint64_t len;
    int r = parse_uint(p, node, RF_ID_MIN_LEN, RF_ID_MAX_LEN, &len);

    if (r == 0)
        p->conf->id_len = (uint8_t)len;
    return r;
}

static int add_root(struct parse *p, const struct xml_node *node)
{
    int r = value_base64(&p->conf->region, node->text, RF_X509_MAX_LEN, &p->conf->roots[p->conf->root_count]);

    if (r == RF_ENOMEM)
        return parse_no_memory(p);
    if (r != 0)
        return parse_bad_value(p, node);
    p->conf->root_count++;
    return 0;
}

static int add_enrolment_url(struct parse *p, const struct xml_node *node)
{
    static const char scheme[] = "https://";
    struct rf_view url = value_trim(node->text);
    char *copy;

    if (url.len < sizeof(scheme) || url.len > URL_MAX_LEN || memcmp(url.p, scheme, sizeof(scheme) - 1) != 0)
        return parse_bad_value(p, node);
    for (size_t i = 0; i < url.len; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f)
            return parse_bad_value(p, node);
    if ((copy = value_string(&p->conf->region, url)) == NULL)
        return parse_no_memory(p);
    p->conf->enrolment_urls[p->conf->enrolment_url_count++] = copy;
    return 0;
}

static int set_self_signed(struct parse *p, const struct xml_node *node)
{
    static const char *const known[] = {"digest", NULL};
    const struct xml_attr *digest = xml_attr_find(node, "digest");
    bool permitted;
    int rule, r = parse_attrs_known(p, node, known);

    if (r != 0)
        return r;
    if (value_bool(node->text, &permitted) != 0 || digest == NULL)
        return parse_bad_value(p, node);
    if (value_is(digest->value, "sha1"))
        rule = RF_DIGEST_SHA1;
    else if (value_is(digest->value, "sha256"))
        rule = RF_DIGEST_SHA256;
    else
        return parse_bad_value(p, node);
    p->conf->self_signed = permitted ? rule : 0;
    return 0;
}

static int add_bootstrap(struct parse *p, const struct xml_node *node)
{
    static const char *const known[] = {"address", "port", NULL};
    const struct xml_attr *address = xml_attr_find(node, "address"), *port = xml_attr_find(node, "port");
    struct rf_addr *out = &p->conf->bootstraps[p->conf->bootstrap_count];
    char text[RF_ADDR_TEXT_LEN];
    struct rf_view ip;
    uint64_t number = PORT_DEFAULT;
    int r = parse_attrs_known(p, node, known);

    if (r != 0)
        return r;
    if (address == NULL || (port != NULL && value_uint(port->value, 1, UINT16_MAX, &number) != 0))
        return parse_bad_value(p, node);
    ip = value_trim(address->value);
    if (ip.len == 0 || ip.len >= sizeof(text))
        return parse_bad_value(p, node);
    memcpy(text, ip.p, ip.len);
    text[ip.len] = '\0';
    /* a bare address: brackets, or the one colon before a port, would be taken below */
    if (text[0] == '[' || (strchr(text, ':') != NULL && strchr(text, ':') == strrchr(text, ':')))
        return parse_bad_value(p, node);
    if (rf_addr_parse(text, (uint16_t)number, out) != 0)
        return parse_bad_value(p, node);
    p->conf->bootstrap_count++;
    return 0;
}

static int set_turn_density(struct parse *p, const struct xml_node *node)
{
    uint64_t n;
    int r = parse_uint(p, node, 0, UINT8_MAX, &n);

    if (r == 0)
        p->conf->turn_density = (uint8_t)n;
    return r;
}

static int set_initial_ttl(struct parse *p, const struct xml_node *node)
{
    uint64_t n;
    int r = parse_uint(p, node, 1, UINT8_MAX, &n);

    if (r == 0)
        p->conf->initial_ttl = (uint8_t)n;
    return r;
}

static int read_u32(struct parse *p, const struct xml_node *node, uint64_t min, uint64_t max, uint32_t *out)
{
    uint64_t n;
    int r = parse_uint(p, node, min, max, &n);

    if (r == 0)
        *out = (uint32_t)n;
    return r;
}

static int set_max_message_size(struct parse *p, const struct xml_node *node)
{
    return read_u32(p, node, MESSAGE_SIZE_MIN, UINT32_MAX, &p->conf->max_message_size);
}

static int set_reliability(struct parse *p, const struct xml_node *node)
{
    return read_u32(p, node, RELIABILITY_MIN, RELIABILITY_MAX, &p->conf->reliability_timer_ms);
}

static int set_update_interval(struct parse *p, const struct xml_node *node)
{
    return read_u32(p, node, 1, SECONDS_MAX, &p->conf->chord_update_interval_s);
}

static int set_ping_interval(struct parse *p, const struct xml_node *node)
{
    return read_u32(p, node, 1, SECONDS_MAX, &p->conf->chord_ping_interval_s);
}

static int set_peers_to_probe(struct parse *p, const struct xml_node *node)
{
    return read_u32(p, node, 0, PROBES_MAX, &p->conf->peers_to_probe);
}

static int read_bool(struct parse *p, const struct xml_node *node, bool *out)
{
    return value_bool(node->text, out) == 0 ? 0 : parse_bad_value(p, node);
}

static int set_clients(struct parse *p, const struct xml_node *node)
{
    return read_bool(p, node, &p->conf->clients_permitted);
}

static int set_no_ice(struct parse *p, const struct xml_node *node)
{
    return read_bool(p, node, &p->conf->no_ice);
}

static int set_reactive(struct parse *p, const struct xml_node *node)
{
    return read_bool(p, node, &p->conf->chord_reactive);
}

static int set_shared_secret(struct parse *p, const struct xml_node *node)
{
    (void)node;
    return parse_unmet(p, "the overlay uses a shared secret");
}

static int add_id(struct parse *p, const struct xml_node *node, struct rf_id *ids, size_t *count)
{
    if (value_id(node->text, p->conf->id_len, &ids[*count]) != 0)
        return parse_bad_value(p, node);
    ++*count;
    return 0;
}

static int add_kind_signer(struct parse *p, const struct xml_node *node)
{
    return add_id(p, node, p->conf->kind_signers, &p->conf->kind_signer_count);
}

static int add_configuration_signer(struct parse *p, const struct xml_node *node)
{
    return add_id(p, node, p->conf->configuration_signers, &p->conf->configuration_signer_count);
}

static int add_bad_node(struct parse *p, const struct xml_node *node)
{
    return add_id(p, node, p->conf->bad_nodes, &p->conf->bad_node_count);
}

static int add_mandatory_extension(struct parse *p, const struct xml_node *node)
{
    struct rf_view ns = value_trim(node->text);
    char *copy = value_string(&p->conf->region, ns);

    if (copy == NULL)
        return parse_no_memory(p);
    p->conf->mandatory_extensions[p->conf->mandatory_extension_count++] = copy;
    for (size_t i = 0; i < RF_COUNT(spoken); i++)
        if (rf_view_equal(ns, rf_view_str(spoken[i])))
            return 0;
    return parse_unmet(p, "mandatory extension %.200s", copy);
}

static int check_link_protocols(struct parse *p, const struct xml_node *configuration)
{
    bool any = false;

    for (const struct xml_node *n = configuration->children; n != NULL; n = n->next)
        if (xml_is(n, NS_BASE, "overlay-link-protocol")) {
            if (value_is(n->text, "TLS"))
                return 0;
            any = true;
        }
    return any ? parse_unmet(p, "no overlay-link-protocol that we speak") : 0;
}

static int check_link_protocol(struct parse *p, const struct xml_node *node)
{
    return value_trim(node->text).len > 0
               ? 0
               : parse_bad_value(p, node); /* what they say: check_link_protocols */
}

static int set_kinds(struct parse *p, const struct xml_node *node)
{
    int r;

    /* one more: set_branching may need it */
    p->conf->kinds = rf_region_array(&p->conf->region, xml_count_children(node, NS_BASE, "kind-block") + 1,
                                     sizeof(*p->conf->kinds));
    if (p->conf->kinds == NULL)
        return parse_no_memory(p);
    if ((r = parse_no_text(p, node)) != 0)
        return r;
    for (const struct xml_node *n = node->children; n != NULL; n = n->next) {
        struct rf_kind_def *kind = &p->conf->kinds[p->conf->kind_count];

        if (!xml_is(n, NS_BASE, "kind-block")) {
            if (rf_view_equal(n->ns, rf_view_str(NS_BASE)))
                return conf_fail(&p->e, RF_EFORMAT, "<%.*s> in <required-kinds>", (int)n->name.len,
                                 (const char *)n->name.p);
            continue;
        }
        if ((r = parse_kind_block(p, n, kind)) != 0)
            return r;
        for (size_t i = 0; i < p->conf->kind_count; i++)
            if (p->conf->kinds[i].id == kind->id && kind->id != 0)
                return conf_fail(&p->e, RF_EFORMAT, "Kind %u is defined twice", kind->id);
        p->conf->kind_count++;
    }
    return 0;
}

/* An element that may stand often may fill an array of the document. */
#define ONCE(ns_, name_, read_)                                                                              \
    {                                                                                                        \
        .ns = ns_, .name = name_, .read = read_                                                              \
    }
#define MANY(ns_, name_, read_, field)                                                                       \
    {                                                                                                        \
        .ns = ns_, .name = name_, .read = read_, .many = true, .offset = offsetof(struct rf_conf, field),    \
        .size = sizeof(*((struct rf_conf *)NULL)->field)                                                     \
    }

static const struct field {
    const char *ns, *name;
    int (*read)(struct parse *p, const struct xml_node *node);
    bool first; /* others need its value */
    bool many;
    size_t offset, size; /* of the array's pointer and of an item; size 0: there is none */
} fields[] = {
    {.ns = NS_BASE, .name = "node-id-length", .read = set_id_len, .first = true},
    ONCE(NS_BASE, "topology-plugin", set_topology),
    MANY(NS_BASE, "root-cert", add_root, roots),
    MANY(NS_BASE, "enrollment-server", add_enrolment_url, enrolment_urls),
    ONCE(NS_BASE, "self-signed-permitted", set_self_signed),
    MANY(NS_BASE, "bootstrap-node", add_bootstrap, bootstraps),
    ONCE(NS_BASE, "turn-density", set_turn_density),
    ONCE(NS_BASE, "clients-permitted", set_clients),
    ONCE(NS_BASE, "no-ice", set_no_ice),
    ONCE(NS_CHORD, "chord-update-interval", set_update_interval),
    ONCE(NS_CHORD, "chord-ping-interval", set_ping_interval),
    ONCE(NS_CHORD, "chord-reactive", set_reactive),
    ONCE(NS_TUNING, "number-of-peers-to-probe", set_peers_to_probe),
    ONCE(NS_BASE, "shared-secret", set_shared_secret),
    ONCE(NS_BASE, "max-message-size", set_max_message_size),
    ONCE(NS_BASE, "initial-ttl", set_initial_ttl),
    ONCE(NS_BASE, "overlay-reliability-timer", set_reliability),
    {.ns = NS_BASE, .name = "overlay-link-protocol", .read = check_link_protocol, .many = true},
    MANY(NS_BASE, "kind-signer", add_kind_signer, kind_signers),
    MANY(NS_BASE, "configuration-signer", add_configuration_signer, configuration_signers),
    MANY(NS_BASE, "bad-node", add_bad_node, bad_nodes),
    MANY(NS_BASE, "mandatory-extension", add_mandatory_extension, mandatory_extensions),
    ONCE(NS_BASE, "required-kinds", set_kinds),
};

static const struct field *find_field(const struct xml_node *node)
{
    for (size_t i = 0; i < RF_COUNT(fields); i++)
        if (xml_is(node, fields[i].ns, fields[i].name))
            return &fields[i];
    return NULL;
}

/* set_branching: ReDiR's factor may stand in <configuration> too, for all of it (D48); the one in the <kind> wins. */
static int set_branching(struct parse *p, const struct xml_node *configuration)
{
    struct rf_conf *conf = p->conf;
    const struct rf_kind_def *redir = kinds_registered(RF_KIND_REDIR);
    uint32_t factor = 0;
    size_t i = 0;

    for (const struct xml_node *n = configuration->children; n != NULL; n = n->next) {
        int r = xml_is(n, NS_REDIR, "branching-factor") ? read_u32(p, n, 2, 65535, &factor) : 0;

        if (r != 0)
            return r;
    }
    if (factor == 0)
        return 0;
    if (conf->kinds == NULL &&
        (conf->kinds = rf_region_array(&conf->region, 1, sizeof(*conf->kinds))) == NULL)
        return parse_no_memory(p);
    while (i < conf->kind_count && conf->kinds[i].id != redir->id)
        i++;
    if (i == conf->kind_count)
        conf->kinds[conf->kind_count++] = *redir;
    if (conf->kinds[i].branching_factor == 0)
        conf->kinds[i].branching_factor = factor;
    return 0;
}

/* make_room checks how often each element stands and allocates the arrays. */
static int make_room(struct parse *p, const struct xml_node *configuration)
{
    for (size_t i = 0; i < RF_COUNT(fields); i++) {
        size_t count = xml_count_children(configuration, fields[i].ns, fields[i].name);
        void *array;

        if (count > 1 && !fields[i].many)
            return conf_fail(&p->e, RF_EFORMAT, "<%s> stands more than once", fields[i].name);
        if (fields[i].size == 0)
            continue;
        if ((array = rf_region_array(&p->conf->region, count, fields[i].size)) == NULL)
            return parse_no_memory(p);
        memcpy((char *)p->conf + fields[i].offset, &array, sizeof(array));
    }
    return 0;
}

static int read_pass(struct parse *p, const struct xml_node *configuration, bool first)
{
    for (const struct xml_node *n = configuration->children; n != NULL; n = n->next) {
        const struct field *field = find_field(n);
        int r = 0;

        if (field != NULL && field->first == first)
            r = field->read(p, n);
        else if (field == NULL && rf_view_equal(n->ns, rf_view_str(NS_BASE)))
            r = conf_fail(&p->e, RF_EFORMAT, "unknown element <%.*s>", (int)n->name.len,
                          (const char *)n->name.p);
        if (r != 0)
            return r;
    }
    return 0;
}

int parse_fields(struct parse *p, const struct xml_node *configuration)
{
    int r = make_room(p, configuration);

    if (r == 0)
        r = read_pass(p, configuration, true);
    if (r == 0)
        r = read_pass(p, configuration, false);
    if (r == 0)
        r = set_branching(p, configuration);
    return r == 0 ? check_link_protocols(p, configuration) : r;
}
