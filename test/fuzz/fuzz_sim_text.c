/* fuzz_sim_text.c - scenario texts of strangers, with an override. Whatever is taken must be within the limits of the language. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "sim/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rf_sim_text text;
    static char override[256];
    const char *overrides[1] = {override};
    const struct rf_sim_scenario *s = &text.scenario;
    char why[64], title[32];
    size_t first = size > 0 ? data[0] : 0; /* so many bytes are the override */

    if (first >= size)
        return 0;
    memcpy(override, data + 1, first);
    override[first] = 0;
    rf_sim_text_title(rf_view_of(data + 1 + first, size - 1 - first), title, sizeof(title));
    if (rf_sim_text_parse("fuzz", rf_view_of(data + 1 + first, size - 1 - first), overrides, first > 0, &text,
                          why, sizeof(why)) != 0) {
        RF_ASSERT(why[0] != 0);
        return 0;
    }
    RF_ASSERT(s->supernodes >= 1 && s->step_count <= RF_SIM_MAX_STEPS && s->check_count <= RF_SIM_MAX_CHECKS);
    for (size_t i = 0; i < s->step_count; i++) {
        const struct rf_sim_step *step = &s->steps[i];

        RF_ASSERT(i == 0 || s->steps[i - 1].at_us <= step->at_us);
        RF_ASSERT(step->fraction >= 0 && step->fraction <= 1 && step->rate >= 0 && isfinite(step->rate));
        RF_ASSERT(step->session.median_s >= 0 && step->pause.median_s >= 0);
    }
    for (size_t i = 0; i < s->check_count; i++)
        RF_ASSERT(isfinite(s->checks[i].limit) && s->checks[i].name[0] != 0);
    return 0;
}
