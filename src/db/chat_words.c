/* chat_words.c - splits texts into words and turns words into keyed hashes. */
#include "db/chat_words.h"

#include <stdlib.h>

/* Beginnings that are indexed, in letters. One of another length is found by the next shorter one, and then looked at. */
static const uint8_t prefix_lens[] = {3, 5};

enum word_kind { WORD_WHOLE = 'w', WORD_PREFIX = 'p', WORD_CONVERSATION = 'c' };

struct word_cached {
    uint8_t len; /* of bytes, kind first; 0: nothing here */
    uint8_t bytes[RF_KEEP_WORD_LEN + 1];
    uint64_t hash;
};

int chat_words_init(struct chat_words *w, struct rf_mem *mem, struct rf_crypto *crypto, sqlite3 *db,
                    const uint8_t key[RF_SHA256_LEN])
{
    static const char *options[] = {"remove_diacritics", "2"};
    sqlite3_stmt *st = NULL;
    fts5_api *api = NULL;
    void *ctx = NULL;

    memset(w, 0, sizeof(*w));
    w->mem = mem;
    w->crypto = crypto;
    memcpy(w->key, key, sizeof(w->key));
    memcpy(w->seed, key, sizeof(w->seed));
    if ((w->cache = rf_zalloc(mem, WORD_CACHE_LEN * sizeof(w->cache[0]))) == NULL)
        return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_pointer(st, 1, (void *)&api, "fts5_api_ptr", NULL);
        (void)sqlite3_step(st);
        rc = sqlite3_finalize(st);
    }
    if (rc == SQLITE_OK)
        rc = api != NULL ? api->xFindTokenizer(api, "unicode61", &ctx, &w->methods) : SQLITE_ERROR;
    if (rc == SQLITE_OK)
        rc = w->methods.xCreate(ctx, options, 2, &w->tokenizer);
    return rc;
}

void chat_words_deinit(struct chat_words *w)
{
    if (w->tokenizer != NULL)
        w->methods.xDelete(w->tokenizer);
    rf_free(w->mem, w->cache);
    rf_wipe(w, sizeof(*w));
}

/* ---- splitting ---- */

static int on_token(void *ctx, int flags, const char *text, int text_len, int from, int to)
{
    struct rf_keep_words *list = ctx;

    (void)flags;
    (void)from;
    (void)to;
    rf_keep_words_add(list, rf_view_of(text, (size_t)text_len));
    return rf_buf_error(&list->bytes) == 0 ? SQLITE_OK : SQLITE_NOMEM;
}

int chat_words_split(void *words, struct rf_view text, struct rf_keep_words *out)
{
    struct chat_words *w = words;

    if (text.len == 0)
        return 0;
    int rc = w->methods.xTokenize(w->tokenizer, out, FTS5_TOKENIZE_DOCUMENT, (const char *)text.p,
                                  (int)text.len, on_token);
    return rc == SQLITE_OK ? rf_buf_error(&out->bytes) : RF_ENOMEM;
}

/* ---- hashes ---- */

/* 40 bits of an HMAC of the kind and the bytes. */
static int hash_word(struct chat_words *w, enum word_kind kind, struct rf_view word, uint64_t *out)
{
    uint8_t text[RF_KEEP_WORD_LEN + 1], mac[RF_SHA256_LEN];
    struct rf_view input = rf_view_of(text, word.len + 1);

    RF_ASSERT(word.len <= RF_KEEP_WORD_LEN);
    text[0] = (uint8_t)kind;
    memcpy(text + 1, word.p, word.len);
    struct word_cached *c = &w->cache[rf_hash64(w->seed, input) % WORD_CACHE_LEN];
    if (c->len != input.len || memcmp(c->bytes, text, input.len) != 0) {
        int r = w->crypto->ops->hmac(w->crypto, RF_HASH_SHA256, rf_view_of(w->key, sizeof(w->key)), &input, 1,
                                     mac);
        if (r != 0)
            return r;
        c->len = (uint8_t)input.len;
        memcpy(c->bytes, text, input.len);
        c->hash = 0;
        for (size_t i = 0; i < 5; i++)
            c->hash = c->hash << 8 | mac[i];
    }
    *out = c->hash;
    return 0;
}

static void put_token(struct rf_buf *out, uint64_t hash)
{
    char text[8];

    for (int i = 7; i >= 0; i--, hash >>= 5)
        text[i] = "abcdefghijklmnopqrstuvwxyz234567"[hash & 31];
    rf_buf_put(out, text, sizeof(text));
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* The hashes of a text's words and their beginnings, in any order, some perhaps twice. */
static int hash_text(struct chat_words *w, struct rf_view words, uint64_t *hashes, size_t *count)
{
    struct rf_view word, part;
    int r = 0;

    for (size_t i = 0; i < WORDS_MAX && r == 0 && rf_keep_words_next(&words, &word); i++) {
        r = hash_word(w, WORD_WHOLE, word, &hashes[(*count)++]);
        for (size_t k = 0; k < RF_COUNT(prefix_lens) && r == 0; k++) {
            part = rf_keep_word_beginning(word, prefix_lens[k]);
            if (part.len == 0)
                break;
            r = hash_word(w, WORD_PREFIX, part, &hashes[(*count)++]);
        }
    }
    return r;
}

int chat_words_tokens(struct chat_words *w, const uint8_t conversation[RF_KEEP_CONVERSATION_LEN],
                      struct rf_view text, struct rf_buf *out)
{
    struct rf_keep_words list = {.count = 0};
    uint64_t *hashes = NULL;
    size_t count = 1, cap;

    rf_buf_init(&list.bytes, w->mem, SIZE_MAX);
    int r = chat_words_split(w, text, &list);
    cap = 1 + (list.count < WORDS_MAX ? list.count : WORDS_MAX) * (1 + RF_COUNT(prefix_lens));
    if (r == 0 && (hashes = rf_alloc(w->mem, cap * sizeof(hashes[0]))) == NULL)
        r = RF_ENOMEM;
    if (r == 0)
        r = hash_word(w, WORD_CONVERSATION, rf_view_of(conversation, RF_KEEP_CONVERSATION_LEN), &hashes[0]);
    if (r == 0)
        r = hash_text(w, rf_buf_view(&list.bytes), hashes, &count);
    if (r == 0) {
        qsort(hashes, count, sizeof(hashes[0]), by_number);
        for (size_t i = 0; i < count; i++)
            if (i == 0 || hashes[i] != hashes[i - 1]) {
                put_token(out, hashes[i]);
                rf_buf_u8(out, ' ');
            }
        r = rf_buf_error(out);
    }
    rf_free(w->mem, hashes);
    rf_buf_deinit(&list.bytes);
    return r;
}

/* ---- searching ---- */

/* Appends what stands for the words of a term; of a beginning the longest that is indexed, or nothing. */
static int match_term(struct chat_words *w, const struct rf_keep_term *term, size_t *count,
                      struct rf_buf *out)
{
    struct rf_view list = rf_buf_view(&term->words.bytes), word;
    uint64_t hash;
    int r = 0;

    for (size_t i = 0; r == 0 && rf_keep_words_next(&list, &word); i++) {
        enum word_kind kind = WORD_WHOLE;
        if (term->prefix && i + 1 == term->words.count) {
            size_t k = RF_COUNT(prefix_lens);
            struct rf_view part = rf_view_of(NULL, 0);
            while (k > 0 && part.len == 0)
                part = rf_keep_word_beginning(word, prefix_lens[--k]);
            if (part.len == 0)
                break;
            kind = WORD_PREFIX;
            word = part;
        }
        if ((r = hash_word(w, kind, word, &hash)) == 0) {
            put_token(out, hash);
            rf_buf_u8(out, ' ');
            (*count)++;
        }
    }
    return r;
}

int chat_words_match(struct chat_words *w, const struct rf_keep_search *q, const uint8_t *conversation,
                     struct rf_buf *out)
{
    size_t count = 0, before = out->len;
    uint64_t hash;
    int r = 0;

    for (size_t i = 0; i < q->count && r == 0; i++)
        if (!q->terms[i].without)
            r = match_term(w, &q->terms[i], &count, out);
    if (r != 0 || count == 0) {
        out->len = before;
        return r;
    }
    if (conversation != NULL) {
        if ((r = hash_word(w, WORD_CONVERSATION, rf_view_of(conversation, RF_KEEP_CONVERSATION_LEN),
                           &hash)) != 0)
            return r;
        put_token(out, hash);
    }
    return rf_buf_error(out);
}
