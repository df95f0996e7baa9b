/* See layer_stats.h. */
#include "runtime/layer_stats.h"

bool swg_layer_stats_importance(const swg_layer_stats *stats, float *out)
{
    if (!stats->mean_square && !stats->hessian)
        return false;
    for (size_t i = 0; i < stats->k; i++)
        out[i] = stats->mean_square ? (float)stats->mean_square[i]
                                    : stats->hessian[i * stats->k + i] / (float)stats->n_tokens;
    return true;
}
