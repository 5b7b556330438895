/* fuzz_enrol_client.c - what an enrolment server may answer: first byte the status, then a line of reason, then the body. */
#include <stdlib.h>
#include "base/assert.h"
#include "enrol/client.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct rf_pki pki;
static struct rf_identity alice;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (rf_pki_init(&pki, &(struct rf_pki_config){0}) != RF_OK ||
        rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_P256, &alice) != RF_OK)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 403, 429, 503, 404, 500, 200, 200};
    struct rf_cert *cert = NULL;
    char sentence[RF_ENROL_SENTENCE_SIZE];
    if (size < 1)
        return 0;
    struct rf_view rest = rf_view_of(data + 1, size - 1);
    const uint8_t *end = rest.len > 0 ? memchr(rest.p, '\n', rest.len) : NULL;
    size_t line = end ? (size_t)(end - rest.p) : 0;
    struct rf_enrol_reply reply = {
        .status = statuses[data[0] & 7],
        .reason = rf_view_of(rest.p, line),
        .body = rf_view_of(rest.p + line + (end ? 1 : 0), rest.len - line - (end ? 1 : 0)),
    };
    int e = rf_enrol_client_answer(pki.crypto, alice.key, pki.conf, rf_view_str("alice"), &reply,
                                   RF_PKI_WALL_MS, &cert, sentence);
    RF_ASSERT((e == RF_OK) == (cert != NULL));
    RF_ASSERT(e == RF_OK || sentence[0] != '\0');
    for (const char *c = sentence; *c; c++)
        RF_ASSERT(*c >= ' ' && *c <= '~'); /* goes to a terminal */
    rf_cert_release(cert);
    return 0;
}
