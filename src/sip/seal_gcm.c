/*
 * seal_gcm.c - a cipher type of libsrtp. For a packet libsrtp calls set_iv, set_aad once or more, then encrypt and get_tag, or decrypt; what it hands to set_aad stays
 * where it is until then.
 */
#include "sip/seal_gcm.h"
#include <gnutls/crypto.h>
#include <srtp2/cipher.h>
#include <srtp2/srtp.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"

#define KEY_LEN      16
#define KEY_SALT_LEN 28 /* the salt goes into the IV, which libsrtp makes */
#define IV_LEN       12
#define TAG_LEN      16
#define AAD_MAX      4

struct gcm {
    gnutls_aead_cipher_hd_t cipher; /* NULL: no key yet */
    size_t tag_len;                 /* 16, or 8, which only libsrtp's own tests want */
    uint8_t iv[IV_LEN], tag[TAG_LEN];
    giovec_t aad[AAD_MAX]; /* borrowed */
    int aad_count;
};

static srtp_err_status_t gcm_alloc(srtp_cipher_pointer_t *out, int key_len, int tag_len);

static srtp_err_status_t gcm_dealloc(srtp_cipher_pointer_t c)
{
    struct gcm *gcm = c->state;
    if (gcm->cipher != NULL)
        gnutls_aead_cipher_deinit(gcm->cipher);
    rf_free_secret(rf_mem_system(), gcm, sizeof(*gcm));
    rf_free(rf_mem_system(), c);
    return srtp_err_status_ok;
}

static srtp_err_status_t gcm_init(void *state, const uint8_t *key)
{
    struct gcm *gcm = state;
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)key, KEY_LEN};
    if (gcm->cipher != NULL)
        gnutls_aead_cipher_deinit(gcm->cipher);
    gcm->cipher = NULL;
    return gnutls_aead_cipher_init(&gcm->cipher, GNUTLS_CIPHER_AES_128_GCM, &datum) == 0
               ? srtp_err_status_ok
               : srtp_err_status_init_fail;
}

static srtp_err_status_t gcm_set_iv(void *state, uint8_t *iv, srtp_cipher_direction_t direction)
{
    struct gcm *gcm = state;
    (void)direction;
    memcpy(gcm->iv, iv, IV_LEN);
    gcm->aad_count = 0;
    return srtp_err_status_ok;
}

static srtp_err_status_t gcm_set_aad(void *state, const uint8_t *aad, uint32_t len)
{
    struct gcm *gcm = state;
    if (gcm->aad_count == AAD_MAX)
        return srtp_err_status_bad_param;
    gcm->aad[gcm->aad_count++] = (giovec_t){(void *)(uintptr_t)aad, len};
    return srtp_err_status_ok;
}

static srtp_err_status_t gcm_encrypt(void *state, uint8_t *bytes, unsigned int *len)
{
    struct gcm *gcm = state;
    size_t tag_len = gcm->tag_len;
    giovec_t text = {bytes, *len};
    if (gcm->cipher == NULL ||
        gnutls_aead_cipher_encryptv2(gcm->cipher, gcm->iv, IV_LEN, gcm->aad, gcm->aad_count, &text, 1,
                                     gcm->tag, &tag_len) != 0)
        return srtp_err_status_cipher_fail;
    return srtp_err_status_ok;
}

static srtp_err_status_t gcm_get_tag(void *state, uint8_t *tag, uint32_t *len)
{
    const struct gcm *gcm = state;
    memcpy(tag, gcm->tag, gcm->tag_len);
    *len = (uint32_t)gcm->tag_len;
    return srtp_err_status_ok;
}

/* The tag stands behind the text. */
static srtp_err_status_t gcm_decrypt(void *state, uint8_t *bytes, unsigned int *len)
{
    struct gcm *gcm = state;
    if (gcm->cipher == NULL || *len < gcm->tag_len)
        return srtp_err_status_bad_param;
    giovec_t text = {bytes, *len - gcm->tag_len};
    if (gnutls_aead_cipher_decryptv2(gcm->cipher, gcm->iv, IV_LEN, gcm->aad, gcm->aad_count, &text, 1,
                                     bytes + text.iov_len, gcm->tag_len) != 0)
        return srtp_err_status_auth_fail;
    *len = (unsigned)text.iov_len;
    return srtp_err_status_ok;
}

/* ---- a test that libsrtp makes: case 4 of McGrew and Viega, "The Galois/Counter Mode of Operation"; the salt is not used ---- */

static const uint8_t test_key[KEY_SALT_LEN] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
                                               0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
static uint8_t test_iv[IV_LEN] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static const uint8_t test_aad[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                                     0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static const uint8_t test_plain[60] = {
    0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
    0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
    0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
    0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
static const uint8_t test_sealed[60 + TAG_LEN] = {
    0x42, 0x83, 0x1e, 0xc2, 0x21, 0x77, 0x74, 0x24, 0x4b, 0x72, 0x21, 0xb7, 0x84, 0xd0, 0xd4, 0x9c,
    0xe3, 0xaa, 0x21, 0x2f, 0x2c, 0x02, 0xa4, 0xe0, 0x35, 0xc1, 0x7e, 0x23, 0x29, 0xac, 0xa1, 0x2e,
    0x21, 0xd5, 0x14, 0xb2, 0x54, 0x66, 0x93, 0x1c, 0x7d, 0x8f, 0x6a, 0x5a, 0xac, 0x84, 0xaa, 0x05,
    0x1b, 0xa3, 0x0b, 0x39, 0x6a, 0x0a, 0xac, 0x97, 0x3d, 0x58, 0xe0, 0x91, /* the tag: */
    0x5b, 0xc9, 0x4f, 0xbc, 0x32, 0x21, 0xa5, 0xdb, 0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47};
static const srtp_cipher_test_case_t test = {
    KEY_SALT_LEN, test_key,         test_iv,  60,      test_plain, sizeof(test_sealed),
    test_sealed,  sizeof(test_aad), test_aad, TAG_LEN, NULL};

static const srtp_cipher_type_t type = {.alloc = gcm_alloc,
                                        .dealloc = gcm_dealloc,
                                        .init = gcm_init,
                                        .set_aad = gcm_set_aad,
                                        .encrypt = gcm_encrypt,
                                        .decrypt = gcm_decrypt,
                                        .set_iv = gcm_set_iv,
                                        .get_tag = gcm_get_tag,
                                        .description = "AES-128-GCM of GnuTLS",
                                        .test_data = &test,
                                        .id = SRTP_AES_GCM_128};

static srtp_err_status_t gcm_alloc(srtp_cipher_pointer_t *out, int key_len, int tag_len)
{
    if (key_len != KEY_SALT_LEN || (tag_len != TAG_LEN && tag_len != TAG_LEN / 2))
        return srtp_err_status_bad_param;
    srtp_cipher_t *c = rf_zalloc(rf_mem_system(), sizeof(*c));
    struct gcm *gcm = rf_zalloc(rf_mem_system(), sizeof(*gcm));
    if (c == NULL || gcm == NULL) {
        rf_free(rf_mem_system(), c);
        rf_free(rf_mem_system(), gcm);
        return srtp_err_status_alloc_fail;
    }
    gcm->tag_len = (size_t)tag_len;
    *c = (srtp_cipher_t){.type = &type, .state = gcm, .key_len = key_len, .algorithm = SRTP_AES_GCM_128};
    *out = c;
    return srtp_err_status_ok;
}

bool seal_gcm_use(void)
{
    return srtp_replace_cipher_type(&type, SRTP_AES_GCM_128) == srtp_err_status_ok;
}
