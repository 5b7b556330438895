/* test_overlay.c - runs every group of the overlay room's tests of the transport. */
#include "test_overlay.h"

void forge(struct onet *net, const struct forged *forged, struct rf_buf *out)
{
    struct rf_header header = forged->header;
    struct rf_buf contents, rest;
    rf_buf_init(&contents, rf_mem_system(), 100000);
    rf_buf_init(&rest, rf_mem_system(), 100000);
    rf_buf_init(out, rf_mem_system(), 200000);
    if (header.overlay == 0)
        header.overlay = net->pki.conf->overlay_hash;
    if (header.ttl == 0xff)
        header.ttl = net->pki.conf->initial_ttl;
    if (header.fragment == 0)
        header.fragment = RF_FRAGMENT_WHOLE;
    if (header.config_sequence == 0)
        header.config_sequence = net->pki.conf->sequence;
    rf_contents_encode(forged->code, forged->body, forged->extensions, &contents);
    rf_buf_view_put(&rest, rf_buf_view(&contents));
    assert_int_equal(rf_identity_security_block(&net->nodes[forged->signer].identity,
                                                net->pki.conf->overlay_hash, header.transaction_id,
                                                rf_buf_view(&contents), NULL, 0, &rest),
                     0);
    rf_header_encode(&header, rest.len, out);
    rf_buf_view_put(out, rf_buf_view(&rest));
    assert_int_equal(rf_buf_error(out), 0);
    rf_buf_deinit(&contents);
    rf_buf_deinit(&rest);
}

int main(void)
{
    int failed = test_overlay_route() + test_overlay_forward() + test_overlay_calls() +
                 test_overlay_requests() + test_overlay_fragment() + test_overlay_small() +
                 test_overlay_config() + test_overlay_diag() + test_overlay_faults() + test_overlay_doors() +
                 test_overlay_detour();
    return failed == 0 ? 0 : 1;
}
