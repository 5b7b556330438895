/* frame.h - PublicMessage and PrivateMessage around a signed content (RFC 9420, section 6). */
#ifndef RF_MLS_FRAME_H
#define RF_MLS_FRAME_H

#include "mls/epoch.h"

/* A content with its signature: what is hashed, whatever frame it came in. */
struct mls_frame {
    uint16_t wire_format;
    struct mls_content content; /* into the message, or into bytes */
    struct mls_auth auth;
    uint32_t generation; /* private */
    struct rf_buf bytes; /* of a private message, rebuilt; to be freed */
    bool own;            /* private: our leaf sent it, so we said; nothing was opened */
};
void mls_frame_deinit(struct mls_frame *frame);

/* mls_frame_open_public checks tag and signature. Errors: RF_EFORBIDDEN what this sender may not send; RF_ENOTFOUND no such sender; RF_EAUTH membership tag;
 * RF_ESIGNATURE; RF_EFORMAT. The frame's views point into the message. Sections 6.1, 6.2. */
int mls_frame_open_public(const struct mls_kit *kit, const struct mls_epoch *epoch,
                          const struct mls_message *message, struct mls_frame *out);
/* mls_frame_open_private opens and checks; the key's generation is used up by mls_frame_accept, not before. Errors: RF_EAUTH, RF_EFORMAT, RF_ENOTFOUND a leaf
 * that is blank or forgotten, RF_EDUPLICATE, RF_ELIMIT, RF_ESIGNATURE, RF_ENOMEM, RF_ECRYPTO. Section 6.3. */
int mls_frame_open_private(const struct mls_kit *kit, const struct mls_epoch *epoch,
                           const struct mls_private *message, struct mls_frame *out);
int mls_frame_accept(const struct mls_kit *kit, struct mls_epoch *epoch, const struct mls_frame *frame);
/* mls_frame_ref: the ProposalRef of a proposal in this frame. */
int mls_frame_ref(const struct mls_kit *kit, const struct mls_frame *frame, uint8_t out[MLS_HASH_LEN]);

/*
 * mls_frame_sign makes a frame of ours.
 * content   its `whole` is set here; its other views stay borrowed
 * Errors: RF_ENOMEM, RF_ECRYPTO.
 */
int mls_frame_sign(const struct mls_kit *kit, const struct mls_epoch *epoch, const struct rf_key *key,
                   const struct mls_content *content, uint16_t wire_format, struct mls_frame *out);
/* mls_frame_put appends the frame as an MLSMessage; the tag of a commit is in frame->auth. A private one takes the next generation of our ratchet. `pad_to` as in
 * rf_mls_encrypt. */
int mls_frame_put(const struct mls_kit *kit, struct mls_epoch *epoch, struct mls_frame *frame, size_t pad_to,
                  struct rf_buf *out);

#endif
