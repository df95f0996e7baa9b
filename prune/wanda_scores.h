/* |w| * |x|: what a weight contributes to its layer's output (Sun et al. 2023, "Wanda", arXiv
 * 2306.11695). */
#ifndef SWG_PRUNE_WANDA_SCORES_H
#define SWG_PRUNE_WANDA_SCORES_H

#include "prune/prune.h"

/* scores [rows][cols] = |w| * sqrt(mean x^2 of the column), squared for blocks, whose scores add
 * up to the output's mean square then. SWG_FAILED when the statistics say nothing of columns;
 * SWG_NO_MEMORY. */
swg_status swg_wanda_scores(const swg_prune_job *job, const float *w, float *scores);

#endif
