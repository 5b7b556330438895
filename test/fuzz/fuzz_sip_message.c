/* fuzz_sip_message.c - what sip/ reads out of a message that libre has decoded: addresses, dialogs, headers that travel on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sip/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(struct core *core, const struct sip_msg *msg)
{
    struct dialog d;
    struct content content = content_of(msg);
    char aor[AOR_MAX], uri[AOR_URI_MAX], again[AOR_MAX];
    struct mbuf *mb = mbuf_alloc(256);

    if (content.body.len > mbuf_get_left(msg->mb))
        abort();
    (void)passed_headers(mb, msg);
    mem_deref(mb);
    (void)bad_extension(msg);
    if (msg_max_forwards(msg) > 70)
        abort();
    if (msg_from_aor(msg, aor) == 0) { /* to a URI and back is the same */
        struct uri parsed;
        struct pl pl;
        aor_to_uri(aor, false, uri);
        pl_set_str(&pl, uri);
        if (uri_decode(&parsed, &pl) == 0 &&
            (aor_from_uri(view_of_pl(&parsed.user), view_of_pl(&parsed.host), again) != 0 ||
             !aor_equal(aor, again)))
            abort();
    }
    if (dialog_in(core, &d, msg) == 0) {
        if (dialog_set_tag(core, &d, 1) == 0)
            (void)dialog_accepts(&d, msg);
        (void)dialog_learn(core, &d, msg);
        dialog_deinit(core, &d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct core core;
    struct mbuf *mb = mbuf_alloc(size + 1);
    struct sip_msg *msg = NULL;

    core.mem = rf_mem_system();
    if (mb == NULL)
        return 0;
    (void)mbuf_write_mem(mb, data, size);
    mb->pos = 0;
    if (sip_msg_decode(&msg, mb) == 0)
        read_message(&core, msg);
    mem_deref(msg);
    mem_deref(mb);
    return 0;
}
