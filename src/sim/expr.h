/*
 * expr.h - the numbers in scenarios: 27%, 10m, clients*0.01, (supernodes+clients)/60.
 *
 * Units: us ms s m h d (seconds), % (hundredths), k M G (thousands ...). Names are those of options above.
 */
#ifndef RF_SIM_EXPR_H
#define RF_SIM_EXPR_H

#include "base/view.h"

/* What a name stands for; false: nothing. */
typedef bool sim_expr_find(void *ctx, struct rf_view name, double *out);

/*
 * sim_expr evaluates the whole of `text`.
 * bad  on an error: the piece that is wrong (into text)
 * Errors: RF_EFORMAT no number, RF_ENOTFOUND a name that stands for nothing, RF_EINVAL the result is no finite number, RF_ELIMIT
 * parentheses too deep.
 */
int sim_expr(struct rf_view text, sim_expr_find *find, void *ctx, double *out, struct rf_view *bad);

#endif
