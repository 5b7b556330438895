/* kinds.c - the registered Kinds: what the reference fixes about them, and limits where a document says nothing. */
#include "conf/conf.h"

#include "base/assert.h"
#include "conf/kinds.h"
#include "conf/value.h"

/*
 * Model and policy: reload.md 4.8. RFC 6940 gives no limits; these hold for Kinds that the document does not name. A user has up to 8
 * devices, hence 8 certificates; 16 registrations, since devices may point at other addresses too.
 */
static const struct {
    const char *name;
    struct rf_kind_def def;
} registered[] = {
    {"SIP-REGISTRATION",
     {.id = RF_KIND_SIP_REGISTRATION,
      .model = RF_MODEL_DICTIONARY,
      .policy = RF_POLICY_USER_NODE_MATCH,
      .max_count = 16,
      .max_size = 1000}},
    {"TURN-SERVICE",
     {.id = RF_KIND_TURN_SERVICE,
      .model = RF_MODEL_SINGLE,
      .policy = RF_POLICY_NODE_MULTIPLE,
      .max_count = 1,
      .max_size = 100,
      .max_node_multiple = 20}},
    {"CERTIFICATE_BY_NODE",
     {.id = RF_KIND_CERTIFICATE_BY_NODE,
      .model = RF_MODEL_ARRAY,
      .policy = RF_POLICY_NODE_MATCH,
      .max_count = 8,
      .max_size = RF_CERT_MAX_LEN}},
    {"ACCESS-CONTROL-LIST",
     {.id = RF_KIND_ACCESS_CONTROL_LIST,
      .model = RF_MODEL_ARRAY,
      .policy = RF_POLICY_USER_CHAIN_ACL,
      .max_count = 256,
      .max_size = 500}},
    {"CERTIFICATE_BY_USER",
     {.id = RF_KIND_CERTIFICATE_BY_USER,
      .model = RF_MODEL_ARRAY,
      .policy = RF_POLICY_USER_MATCH,
      .max_count = 8,
      .max_size = RF_CERT_MAX_LEN}},
    {"REDIR",
     {.id = RF_KIND_REDIR,
      .model = RF_MODEL_DICTIONARY,
      .policy = RF_POLICY_NODE_ID_MATCH,
      .max_count = 1000,
      .max_size = 500}},
};

/* Ours (docs/protocol/conversations.md). They are not registered: what a document says about them wins. */
static const struct {
    const char *name;
    struct rf_kind_def def;
} own[] = {
    {"ROSTER",
     {.id = RF_KIND_ROSTER,
      .model = RF_MODEL_SINGLE,
      .policy = RF_POLICY_ROSTER,
      .max_count = 1,
      .max_size = 57000}},
    {"LOG",
     {.id = RF_KIND_LOG,
      .model = RF_MODEL_ARRAY,
      .policy = RF_POLICY_ROSTER,
      .max_count = 10000,
      .max_size = 49152}},
    {"INBOX",
     {.id = RF_KIND_INBOX,
      .model = RF_MODEL_DICTIONARY,
      .policy = RF_POLICY_INBOX,
      .max_count = 500,
      .max_size = 2048}},
    {"PRESENCE",
     {.id = RF_KIND_PRESENCE,
      .model = RF_MODEL_DICTIONARY,
      .policy = RF_POLICY_USER_NODE_MATCH,
      .max_count = 16,
      .max_size = 512}},
    {"KEY-PACKAGE",
     {.id = RF_KIND_KEY_PACKAGE,
      .model = RF_MODEL_DICTIONARY,
      .policy = RF_POLICY_USER_NODE_MATCH,
      .max_count = 16,
      .max_size = 32768}},
    {"CONVERSATION-DOOR",
     {.id = RF_KIND_DOOR,
      .model = RF_MODEL_ARRAY,
      .policy = RF_POLICY_ROSTER,
      .max_count = 16,
      .max_size = 49152}},
};

static const struct {
    const char *name;
    enum rf_policy policy;
} policies[] = {
    {"USER-MATCH", RF_POLICY_USER_MATCH},           {"NODE-MATCH", RF_POLICY_NODE_MATCH},
    {"USER-NODE-MATCH", RF_POLICY_USER_NODE_MATCH}, {"NODE-MULTIPLE", RF_POLICY_NODE_MULTIPLE},
    {"NODE-ID-MATCH", RF_POLICY_NODE_ID_MATCH},     {"USER-CHAIN-ACL", RF_POLICY_USER_CHAIN_ACL},
    {"RINGFOLK-ROSTER", RF_POLICY_ROSTER},          {"RINGFOLK-INBOX", RF_POLICY_INBOX},
};

const struct rf_kind_def *kinds_registered(uint32_t kind)
{
    for (size_t i = 0; i < RF_COUNT(registered); i++)
        if (registered[i].def.id == kind)
            return &registered[i].def;
    return NULL;
}

const struct rf_kind_def *rf_conf_kind(const struct rf_conf *conf, uint32_t kind)
{
    for (size_t i = 0; conf != NULL && i < conf->kind_count; i++)
        if (conf->kinds[i].id == kind)
            return &conf->kinds[i];
    for (size_t i = 0; i < RF_COUNT(own); i++)
        if (own[i].def.id == kind)
            return &own[i].def;
    return kinds_registered(kind);
}

const char *rf_conf_kind_name(uint32_t kind)
{
    for (size_t i = 0; i < RF_COUNT(registered); i++)
        if (registered[i].def.id == kind)
            return registered[i].name;
    return NULL;
}

uint32_t kinds_by_name(struct rf_view name)
{
    for (size_t i = 0; i < RF_COUNT(registered); i++)
        if (rf_view_equal(name, rf_view_str(registered[i].name)))
            return registered[i].def.id;
    return 0;
}

/* hex_number reads "0x" and 1 to 8 hex digits; 0: it is none. */
static uint32_t hex_number(const char *text)
{
    uint32_t value = 0;
    size_t len = strlen(text);

    if (len < 3 || len > 10 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
        return 0;
    for (const char *p = text + 2; *p != '\0'; p++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF", *digit = strchr(digits, *p);

        if (digit == NULL)
            return 0;
        value = value << 4 | (uint32_t)((digit - digits) % 16);
    }
    return value;
}

uint32_t rf_conf_kind_by_name(const char *name)
{
    uint32_t kind = kinds_by_name(rf_view_str(name));
    uint64_t number;

    for (size_t i = 0; kind == 0 && i < RF_COUNT(own); i++)
        if (strcmp(name, own[i].name) == 0)
            kind = own[i].def.id;
    if (kind == 0)
        kind = hex_number(name);
    if (kind == 0 && value_uint(rf_view_str(name), 1, UINT32_MAX, &number) == 0)
        kind = (uint32_t)number;
    return kind;
}

enum rf_policy kinds_policy(struct rf_view name)
{
    for (size_t i = 0; i < RF_COUNT(policies); i++)
        if (value_is(name, policies[i].name))
            return policies[i].policy;
    return RF_POLICY_NONE;
}

const char *kinds_policy_name(enum rf_policy policy)
{
    for (size_t i = 0; i < RF_COUNT(policies); i++)
        if (policies[i].policy == policy)
            return policies[i].name;
    return NULL;
}

enum rf_model kinds_model(struct rf_view name)
{
    static const enum rf_model models[] = {RF_MODEL_SINGLE, RF_MODEL_ARRAY, RF_MODEL_DICTIONARY};

    for (size_t i = 0; i < RF_COUNT(models); i++)
        if (value_is(name, rf_model_name(models[i])))
            return models[i];
    return (enum rf_model)0;
}
