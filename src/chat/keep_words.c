/* keep_words.c - splits runs of letters into words, reads searches, and says whether a text is what is looked for. */
#include "chat/keep_words.h"

#include "base/assert.h"

void rf_keep_words_init(struct rf_keep_words *words, struct rf_mem *mem)
{
    rf_buf_init(&words->bytes, mem, SIZE_MAX);
    words->count = 0;
}

void rf_keep_words_deinit(struct rf_keep_words *words)
{
    rf_buf_deinit(&words->bytes);
    words->count = 0;
}

/* ---- words ---- */

/* A letter at `p`, of at most `left` bytes: its length and number. Bytes that are no UTF-8 count as letters. */
static size_t letter(const uint8_t *p, size_t left, uint32_t *out)
{
    static const uint8_t first_bits[] = {0x7f, 0x1f, 0x0f, 0x07};
    size_t len = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (len > left)
        len = left;
    *out = p[0] & first_bits[len - 1];
    for (size_t i = 1; i < len; i++)
        *out = *out << 6 | (p[i] & 0x3f);
    return len;
}

/* Letters of scripts that are written without blanks: Thai, Lao, Burmese, Khmer, Japanese, Chinese. */
static bool stands_alone(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x0e00, 0x0eff}, {0x1000, 0x109f}, {0x1780, 0x17ff}, {0x3040, 0x30ff},  {0x31f0, 0x31ff},
                  {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x3ffff}};

    for (size_t i = 0; i < RF_COUNT(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* The first RF_KEEP_WORD_LEN bytes at most, whole letters. */
static size_t cut(const uint8_t *p, size_t len)
{
    size_t at = 0, n;
    uint32_t c;

    if (len <= RF_KEEP_WORD_LEN)
        return len;
    while (at + (n = letter(p + at, len - at, &c)) <= RF_KEEP_WORD_LEN)
        at += n;
    return at;
}

static void add_word(struct rf_keep_words *list, const uint8_t *p, size_t len)
{
    if (len == 0)
        return;
    len = cut(p, len);
    rf_buf_u8(&list->bytes, (uint8_t)len);
    rf_buf_put(&list->bytes, p, len);
    list->count++;
}

void rf_keep_words_add(struct rf_keep_words *words, struct rf_view run)
{
    size_t begin = 0, n;
    uint32_t c;

    for (size_t at = 0; at < run.len; at += n) {
        n = letter(run.p + at, run.len - at, &c);
        if (!stands_alone(c))
            continue;
        add_word(words, run.p + begin, at - begin);
        add_word(words, run.p + at, n);
        begin = at + n;
    }
    add_word(words, run.p + begin, run.len - begin);
}

bool rf_keep_words_next(struct rf_view *list, struct rf_view *word)
{
    return list->len > 0 && rf_view_v(list, 1, word) == 0;
}

struct rf_view rf_keep_word_beginning(struct rf_view word, size_t letters)
{
    size_t at = 0;
    uint32_t c;

    for (; letters > 0 && at < word.len; letters--)
        at += letter(word.p + at, word.len - at, &c);
    return rf_view_of(word.p, letters == 0 ? at : 0);
}

/* ---- searching ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next term as typed: its text, without minus, quotes and star. */
static bool next_term(struct rf_view *in, struct rf_view *text, struct rf_keep_term *term)
{
    size_t end = 0;

    while (in->len > 0 && is_blank(in->p[0]))
        *in = rf_view_of(in->p + 1, in->len - 1);
    if (in->len == 0)
        return false;
    term->without = in->p[0] == '-';
    if (term->without)
        *in = rf_view_of(in->p + 1, in->len - 1);
    bool quoted = in->len > 0 && in->p[0] == '"';
    if (quoted)
        *in = rf_view_of(in->p + 1, in->len - 1);
    while (end < in->len && (quoted ? in->p[end] != '"' : !is_blank(in->p[end])))
        end++;
    *text = rf_view_of(in->p, end);
    end += quoted && end < in->len;
    *in = rf_view_of(in->p + end, in->len - end);
    if (quoted && in->len > 0 && in->p[0] == '*') {
        term->prefix = true;
        *in = rf_view_of(in->p + 1, in->len - 1);
    } else {
        term->prefix = !quoted && text->len > 0 && text->p[text->len - 1] == '*';
    }
    return true;
}

/* Is the last word a letter of its own, which has no further beginning? */
static bool ends_alone(const struct rf_keep_words *list)
{
    struct rf_view rest = rf_buf_view(&list->bytes), word = {NULL, 0};
    uint32_t c;

    while (rf_keep_words_next(&rest, &word))
        ;
    return word.len > 0 && letter(word.p, word.len, &c) == word.len && stands_alone(c);
}

int rf_keep_search_parse(struct rf_mem *mem, rf_keep_split_fn split, void *ctx, struct rf_view text,
                         struct rf_keep_search *out)
{
    struct rf_view part;
    struct rf_keep_term term;
    size_t words = 0, wanted = 0;
    int r = 0;

    memset(out, 0, sizeof(*out));
    if (text.len > RF_KEEP_MAX_TEXT)
        return RF_EINVAL;
    memset(&term, 0, sizeof(term));
    while (r == 0 && next_term(&text, &part, &term)) {
        rf_keep_words_init(&term.words, mem);
        r = split(ctx, part, &term.words);
        words += term.words.count;
        if (r == 0 && words > RF_KEEP_MAX_WORDS)
            r = RF_EINVAL;
        if (r == 0 && term.words.count > 0) {
            term.prefix = term.prefix && !ends_alone(&term.words);
            out->terms[out->count++] = term;
            wanted += !term.without;
        } else {
            rf_keep_words_deinit(&term.words);
        }
    }
    return r == 0 && wanted == 0 ? RF_EINVAL : r;
}

void rf_keep_search_deinit(struct rf_keep_search *search)
{
    for (size_t i = 0; i < search->count; i++)
        rf_keep_words_deinit(&search->terms[i].words);
    search->count = 0;
}

/* Do the term's words stand at the beginning of `text`? */
static bool stands_here(const struct rf_keep_term *term, struct rf_view text)
{
    struct rf_view list = rf_buf_view(&term->words.bytes), want, have;

    for (size_t i = 1; rf_keep_words_next(&list, &want); i++) {
        if (!rf_keep_words_next(&text, &have))
            return false;
        if (term->prefix && i == term->words.count && have.len > want.len)
            have.len = want.len;
        if (!rf_view_equal(want, have))
            return false;
    }
    return true;
}

bool rf_keep_search_holds(const struct rf_keep_search *search, const struct rf_keep_words *text)
{
    for (size_t i = 0; i < search->count; i++) {
        struct rf_view rest = rf_buf_view(&text->bytes), word;
        bool found = false;
        while (!found && rest.len > 0) {
            found = stands_here(&search->terms[i], rest);
            (void)rf_keep_words_next(&rest, &word);
        }
        if (found == search->terms[i].without)
            return false;
    }
    return true;
}
