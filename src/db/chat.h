/* chat.h - opens the disk below a member's conversations (chat/keep.h), encrypted at rest (docs/decisions/0029-history-at-rest.md). */
#ifndef RF_DB_CHAT_H
#define RF_DB_CHAT_H

#include "base/rng.h"
#include "chat/keep.h"
#include "crypto/crypto.h"

#define RF_CHAT_KEY_LEN 32

/*
 * rf_chat_sqlite_open opens or creates the SQLite database at `path` (WAL, synchronous=FULL, only its owner may read it).
 * crypto  borrowed; used by whoever calls the store, so it must be of one thread with it
 * rng     for secrets, borrowed, as crypto
 * key     copied, wiped on close; the database opens with the key that it was made with only
 * error_text: on failure one sentence of at most error_text_len bytes with NUL, with what to do about it; may be NULL.
 * Errors: RF_EDATABASE cannot be opened, is damaged, or is no database of ours; RF_EVERSION written by a newer program; RF_EAUTH made with another key; RF_EFORBIDDEN the
 * file is another user's; RF_EBUSY another process has it open; RF_ENOMEM; RF_ECRYPTO.
 */
int rf_chat_sqlite_open(struct rf_mem *mem, struct rf_crypto *crypto, struct rf_rng *rng, const char *path,
                        const uint8_t key[RF_CHAT_KEY_LEN], struct rf_keep_store **out, char *error_text,
                        size_t error_text_len);

#endif
