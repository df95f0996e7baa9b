/* Losses between the rows that leave a layer of the student and one of the teacher (losses.def, row
 * losses). Where the student's rows are narrower or wider, a projection P [teacher's columns]
 * [student's columns] is learned with them (Romero et al. 2015, FitNets, arXiv 1412.6550): the
 * losses compare P x with the teacher's row. */
#ifndef SWG_DISTILL_ROW_MATCH_H
#define SWG_DISTILL_ROW_MATCH_H

#include "distill/adamw.h"
#include "distill/losses.h"

typedef struct swg_row_match {
    size_t student_width, teacher_width;
    swg_adamw_numbers projection; /* n = 0 where the widths are equal */
} swg_row_match;

/* The projection begins with normal numbers, of deviation 1 / root of the student's width. */
swg_status swg_row_match_init(swg_row_match *match, size_t student_width, size_t teacher_width,
                              uint64_t seed);
void swg_row_match_deinit(swg_row_match *match); /* zero-initialised is accepted */

/* *loss = the sum over n rows of the row losses times their weights and `share`. Adds its slopes to
 * `gradient` [n][student_width], and those by the projection. SWG_NO_MEMORY. */
swg_status swg_row_match_take(swg_row_match *match, const double weights[SWG_LOSS_COUNT],
                              double share, size_t n, const float *student, const float *teacher,
                              float *gradient, double *loss);

#endif
