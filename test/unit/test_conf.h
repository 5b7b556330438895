/* test_conf.h - the groups of the conf room's test program and what they share. */
#ifndef RF_TEST_CONF_H
#define RF_TEST_CONF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "crypto/openssl/openssl.h"

int test_conf_parse(void);
int test_conf_value(void);
int test_conf_verify(void);
int test_conf_write(void);
int test_conf_xml(void);

#define VIEW(literal) rf_view_of((literal), sizeof(literal) - 1)
#define NS            "xmlns=\"urn:ietf:params:xml:ns:p2p:config-base\""
#define NS_C          " xmlns:c=\"urn:ietf:params:xml:ns:p2p:config-chord\""
/* A document of one configuration with these children. */
#define DOC(body)                                                                                            \
    "<overlay " NS NS_C "><configuration instance-name=\"example.org\" sequence=\"1\">" body                 \
    "</configuration></overlay>"

/* A backend over a counting allocator. */
struct fixture {
    struct rf_mem_test mem;
    struct rf_crypto *c;
};
void fixture_init(struct fixture *f);
void fixture_deinit(struct fixture *f); /* checks that no memory is left behind */
/* parse reads a document for example.org; a failing one must say why. */
int parse(struct fixture *f, const char *text, struct rf_conf **out);

#endif
