/* test_conf.c - runs every group of the conf room's tests. */
#include "test_conf.h"

void fixture_init(struct fixture *f)
{
    rf_mem_test_init(&f->mem);
    f->c = rf_crypto_openssl_new(&f->mem.mem);
    assert_non_null(f->c);
}

void fixture_deinit(struct fixture *f)
{
    rf_crypto_openssl_free(f->c);
    assert_int_equal(f->mem.live_count, 0);
}

int parse(struct fixture *f, const char *text, struct rf_conf **out)
{
    char why[200];
    int r;

    *out = NULL;
    r = rf_conf_parse(f->c, &f->mem.mem, rf_view_str(text), VIEW("example.org"), out, why, sizeof(why));
    assert_true((*out != NULL) == (r == 0));
    assert_true((why[0] == '\0') == (r == 0));
    return r;
}

int main(void)
{
    int failed =
        test_conf_value() + test_conf_xml() + test_conf_parse() + test_conf_verify() + test_conf_write();

    return failed == 0 ? 0 : 1;
}
