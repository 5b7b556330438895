/* test_sip_media.h - what the tests of the media anchor share. */
#ifndef TEST_SIP_MEDIA_H
#define TEST_SIP_MEDIA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

int test_sip_sdp(void);
int test_sip_seal(void);
int test_sip_stream(void);

#endif
