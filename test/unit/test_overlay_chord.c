/* test_overlay_chord.c - runs every group of the topology plugin's tests. */
#include "test_overlay_chord.h"

int main(void)
{
    return test_overlay_chord_ring() + test_overlay_chord_candidates() + test_overlay_chord_machine() +
                       test_overlay_chord_grow() + test_overlay_chord_churn() + test_overlay_chord_client() ==
                   0
               ? 0
               : 1;
}
