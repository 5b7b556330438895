/* test_conf_verify.c - who may change the document and its Kinds. */
#include "test_conf.h"

#include "support/pki.h"
#include "support/vector.h"
#include "wire/frame.h"
#include "wire/method.h"

#define VECTOR_MS UINT64_C(1750000000000)

static struct rf_trust *trust_of(struct rf_crypto *c, struct rf_mem *mem, const struct rf_conf *conf)
{
    static const uint64_t seed[2] = {8, 9};
    struct rf_trust *trust;

    assert_int_equal(rf_trust_new(c, mem, seed, 10, &trust), 0);
    assert_int_equal(rf_conf_trust(conf, trust), 0);
    return trust;
}

/* The document of the vectors verifies; with any byte changed it is refused or does not verify. */
static void the_vectors_document_verifies(void **state)
{
    struct fixture f;
    struct rf_buf xml;
    struct rf_conf *conf, *bent;
    struct rf_trust *trust;
    size_t begin;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&xml, &f.mem.mem, 1 << 16);
    rf_vector_read("config.xml", &xml);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0),
                     0);
    trust = trust_of(f.c, &f.mem.mem, conf);
    assert_int_equal(rf_conf_verify(NULL, conf, trust, VECTOR_MS), 0);
    assert_int_equal(rf_conf_verify(conf, conf, trust, VECTOR_MS), 0);
    assert_int_equal(rf_conf_verify(conf, conf, trust, UINT64_C(2400000000000)), RF_EEXPIRED);
    begin = (size_t)(conf->blob.p - conf->xml.p);
    for (size_t i = begin; i < begin + conf->blob.len; i += 3) {
        int r;

        xml.p[i] ^= 1;
        r = rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &bent, NULL, 0);
        if (r == 0) {
            assert_true(rf_conf_verify(conf, bent, trust, VECTOR_MS) != 0);
            rf_conf_release(bent);
        }
        xml.p[i] ^= 1;
    }
    rf_trust_free(trust);
    rf_conf_release(conf);
    rf_buf_deinit(&xml);
    fixture_deinit(&f);
}

static void line_ends_are_signed_too(void **state)
{
    struct fixture f;
    struct rf_buf xml, crlf;
    struct rf_conf *conf, *other;
    struct rf_trust *trust;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&xml, &f.mem.mem, 1 << 16);
    rf_buf_init(&crlf, &f.mem.mem, 1 << 16);
    rf_vector_read("config.xml", &xml);
    for (size_t i = 0; i < xml.len; i++) {
        if (xml.p[i] == '\n')
            rf_buf_u8(&crlf, '\r');
        rf_buf_u8(&crlf, xml.p[i]);
    }
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0),
                     0);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&crlf), VIEW("example.org"), &other, NULL, 0),
                     0);
    trust = trust_of(f.c, &f.mem.mem, conf);
    assert_int_equal(rf_conf_verify(conf, other, trust, VECTOR_MS), RF_ESIGNATURE);
    rf_trust_free(trust);
    rf_conf_release(conf);
    rf_conf_release(other);
    rf_buf_deinit(&xml);
    rf_buf_deinit(&crlf);
    fixture_deinit(&f);
}

/* What a test changes in a draft. */
struct change {
    struct rf_id *configuration_signers, *kind_signers;
    size_t configuration_signer_count, kind_signer_count;
    const char *overlay;
};

static void apply(struct rf_conf *draft, void *arg)
{
    const struct change *change = arg;

    draft->configuration_signers = change->configuration_signers;
    draft->configuration_signer_count = change->configuration_signer_count;
    draft->kind_signers = change->kind_signers;
    draft->kind_signer_count = change->kind_signer_count;
    if (change->overlay != NULL)
        draft->overlay = rf_view_str(change->overlay);
}

static const struct rf_kind_def one_kind = {.id = 0xf0000001,
                                            .model = RF_MODEL_SINGLE,
                                            .policy = RF_POLICY_USER_MATCH,
                                            .max_count = 1,
                                            .max_size = 100};

static void signers_need_the_right(void **state)
{
    struct rf_id other = {.len = 16, .b = {1, 2, 3}};
    struct rf_pki pki;
    struct rf_trust *trust;
    struct rf_conf *next, *orphan;
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    assert_int_equal(
        rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1, .mem = &mem.mem}), 0);
    struct rf_id *me = &pki.signer.node_id;
    struct change same = {me, me, 1, 1, NULL}, kind_by_other = {me, &other, 1, 1, NULL},
                  none = {NULL, NULL, 0, 0, NULL}, by_other = {&other, me, 1, 1, NULL};
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);

    assert_int_equal(rf_pki_document(&pki, 2, apply, &same, &next), 0);
    assert_int_equal(rf_conf_verify(pki.conf, next, trust, pki.wall_ms), 0);
    rf_conf_release(next);
    /* the signers that count are the current document's, those of Kinds the next one's */
    assert_int_equal(rf_pki_document(&pki, 2, apply, &by_other, &next), 0);
    assert_int_equal(rf_conf_verify(pki.conf, next, trust, pki.wall_ms), 0);
    assert_int_equal(rf_conf_verify(next, pki.conf, trust, pki.wall_ms), RF_EFORBIDDEN);
    assert_int_equal(rf_conf_verify(NULL, next, trust, pki.wall_ms), RF_EFORBIDDEN);
    rf_conf_release(next);
    assert_int_equal(rf_pki_document(&pki, 2, apply, &kind_by_other, &next), 0);
    assert_int_equal(rf_conf_verify(pki.conf, next, trust, pki.wall_ms), RF_EFORBIDDEN);
    rf_conf_release(next);
    /* a document that names nobody: good as the first one, but nothing can follow it */
    assert_int_equal(rf_pki_document(&pki, 2, apply, &none, &orphan), 0);
    assert_int_equal(rf_conf_verify(NULL, orphan, trust, pki.wall_ms), 0);
    assert_int_equal(rf_conf_verify(orphan, pki.conf, trust, pki.wall_ms), RF_EFORBIDDEN);
    rf_conf_release(orphan);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
    assert_int_equal(mem.live_count, 0);
}

/* edit_and_verify parses the current document with `from` replaced by `to` and verifies it. */
static int edit_and_verify(struct rf_pki *pki, struct rf_trust *trust, const char *from, const char *to)
{
    struct rf_buf xml;
    struct rf_conf *next;
    const uint8_t *at = memmem(pki->conf->xml.p, pki->conf->xml.len, from, strlen(from));
    int r;

    assert_non_null(at);
    rf_buf_init(&xml, pki->mem, 1 << 16);
    rf_buf_put(&xml, pki->conf->xml.p, (size_t)(at - pki->conf->xml.p));
    rf_buf_str(&xml, to);
    rf_buf_put(&xml, at + strlen(from), pki->conf->xml.len - (size_t)(at - pki->conf->xml.p) - strlen(from));
    r = rf_conf_parse(pki->crypto, pki->mem, rf_buf_view(&xml), pki->conf->overlay, &next, NULL, 0);
    assert_int_equal(r, 0);
    r = rf_conf_verify(pki->conf, next, trust, pki->wall_ms);
    rf_conf_release(next);
    rf_buf_deinit(&xml);
    return r;
}

static void edited_documents_do_not_verify(void **state)
{
    struct rf_pki pki;
    struct rf_trust *trust;
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1}), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_int_equal(edit_and_verify(&pki, trust, "<overlay ", "<overlay  "), 0); /* not signed */
    assert_int_equal(edit_and_verify(&pki, trust, "</configuration>\n", "</configuration> <!-- -->"), 0);
    assert_int_equal(edit_and_verify(&pki, trust, "</configuration>", "</configuration >"), RF_ESIGNATURE);
    assert_int_equal(edit_and_verify(&pki, trust, "<configuration ", "<configuration  "), RF_ESIGNATURE);
    assert_int_equal(edit_and_verify(&pki, trust, "sequence=\"1\"", "sequence=\"2\""), RF_ESIGNATURE);
    assert_int_equal(edit_and_verify(&pki, trust, "<initial-ttl>", "<!-- --><initial-ttl>"), RF_ESIGNATURE);
    assert_int_equal(edit_and_verify(&pki, trust, "<max-count>1<", "<max-count>2<"), RF_ESIGNATURE);
    assert_int_equal(edit_and_verify(&pki, trust, "<signature>", "<!-- <signature>--><signature>"), 0);
    /* a signature by nobody in front of the good one: the good one counts */
    assert_int_equal(edit_and_verify(&pki, trust, "<signature>", "<signature>QUFB</signature><signature>"),
                     0);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
}

static void documents_of_other_overlays_are_refused(void **state)
{
    struct rf_pki pki;
    struct rf_trust *trust;
    struct rf_conf *next;
    struct change change;
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org"}), 0);
    change = (struct change){&pki.signer.node_id, &pki.signer.node_id, 1, 1, "example.com"};
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_int_equal(rf_pki_document(&pki, 2, apply, &change, &next), 0);
    assert_int_equal(rf_conf_verify(pki.conf, next, trust, pki.wall_ms), RF_EMISMATCH);
    rf_conf_release(next);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
}

/* The vector config_update_kind is well-formed, but what stands for its signature is none. */
static void the_vectors_kind_block_is_not_signed(void **state)
{
    struct rf_config_update update;
    struct fixture f;
    struct rf_buf xml, bytes;
    struct rf_region region;
    struct rf_conf *conf, *more;
    struct rf_trust *trust;
    struct rf_message m;
    struct rf_frame frame;
    struct rf_view in;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&xml, &f.mem.mem, 1 << 16);
    rf_buf_init(&bytes, &f.mem.mem, 1 << 16);
    rf_region_init(&region, &f.mem.mem, 1 << 16);
    rf_vector_read("config.xml", &xml);
    rf_vector_read("config_update_kind", &bytes);
    in = rf_buf_view(&bytes);
    assert_int_equal(rf_frame_next(&in, 5000, &frame), 0);
    assert_int_equal(rf_message_decode(frame.message, 16, &m), 0);
    assert_int_equal(rf_config_update_decode(m.body, &region, &update), 0);
    assert_int_equal(update.kind_count, 1);
    assert_int_equal(rf_conf_parse(f.c, &f.mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0),
                     0);
    trust = trust_of(f.c, &f.mem.mem, conf);
    assert_int_equal(rf_conf_with_kinds(conf, f.c, trust, VECTOR_MS, update.kinds, 1, &more, NULL, 0),
                     RF_ESIGNATURE);
    rf_trust_free(trust);
    rf_conf_release(conf);
    rf_region_deinit(&region);
    rf_buf_deinit(&xml);
    rf_buf_deinit(&bytes);
    fixture_deinit(&f);
}

/* kind_block finds the <kind-block> of a document's only Kind. */
static struct rf_view kind_block(const struct rf_conf *conf)
{
    const uint8_t *begin = memmem(conf->xml.p, conf->xml.len, "<kind-block>", 12);
    const uint8_t *end = memmem(conf->xml.p, conf->xml.len, "</kind-block>", 13);

    assert_true(begin != NULL && end != NULL);
    return rf_view_of(begin, (size_t)(end + 13 - begin));
}

static void set_kind(struct rf_conf *draft, void *arg)
{
    draft->kinds = arg;
    draft->kind_count = 1;
}

#define ADD(blocks, count)                                                                                   \
    rf_conf_with_kinds(pki.conf, pki.crypto, trust, pki.wall_ms, blocks, count, &more, NULL, 0)

static void kind_blocks_are_added(void **state)
{
    static const char *patterns[] = {"a.*"};
    struct rf_kind_def changed = one_kind, other = one_kind;
    struct rf_pki pki;
    struct rf_conf *first, *second, *more, *most;
    struct rf_trust *trust;
    struct rf_view blocks[2];
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    changed.max_count = 50;
    other.id = 0xf0000009;
    other.domain_restricted = true;
    other.domain_patterns = patterns;
    other.domain_pattern_count = 1;
    assert_int_equal(
        rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1, .mem = &mem.mem}), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_int_equal(rf_pki_document(&pki, 2, set_kind, &changed, &first), 0);
    assert_int_equal(rf_pki_document(&pki, 2, set_kind, &other, &second), 0);
    blocks[0] = kind_block(first);
    blocks[1] = kind_block(second);
    assert_int_equal(ADD(blocks, 1), 0);
    assert_int_equal(more->kind_count, 1);
    assert_int_equal(rf_conf_kind(more, one_kind.id)->max_count, 50);
    assert_int_equal(rf_conf_kind(pki.conf, one_kind.id)->max_count, 1); /* stays as it is */
    assert_true(rf_view_equal(more->blob, pki.conf->blob));
    assert_int_equal(rf_conf_with_kinds(more, pki.crypto, trust, pki.wall_ms, &blocks[1], 1, &most, NULL, 0),
                     0);
    assert_int_equal(most->kind_count, 2);
    assert_int_equal(rf_conf_kind(most, one_kind.id)->max_count, 50);
    assert_string_equal(rf_conf_kind(most, other.id)->domain_patterns[0], "a.*");
    rf_conf_release(more);
    rf_conf_release(most);
    assert_int_equal(ADD(blocks, 2), 0);
    assert_int_equal(more->kind_count, 2);
    rf_conf_release(more);
    rf_conf_release(first);
    rf_conf_release(second);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
    assert_int_equal(mem.live_count, 0);
}

static void wrong_kind_blocks_change_nothing(void **state)
{
    static const char *const broken[] = {
        "",
        "x",
        "<kind-block/>",
        "<kind-block>",
        "</required-kinds><required-kinds>",
        "<kind-block/><kind-block/>",
        "<a:kind-block xmlns:a='urn:a'/>",
    };
    struct rf_id stranger = {.len = 16, .b = {9}};
    struct rf_pki pki;
    struct rf_conf *next, *more;
    struct rf_trust *trust;
    struct rf_view block;
    char bent[4096];
    (void)state;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1}), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        block = rf_view_str(broken[i]);
        assert_int_equal(ADD(&block, 1), RF_EFORMAT);
    }
    block = kind_block(pki.conf);
    snprintf(bent, sizeof(bent), "%.*s", (int)block.len, (const char *)block.p);
    strstr(bent, "<max-size>")[10] = '9';
    block = rf_view_str(bent);
    assert_int_equal(ADD(&block, 1), RF_ESIGNATURE);
    /* signed by somebody whom the current document does not name, and where it names nobody */
    struct change by_stranger = {&pki.signer.node_id, &stranger, 1, 1, NULL},
                  by_nobody = {&pki.signer.node_id, NULL, 1, 0, NULL};
    block = kind_block(pki.conf);
    assert_int_equal(rf_pki_document(&pki, 2, apply, &by_stranger, &next), 0);
    assert_int_equal(rf_conf_with_kinds(next, pki.crypto, trust, pki.wall_ms, &block, 1, &more, NULL, 0),
                     RF_EFORBIDDEN);
    rf_conf_release(next);
    assert_int_equal(rf_pki_document(&pki, 2, apply, &by_nobody, &next), 0);
    assert_int_equal(rf_conf_with_kinds(next, pki.crypto, trust, pki.wall_ms, &block, 1, &more, NULL, 0),
                     RF_EFORBIDDEN);
    rf_conf_release(next);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
}

/* Two nodes may sign Kinds: each its own. */
static void kinds_stay_with_their_signer(void **state)
{
    struct rf_kind_def changed = one_kind;
    struct rf_identity other, first;
    struct rf_id signers[2];
    struct rf_pki pki;
    struct rf_conf *conf, *theirs, *more;
    struct rf_trust *trust;
    struct rf_view block;
    (void)state;
    changed.max_count = 50;
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1}), 0);
    assert_int_equal(rf_pki_node(&pki, "other@example.org", NULL, RF_KEY_P256, &other), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    signers[0] = pki.signer.node_id;
    signers[1] = other.node_id;
    struct change both = {signers, signers, 2, 2, NULL}, only_other = {signers, &signers[1], 2, 1, NULL};
    assert_int_equal(rf_pki_document(&pki, 2, apply, &both, &conf), 0);
    first = pki.signer;
    pki.signer = other;
    pki.config.kinds = &changed;
    assert_int_equal(rf_pki_document(&pki, 3, apply, &both, &theirs), 0);
    pki.signer = first;
    block = kind_block(theirs);
    assert_int_equal(rf_conf_with_kinds(conf, pki.crypto, trust, pki.wall_ms, &block, 1, &more, NULL, 0),
                     RF_EFORBIDDEN);
    rf_conf_release(conf);
    /* where the first one has lost the right, the document itself is not good any more */
    pki.config.kinds = &one_kind;
    assert_int_equal(rf_pki_document(&pki, 2, apply, &only_other, &conf), 0);
    assert_int_equal(rf_conf_verify(conf, conf, trust, pki.wall_ms), RF_EFORBIDDEN);
    assert_int_equal(rf_conf_with_kinds(conf, pki.crypto, trust, pki.wall_ms, &block, 1, &more, NULL, 0), 0);
    assert_int_equal(rf_conf_kind(more, one_kind.id)->max_count, 50);
    rf_conf_release(more);
    rf_conf_release(conf);
    rf_conf_release(theirs);
    rf_identity_deinit(&other);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
}

/* What a document asks for and we lack is an error for who wants to use it, and told to who wants to know whether it is genuine. */
static void what_we_lack_is_told(void **state)
{
    static const struct {
        const char *elements, *unmet;
        bool verifies;
    } rows[] = {
        {"<mandatory-extension>urn:nobody:has</mandatory-extension>", "urn:nobody:has", true},
        {"<shared-secret>x</shared-secret>", "shared secret", true},
        {"<mandatory-extension>urn:a</mandatory-extension><shared-secret>x</shared-secret>", "urn:a", true},
        {"<required-kinds><kind-block><kind name='WEATHER'><max-count>1</max-count></kind></kind-block>"
         "<kind-block><kind name='TIDE'/></kind-block></required-kinds>",
         "WEATHER", false}, /* these blocks are not signed */
        {"<required-kinds><kind-block><kind id='4026531841'><data-model>TREE</data-model><access-control>"
         "USER-MATCH</access-control><max-count>1</max-count><max-size>9</max-size></kind></kind-block>"
         "</required-kinds>",
         "data model", false},
    };
    struct rf_pki pki;
    struct rf_trust *trust;
    struct rf_conf *conf;
    struct rf_mem_test mem;
    (void)state;
    rf_mem_test_init(&mem);
    assert_int_equal(rf_pki_init(&pki, &(struct rf_pki_config){.no_ice = true, .mem = &mem.mem}), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_null(pki.conf->unmet);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rf_buf xml;
        rf_buf_init(&xml, rf_mem_system(), 1 << 16);
        assert_int_equal(rf_pki_document_with(&pki, 2, rows[i].elements, &xml), 0);
        assert_int_equal(
            rf_conf_parse(pki.crypto, &mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0),
            RF_EUNSUPPORTED);
        assert_int_equal(
            rf_conf_examine(pki.crypto, &mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0), 0);
        if (conf->unmet == NULL || strstr(conf->unmet, rows[i].unmet) == NULL)
            fail_msg("row %zu: %s", i, conf->unmet != NULL ? conf->unmet : "nothing");
        assert_int_equal(rf_conf_verify(pki.conf, conf, trust, pki.wall_ms) == 0, rows[i].verifies);
        struct rf_view block = VIEW("<kind-block/>");
        struct rf_conf *kept; /* it cannot come into force by way of the Kinds either */
        assert_int_equal(rf_conf_keep_kinds(conf, pki.crypto, trust, pki.wall_ms, &block, 1, true, &kept),
                         RF_EUNSUPPORTED);
        rf_conf_release(conf);
        uint8_t *changed = memmem(xml.p, xml.len, "initial-ttl>100", 15); /* forged: not by the signer */
        assert_non_null(changed);
        changed[14] = '1';
        assert_int_equal(
            rf_conf_examine(pki.crypto, &mem.mem, rf_buf_view(&xml), VIEW("example.org"), &conf, NULL, 0), 0);
        assert_int_equal(rf_conf_verify(pki.conf, conf, trust, pki.wall_ms), RF_ESIGNATURE);
        rf_conf_release(conf);
        rf_buf_deinit(&xml);
    }
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
    assert_int_equal(mem.live_count, 0);
}

/* Of the Kinds of an earlier life those are kept that are still vouched for; an older document's give way to the new document. */
static void kinds_are_kept(void **state)
{
    struct rf_kind_def changed = one_kind, other = one_kind;
    struct rf_pki pki;
    struct rf_conf *first, *second, *kept;
    struct rf_trust *trust;
    struct rf_mem_test mem;
    char bent[4096];
    (void)state;
    rf_mem_test_init(&mem);
    changed.max_count = 50;
    other.id = 0xf0000009;
    assert_int_equal(
        rf_pki_init(&pki, &(struct rf_pki_config){.kinds = &one_kind, .kind_count = 1, .mem = &mem.mem}), 0);
    assert_int_equal(rf_pki_trust(&pki, 10, &trust), 0);
    assert_int_equal(rf_pki_document(&pki, 2, set_kind, &changed, &first), 0);
    assert_int_equal(rf_pki_document(&pki, 2, set_kind, &other, &second), 0);
    struct rf_view good = kind_block(second);
    snprintf(bent, sizeof(bent), "%.*s", (int)good.len, (const char *)good.p);
    strstr(bent, "<max-size>")[10] = '9';
    struct rf_view blocks[] = {VIEW("<kind-block/>"), rf_view_str(bent), kind_block(first), good, good};
    assert_int_equal(rf_conf_keep_kinds(pki.conf, pki.crypto, trust, pki.wall_ms, blocks, 5, true, &kept), 0);
    assert_int_equal(kept->kind_block_count, 2); /* one of each Kind */
    assert_int_equal(kept->kind_count, 2);
    assert_int_equal(rf_conf_kind(kept, one_kind.id)->max_count, 50);
    rf_conf_release(kept);
    assert_int_equal(rf_conf_keep_kinds(pki.conf, pki.crypto, trust, pki.wall_ms, blocks, 5, false, &kept),
                     0);
    assert_int_equal(kept->kind_block_count, 1);
    assert_int_equal(rf_conf_kind(kept, one_kind.id)->max_count, one_kind.max_count);
    assert_non_null(rf_conf_kind(kept, other.id));
    rf_conf_release(kept);
    /* nobody may sign Kinds any more */
    struct change by_nobody = {&pki.signer.node_id, NULL, 1, 0, NULL};
    struct rf_conf *without;
    assert_int_equal(rf_pki_document(&pki, 3, apply, &by_nobody, &without), 0);
    assert_int_equal(rf_conf_keep_kinds(without, pki.crypto, trust, pki.wall_ms, blocks, 5, true, &kept), 0);
    assert_int_equal(kept->kind_block_count, 0);
    rf_conf_release(kept);
    rf_conf_release(without);
    rf_conf_release(first);
    rf_conf_release(second);
    rf_trust_free(trust);
    rf_pki_deinit(&pki);
    assert_int_equal(mem.live_count, 0);
}

int test_conf_verify(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_document_verifies),
        cmocka_unit_test(line_ends_are_signed_too),
        cmocka_unit_test(signers_need_the_right),
        cmocka_unit_test(edited_documents_do_not_verify),
        cmocka_unit_test(documents_of_other_overlays_are_refused),
        cmocka_unit_test(the_vectors_kind_block_is_not_signed),
        cmocka_unit_test(kind_blocks_are_added),
        cmocka_unit_test(wrong_kind_blocks_change_nothing),
        cmocka_unit_test(what_we_lack_is_told),
        cmocka_unit_test(kinds_are_kept),
        cmocka_unit_test(kinds_stay_with_their_signer),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
