/* engine.h - what tests and benches of links need besides: an engine for an identity, an environment with the machine's clock and random. */
#ifndef RF_TEST_SUPPORT_ENGINE_H
#define RF_TEST_SUPPORT_ENGINE_H

#include "ident/ident.h"
#include "link/engine.h"

/* engine_of makes an engine that shows that identity's certificate. Errors: those of engine_new and of the key. */
static inline int engine_of(const struct rf_identity *identity, const struct rf_engine_ops *ops,
                            const struct rf_env *env, struct rf_engine **out)
{
    struct rf_buf pem;
    int err;

    rf_buf_init(&pem, rf_mem_system(), 65536);
    err = identity->crypto->ops->key_to_pem(identity->crypto, identity->key, &pem);
    if (!err)
        err = ops->engine_new(env, &identity->cert->x509.der, 1, rf_buf_view(&pem), out);
    rf_buf_deinit(&pem);
    return err;
}

#endif
