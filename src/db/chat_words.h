/*
 * chat_words.h - the words of a text, and what stands for them in the index: truncated keyed hashes, so that the index holds no words.
 *
 * Words are what SQLite's tokenizer unicode61 makes of a text: runs of letters and digits, in lower case, without accents. Scripts without blanks between words
 * are taken letter by letter. Of a word its beginnings of some lengths are indexed, too.
 */
#ifndef RF_DB_CHAT_WORDS_H
#define RF_DB_CHAT_WORDS_H

#include <sqlite3.h>
#include "chat/keep_words.h"
#include "crypto/crypto.h"

#define WORDS_MAX      4096 /* of a text that are indexed */
#define WORD_CACHE_LEN 2048 /* hashes of words that are remembered */

struct chat_words {
    struct rf_mem *mem; /* wipes */
    struct rf_crypto *crypto;
    uint8_t key[RF_SHA256_LEN];
    fts5_tokenizer methods;
    Fts5Tokenizer *tokenizer;
    struct word_cached *cache; /* WORD_CACHE_LEN of them */
    uint64_t seed[2];
};

/* chat_words_init finds the tokenizer. Returns SQLite's result. `mem` wipes what it frees. */
int chat_words_init(struct chat_words *w, struct rf_mem *mem, struct rf_crypto *crypto, sqlite3 *db,
                    const uint8_t key[RF_SHA256_LEN]);
void chat_words_deinit(struct chat_words *w);

/* chat_words_split appends the words of `text` (rf_keep_split_fn); words: a struct chat_words. Errors: RF_ENOMEM. */
int chat_words_split(void *words, struct rf_view text, struct rf_keep_words *out);

/* chat_words_tokens appends what the index is told about a text in a conversation: names of 8 letters with blanks between. Always the same for the same text.
 * Errors: RF_ENOMEM, RF_ECRYPTO. */
int chat_words_tokens(struct chat_words *w, const uint8_t conversation[RF_KEEP_CONVERSATION_LEN],
                      struct rf_view text, struct rf_buf *out);

/* chat_words_match appends the expression for the index; nothing: the index cannot help, everything is to be looked at. conversation NULL: all. Errors: RF_ENOMEM, RF_ECRYPTO. */
int chat_words_match(struct chat_words *w, const struct rf_keep_search *search, const uint8_t *conversation,
                     struct rf_buf *out);

#endif
