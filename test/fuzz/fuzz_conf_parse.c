/*
 * fuzz_conf_parse.c - configuration documents: read without harm; what was read can be written and reads the same; a changed one does
 * not verify.
 */
#include "fuzz/fuzz_ident_patch.h"
#include "support/pki.h"

static struct rf_pki pki;
static struct rf_trust *trust;
static struct rf_buf bytes;

static const char *patterns[] = {".*@example"};
static const struct rf_kind_def kinds[] = {
    {.id = 0xf0000001,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 1,
     .max_size = 100},
    {.id = RF_KIND_SIP_REGISTRATION,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 3,
     .max_size = 50,
     .domain_restricted = true,
     .domain_patterns = patterns,
     .domain_pattern_count = 1},
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
/* examined: what is only looked at is what could be used, or says what is lacking; and nothing that was not signed is genuine. */
static void examined(int parsed)
{
    struct rf_conf *conf;
    int r = rf_conf_examine(pki.crypto, pki.mem, rf_buf_view(&bytes), rf_view_of(NULL, 0), &conf, NULL, 0);

    RF_ASSERT(parsed != 0 || r == 0);
    if (r != 0)
        return;
    RF_ASSERT((conf->unmet == NULL) == (parsed == 0));
    if (rf_conf_verify(pki.conf, conf, trust, pki.wall_ms) == 0)
        RF_ASSERT(rf_view_equal(conf->blob, pki.conf->blob));
    rf_conf_release(conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const bootstraps[] = {"192.0.2.1:6084"};
    struct rf_pki_config config = {.overlay = "example.org",
                                   .bootstraps = bootstraps,
                                   .bootstrap_count = 1,
                                   .kinds = kinds,
                                   .kind_count = 2};

    (void)argc;
    (void)argv;
    RF_ASSERT(rf_pki_init(&pki, &config) == 0 && rf_pki_trust(&pki, 4, &trust) == 0);
    rf_buf_init(&bytes, rf_mem_system(), 1 << 17);
    return 0;
}

/* write_again: a document that was accepted is a draft that is accepted, and says the same. */
static void write_again(const struct rf_conf *conf)
{
    struct rf_conf *again;
    struct rf_buf xml;
    int r;

    rf_buf_init(&xml, pki.mem, RF_CONF_MAX_LEN);
    r = rf_conf_write(conf, &pki.signer, &xml);
    if (r == 0) {
        RF_ASSERT(rf_conf_parse(pki.crypto, pki.mem, rf_buf_view(&xml), conf->overlay, &again, NULL, 0) == 0);
        RF_ASSERT(again->sequence == conf->sequence && again->id_len == conf->id_len);
        RF_ASSERT(again->kind_count == conf->kind_count && again->bootstrap_count == conf->bootstrap_count);
        RF_ASSERT(again->bad_node_count == conf->bad_node_count && again->root_count == conf->root_count);
        RF_ASSERT(again->max_message_size == conf->max_message_size && again->no_ice == conf->no_ice);
        rf_conf_release(again);
    } else {
        /* larger than the original by its signatures, or a time of milliseconds that the writer does not write */
        RF_ASSERT(r == RF_ELIMIT || (r == RF_EINVAL && conf->expiration_ms > UINT64_C(253402300799000)));
    }
    rf_buf_deinit(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_conf *conf;
    char why[64];

    patch_apply(rf_view_of(data, len), pki.conf->xml, &bytes);
    int parsed =
        rf_conf_parse(pki.crypto, pki.mem, rf_buf_view(&bytes), rf_view_of(NULL, 0), &conf, why, sizeof(why));
    examined(parsed);
    if (parsed != 0)
        return 0;
    RF_ASSERT(patch_inside(conf->blob, conf->xml) && conf->blob.len > 0 && conf->blob.p[0] == '<');
    for (size_t i = 0; i < conf->kind_count; i++)
        RF_ASSERT(patch_inside(conf->kinds[i].block, conf->xml));
    if (rf_conf_verify(pki.conf, conf, trust, pki.wall_ms) == 0)
        RF_ASSERT(rf_view_equal(conf->blob, pki.conf->blob));
    if (data[0] & 2) /* costs signatures */
        write_again(conf);
    rf_conf_release(conf);
    return 0;
}
