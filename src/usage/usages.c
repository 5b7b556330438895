/* usages.c - all usages of a node in one hand. */
#include "usage/usages.h"
#include "base/error.h"
#include "usage/acl.h"
#include "usage/chatlog.h"
#include "usage/redir.h"
#include "usage/turn.h"

struct rf_usages {
    struct rf_mem *mem;
    struct rf_store *store; /* borrowed */
    struct rf_certs *certs;
    struct rf_sipreg *sipreg;
};

static int add_kinds(struct rf_store *store)
{
    static int (*const kinds[])(struct rf_store * store) = {
        rf_certs_kinds, rf_sipreg_kinds, rf_turn_kinds, rf_redir_kinds, rf_acl_kinds, rf_chatlog_kinds,
    };
    int error = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && error == 0; i++)
        error = kinds[i](store);
    return error;
}

int rf_usages_new(const struct rf_env *env, const struct rf_usages_config *config, struct rf_usages **out)
{
    struct rf_usages *usages = rf_zalloc(env->mem, sizeof(*usages));
    if (usages == NULL)
        return RF_ENOMEM;
    usages->mem = env->mem;
    usages->store = config->store;
    struct rf_certs_config certs = {
        .store = config->store,
        .identity = config->identity,
        .crypto = config->crypto,
        .trust = config->trust,
        .conf = config->conf,
    };
    struct rf_sipreg_config sipreg = {
        .store = config->store,
        .identity = config->identity,
        .crypto = config->crypto,
        .conf = config->conf,
        .changed = config->registered,
        .arg = config->arg,
    };
    int error = add_kinds(config->store);
    if (error == 0)
        error = rf_certs_new(env, &certs, &usages->certs);
    if (error == 0)
        error = rf_sipreg_new(env, &sipreg, &usages->sipreg);
    if (error != 0) {
        rf_usages_free(usages);
        return error;
    }
    *out = usages;
    return 0;
}

void rf_usages_free(struct rf_usages *usages)
{
    if (usages == NULL)
        return;
    rf_sipreg_free(usages->sipreg);
    rf_certs_free(usages->certs);
    rf_free(usages->mem, usages);
}

void rf_usages_configure(struct rf_usages *usages, struct rf_conf *conf)
{
    rf_certs_configure(usages->certs, conf);
    rf_sipreg_configure(usages->sipreg, conf);
}

void rf_usages_online(struct rf_usages *usages, bool online)
{
    rf_certs_online(usages->certs, online);
    rf_sipreg_online(usages->sipreg, online);
    rf_watch_online(usages->store, online);
}

void rf_usages_renewed(struct rf_usages *usages)
{
    rf_certs_renewed(usages->certs);
}

struct rf_certs *rf_usages_certs(struct rf_usages *usages)
{
    return usages->certs;
}

struct rf_sipreg *rf_usages_sipreg(struct rf_usages *usages)
{
    return usages->sipreg;
}
