/* password.c - argon2id by libargon2: one lane and one thread, so the computation stays where the shell put it. */
#include "enrol/password.h"

#include <argon2.h>
#include "base/assert.h"

#define HASH_LEN 32

static int password_make(struct rf_password_job *job)
{
    size_t need = argon2_encodedlen(job->cost.passes, job->cost.memory_kib, 1, RF_PASSWORD_SALT_LEN, HASH_LEN,
                                    Argon2_id);
    if (need > sizeof(job->encoded))
        return RF_ECRYPTO;
    int e =
        argon2id_hash_encoded(job->cost.passes, job->cost.memory_kib, 1, job->password, job->password_len,
                              job->salt, RF_PASSWORD_SALT_LEN, HASH_LEN, job->encoded, sizeof(job->encoded));
    if (e == ARGON2_MEMORY_ALLOCATION_ERROR)
        return RF_ENOMEM;
    return e == ARGON2_OK ? RF_OK : RF_ECRYPTO;
}

static int password_verify(const struct rf_password_job *job)
{
    int e = argon2id_verify(job->encoded, job->password, job->password_len);
    if (e == ARGON2_VERIFY_MISMATCH)
        return RF_EAUTH;
    if (e == ARGON2_MEMORY_ALLOCATION_ERROR)
        return RF_ENOMEM;
    return e == ARGON2_OK ? RF_OK : RF_ECRYPTO;
}

void rf_password_run(struct rf_password_job *job)
{
    RF_ASSERT(job->password_len <= RF_PASSWORD_MAX_LEN);
    switch (job->work) {
    case RF_PASSWORD_NONE:
        job->result = RF_OK;
        break;
    case RF_PASSWORD_MAKE:
        job->result = password_make(job);
        break;
    case RF_PASSWORD_VERIFY:
        job->result = password_verify(job);
        break;
    }
    rf_wipe(job->password, sizeof(job->password));
    job->password_len = 0;
}
