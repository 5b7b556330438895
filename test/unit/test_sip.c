/* test_sip.c - runs the tests of sip/ in which phones talk to nodes; `test_sip GROUP` runs one group. */
#include "test_sip.h"
#include <string.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } groups[] = {{"frame", test_sip_frame},          {"parts", test_sip_parts}, {"calls", test_sip_calls},
                  {"phones", test_sip_phones},        {"texts", test_sip_texts}, {"local", test_sip_local},
                  {"hostile", test_sip_hostile},      {"ways", test_sip_ways},   {"anchor", test_sip_anchor},
                  {"anchor_sdp", test_sip_anchor_sdp}};
    const char *only = argc > 1 ? argv[1] : NULL;
    int failed = 0;
    size_t ran = 0;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (only != NULL && strcmp(only, groups[i].name) != 0)
            continue;
        failed += groups[i].run();
        ran++;
    }
    return failed == 0 && ran > 0 ? 0 : 1;
}
