/* test_sip.c - runs the tests of sip/ in which phones talk to nodes; TEST_SIP_ONLY=name runs one group. */
#include "test_sip.h"
#include <stdlib.h>
#include <string.h>

int main(void)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {{"frame", test_sip_frame},     {"parts", test_sip_parts}, {"calls", test_sip_calls},
                  {"phones", test_sip_phones},   {"texts", test_sip_texts}, {"local", test_sip_local},
                  {"hostile", test_sip_hostile}, {"ways", test_sip_ways}};
    const char *only = getenv("TEST_SIP_ONLY");
    int failed = 0;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (only == NULL || strcmp(only, groups[i].name) == 0)
            failed += groups[i].run();
    return failed == 0 ? 0 : 1;
}
