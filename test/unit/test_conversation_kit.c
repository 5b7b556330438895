/* test_conversation_kit.c - see test_conversation.h. */
#include "test_conversation.h"

struct sn_net net;
struct conversation cv;

static const struct {
    const char *user, *id;
} who[CV_NODES] = {
    {"p10@example.org", "10"},     {"p40@example.org", "40"}, {"p80@example.org", "80"},
    {"pc0@example.org", "c0"},     {"pe0@example.org", "e0"}, {"alice@example.org", "a1"},
    {"alice@example.org", "a2"},   {"bob@example.org", "b0"}, {"carol@example.org", "ca"},
    {"mallory@example.org", "ba"},
};

/* What node/ does with exp_a. */
static void on_exp_a(void *arg, struct rf_request *request)
{
    struct sn_node *n = arg;
    if (!rf_store_watch_request(n->store, request))
        rf_overlay_refuse_text(n->overlay, request, RF_ERROR_INVALID_MESSAGE, "not known here");
}

void cv_start_node(struct sn_node *n)
{
    assert_int_equal(rf_chatlog_kinds(n->store), 0);
    assert_int_equal(rf_overlay_handle(n->overlay, RF_CODE_EXP_A_REQ, on_exp_a, n), 0);
}

void conversation_setup_with(const struct rf_kind_def *kinds, size_t kind_count,
                             void (*tweak)(struct rf_store_config *config))
{
    sn_init(&net, kinds, kind_count);
    for (size_t i = 0; i < CV_NODES; i++) {
        sn_add(&net, who[i].user, who[i].id, i < PEERS, tweak);
        cv_start_node(cv_node(i));
    }
    sn_ring_changed(&net, NULL, NULL);
    cv = (struct conversation){.sequence = 0};
    for (size_t i = 0; i < sizeof(cv.nonce); i++)
        cv.nonce[i] = (uint8_t)(7 * i + 1);
    assert_int_equal(rf_conversation_id(net.pki.crypto, rf_view_of(cv.nonce, sizeof(cv.nonce)),
                                        rf_view_str(who[ALICE].user), cv.id),
                     0);
    assert_int_equal(rf_conversation_resource(net.pki.crypto, cv.id, net.pki.conf->id_len, &cv.resource), 0);
}

int conversation_setup(void **state)
{
    (void)state;
    conversation_setup_with(NULL, 0, NULL);
    return 0;
}

int conversation_teardown(void **state)
{
    (void)state;
    sn_deinit(&net);
    return 0;
}

struct sn_node *cv_node(size_t number)
{
    return &net.nodes[number];
}

const struct rf_store_counters *cv_counters(size_t number)
{
    return rf_store_counters(cv_node(number)->store);
}

size_t cv_home(void)
{
    return sn_owner(&net, &cv.resource, 0)->number;
}

void cv_restart(size_t number)
{
    sn_restart(cv_node(number));
    cv_start_node(cv_node(number));
}

void cv_side(int side, const size_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cv_node(numbers[i])->side = side;
    sn_ring_changed(&net, NULL, NULL);
}

static int compare_tags(const void *a, const void *b)
{
    return memcmp(a, b, RF_ROSTER_TAG_LEN);
}

static struct rf_view tags_of(const struct conversation *c, const size_t *numbers, uint8_t *out)
{
    size_t count = 0;
    for (; numbers[count] != CV_NODES; count++)
        assert_int_equal(rf_conversation_tag(net.pki.crypto, c->id, rf_view_str(who[numbers[count]].user),
                                             out + count * RF_ROSTER_TAG_LEN),
                         0);
    qsort(out, count, RF_ROSTER_TAG_LEN, compare_tags);
    return rf_view_of(out, count * RF_ROSTER_TAG_LEN);
}

size_t cv_roster(const struct conversation *c, const char *creator, uint32_t sequence, struct rf_view before,
                 const size_t *admins, const size_t *members, uint8_t *out, size_t out_len)
{
    uint8_t admin_tags[256], member_tags[256], hash[RF_SHA256_LEN] = {0};
    if (before.len > 0)
        assert_int_equal(net.pki.crypto->ops->hash(net.pki.crypto, RF_HASH_SHA256, &before, 1, hash), 0);
    struct rf_roster roster = {
        .nonce = rf_view_of(c->nonce, sizeof(c->nonce)),
        .creator = rf_view_str(creator),
        .sequence = sequence,
        .previous = rf_view_of(hash, sizeof(hash)),
        .admins = tags_of(c, admins, admin_tags),
        .members = tags_of(c, members, member_tags),
    };
    struct rf_buf buf;
    rf_buf_fixed(&buf, out, out_len);
    rf_roster_encode(&roster, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    return buf.len;
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct cv_heard *heard = arg;
    assert_false(heard->done);
    *heard = (struct cv_heard){.done = true, .error = result->error, .code = result->error_code};
}

void cv_wait(const struct cv_heard *heard, size_t count)
{
    for (int i = 0; i < 6000; i++) {
        size_t done = 0;
        for (size_t k = 0; k < count; k++)
            done += heard[k].done;
        if (done == count)
            return;
        sn_run(&net, 10000);
    }
    fail_msg("not answered within 60 s");
}

uint16_t cv_store(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  bool exists, struct rf_view value, uint32_t lifetime_s)
{
    struct cv_heard heard = {.done = false};
    struct sn_node *n = cv_node(writer);
    int error = rf_store_client_store(n->store, &n->identity, resource, kind, slot, exists, value, lifetime_s,
                                      on_stored, &heard);
    assert_int_equal(error, 0);
    cv_wait(&heard, 1);
    assert_true(heard.error == 0 || heard.error == RF_EREMOTE);
    return heard.error == 0 ? 0 : heard.code;
}

uint16_t cv_change(size_t writer, const size_t *admins, const size_t *members)
{
    uint8_t bytes[sizeof(cv.roster)];
    uint32_t sequence = cv.roster_len > 0 ? cv.sequence + 1 : 0;
    size_t len = cv_roster(&cv, who[ALICE].user, sequence, rf_view_of(cv.roster, cv.roster_len), admins,
                           members, bytes, sizeof(bytes));
    uint16_t code = cv_store(writer, &cv.resource, RF_KIND_ROSTER, rf_view_of(NULL, 0), true,
                             rf_view_of(bytes, len), 86400);
    if (code == 0) {
        memcpy(cv.roster, bytes, len);
        cv.roster_len = len;
        cv.sequence = sequence;
    }
    return code;
}

void cv_start(size_t writer, uint64_t sequence, const char *text, struct cv_heard *heard)
{
    static uint8_t bytes[50000];
    struct rf_entry entry = {.sequence = sequence, .content = rf_view_str(text)};
    struct sn_node *n = cv_node(writer);
    struct rf_buf buf;
    *heard = (struct cv_heard){.done = false};
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_entry_encode(&entry, &buf);
    assert_int_equal(rf_store_client_store(n->store, &n->identity, &cv.resource, RF_KIND_LOG,
                                           rf_view_of("\xff\xff\xff\xff", 4), true, rf_buf_view(&buf), 86400,
                                           on_stored, heard),
                     0);
}

uint16_t cv_append(size_t writer, uint64_t sequence, const char *text)
{
    struct cv_heard heard;
    cv_start(writer, sequence, text, &heard);
    cv_wait(&heard, 1);
    return heard.error == 0 ? 0 : heard.code;
}

const char *cv_log(size_t at)
{
    static char texts[4][1 << 16];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    size_t len = 0;
    const struct store_set *set =
        store_index_set(&cv_node(at)->store->index, rf_id_view(&cv.resource), RF_KIND_LOG);
    text[0] = '\0';
    for (struct store_value *v = set != NULL ? store_value_next(set, NULL) : NULL; v != NULL;
         v = store_value_next(set, v)) {
        struct rf_view slot = store_value_slot(v);
        uint32_t index = 0;
        struct rf_entry entry;
        assert_int_equal(rf_view_u32(&slot, &index), 0);
        assert_int_equal(rf_entry_decode(store_value_content(v), &entry), 0);
        size_t shown = entry.content.len < 32 ? entry.content.len : 32;
        len += (size_t)snprintf(text + len, sizeof(texts[0]) - len, "%s%u=%.*s", len > 0 ? " " : "", index,
                                (int)shown, (const char *)entry.content.p);
        assert_true(len < sizeof(texts[0]));
    }
    return text;
}

size_t cv_count(const char *text, const char *what)
{
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}
