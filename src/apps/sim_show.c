/* sim_show.c - what ringfolk-sim knows: its scenarios and settings. */
#include <stdio.h>
#include <string.h>
#include "apps/sim_main.h"

int sim_list(void)
{
    for (size_t i = 0; i < sim_scenario_count; i++) {
        char title[RF_SIM_TITLE_LEN];

        rf_sim_text_title(rf_view_of(sim_scenarios[i].text, sim_scenarios[i].len), title, sizeof(title));
        printf("%-16s %s\n", sim_scenarios[i].name, title);
    }
    return SIM_PASS;
}

int sim_settings_list(void)
{
    static struct rf_sim_text text;
    char why[128];

    if (rf_sim_text_parse("settings", rf_view_str("title settings"), NULL, 0, &text, why, sizeof(why)) != 0)
        return sim_fail("settings", why);
    for (size_t i = 0; i < text.option_count; i++)
        printf("%-16s %-12s %s\n", text.options[i].name, text.options[i].text, text.options[i].meaning);
    return SIM_PASS;
}

const struct sim_embedded *sim_find(const char *name)
{
    for (size_t i = 0; i < sim_scenario_count; i++)
        if (strcmp(sim_scenarios[i].name, name) == 0)
            return &sim_scenarios[i];
    return NULL;
}

int sim_show(const char *name)
{
    const struct sim_embedded *scenario = sim_find(name);

    if (scenario == NULL)
        return sim_wrong(name, "no such scenario: see ringfolk-sim list");
    fwrite(scenario->text, 1, scenario->len, stdout);
    return SIM_PASS;
}
