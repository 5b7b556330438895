/* fuzz_link_node.h - what the fuzz targets of links share: a node with a certificate of its own, and the beginning and end of a run. */
#ifndef RF_FUZZ_LINK_NODE_H
#define RF_FUZZ_LINK_NODE_H

#include "base/error.h"
#include "link/link.h"

/* A self-signed node, so that the judgement is the real one. The first fuzz_run makes it; it lives as long as the program. */
struct fuzz_node {
    struct rf_trust *trust;
    struct rf_id id;
    uint8_t cert[RF_CERT_MAX_LEN];
    size_t cert_len;
};
extern struct fuzz_node fuzz_node;

/* fuzz_check ends the program with a sentence unless `good`. */
void fuzz_check(bool good, const char *what);
static inline struct rf_view fuzz_node_cert(void)
{
    return rf_view_of(fuzz_node.cert, fuzz_node.cert_len);
}
/* fuzz_node_hello appends the contents of a hello of the plain engines: that name and the node's certificate. */
void fuzz_node_hello(const char *alpn, struct rf_buf *out);
/* One run: what the input's first byte says, and what happened. */
struct fuzz_links {
    uint8_t flags; /* bit 1 the node echoes, bit 2 it closes at the third message */
    struct rf_links *links;
    unsigned ups, downs, messages;
};
extern struct fuzz_links run;

/* fuzz_run has `life` live on the input behind its first two bytes, in an env whose allocator grants as many allocations as the
 * second says (255: all), and checks that nothing is left. */
int fuzz_run(const uint8_t *data, size_t size,
             void (*life)(const struct rf_env *env, struct rf_now *now, struct rf_view in));
/* For the host of run.links. */
void fuzz_message(void *ctx, rf_link_id link, struct rf_view message);
void fuzz_app_data(void *ctx, rf_link_id link, struct rf_view bytes);

#endif
