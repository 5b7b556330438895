/*
 * keep_words.h - words of texts, and a search for them (rf_keep_query.words), for every store. Where words begin and end and which letters are the same is the splitter's
 * business; scripts without blanks between words are taken letter by letter here.
 */
#ifndef RF_CHAT_KEEP_WORDS_H
#define RF_CHAT_KEEP_WORDS_H

#include "chat/keep.h"

#define RF_KEEP_WORD_LEN 64 /* bytes that are looked at of a word */

/* The words of one text, in order. */
struct rf_keep_words {
    struct rf_buf bytes; /* each word: length u8, bytes */
    size_t count;
};
void rf_keep_words_init(struct rf_keep_words *words, struct rf_mem *mem);
void rf_keep_words_deinit(struct rf_keep_words *words);
/* rf_keep_words_add appends what a splitter found between two blanks: a word, or several in a script without blanks. Errors stay in bytes. */
void rf_keep_words_add(struct rf_keep_words *words, struct rf_view run);
/* rf_keep_words_next takes the next word off a list's bytes; false: there is none. */
bool rf_keep_words_next(struct rf_view *list, struct rf_view *word);
/* rf_keep_word_beginning: the first `letters` letters of a word; empty: it has fewer. */
struct rf_view rf_keep_word_beginning(struct rf_view word, size_t letters);

/* A splitter adds the words of a text. Errors: RF_ENOMEM. */
typedef int (*rf_keep_split_fn)(void *ctx, struct rf_view text, struct rf_keep_words *out);

/* A search, understood. */
struct rf_keep_term {
    struct rf_keep_words words; /* side by side */
    bool prefix;                /* of the last one the beginning */
    bool without;               /* must not be there */
};
struct rf_keep_search {
    struct rf_keep_term terms[RF_KEEP_MAX_WORDS];
    size_t count;
};
/* rf_keep_search_parse reads what a person typed. rf_keep_search_deinit is due in any case. Errors: RF_EINVAL nothing to look for, or too much; RF_ENOMEM. */
int rf_keep_search_parse(struct rf_mem *mem, rf_keep_split_fn split, void *ctx, struct rf_view text,
                         struct rf_keep_search *out);
void rf_keep_search_deinit(struct rf_keep_search *search);
/* rf_keep_search_holds: is it true of a text with these words? */
bool rf_keep_search_holds(const struct rf_keep_search *search, const struct rf_keep_words *text);

#endif
