/* test_sip_media.c - runs the tests of the parts that anchored media are made of. */
#include "test_sip_media.h"

int main(void)
{
    return test_sip_sdp() + test_sip_seal() + test_sip_stream() == 0 ? 0 : 1;
}
