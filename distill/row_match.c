/* Losses between rows. See row_match.h. */
#include "distill/row_match.h"

#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

swg_status swg_row_match_init(swg_row_match *match, size_t student_width, size_t teacher_width,
                              uint64_t seed)
{
    swg_adamw_numbers *p = &match->projection;
    swg_rng rng = swg_rng_seeded(seed);
    match->student_width = student_width;
    match->teacher_width = teacher_width;
    if (student_width == teacher_width)
        return SWG_OK;
    p->n = student_width * teacher_width;
    SWG_TRY(SWG_NEW_UNINIT(p->value, p->n));
    SWG_TRY(SWG_NEW(p->gradient, p->n));
    SWG_TRY(SWG_NEW(p->moment1, p->n));
    SWG_TRY(SWG_NEW(p->moment2, p->n));
    for (size_t i = 0; i < p->n; i++)
        p->value[i] = (float)swg_rng_normal(&rng) / sqrtf((float)student_width);
    return SWG_OK;
}

void swg_row_match_deinit(swg_row_match *match)
{
    swg_free(match->projection.value);
    swg_free(match->projection.gradient);
    swg_free(match->projection.moment1);
    swg_free(match->projection.moment2);
    *match = (swg_row_match){0};
}

/* The losses of rows as wide as the teacher's; slopes [n][width] are added to. */
static double losses_of(const double weights[SWG_LOSS_COUNT], double share, size_t n, size_t width,
                        const float *rows, const float *teacher, float *slopes)
{
    double sum = 0;
    for (size_t t = 0; t < n; t++) {
        const swg_loss_input in = {
            .n = width, .student = rows + t * width, .teacher = teacher + t * width};
        for (int loss = 0; loss < SWG_LOSS_COUNT; loss++) {
            const double weight = share * weights[loss];
            if (swg_loss_domain_of((swg_loss)loss) == SWG_LOSS_OF_ROWS && weight > 0)
                sum += weight * swg_loss_of((swg_loss)loss)(&in, weight, slopes + t * width);
        }
    }
    return sum;
}

swg_status swg_row_match_take(swg_row_match *match, const double weights[SWG_LOSS_COUNT],
                              double share, size_t n, const float *student, const float *teacher,
                              float *gradient, double *loss)
{
    const swg_linalg *la = swg_linalg_get();
    const size_t from = match->student_width, to = match->teacher_width;
    const swg_adamw_numbers *p = &match->projection;
    float *rows;
    if (p->n == 0) {
        *loss = losses_of(weights, share, n, to, student, teacher, gradient);
        return SWG_OK;
    }
    SWG_TRY(SWG_NEW_UNINIT(rows, 2 * n * to));
    float *slopes = rows + n * to;
    memset(slopes, 0, n * to * sizeof *slopes);
    la->sgemm(false, true, n, to, from, 1, student, from, p->value, from, 0, rows, to);
    *loss = losses_of(weights, share, n, to, rows, teacher, slopes);
    la->sgemm(false, false, n, from, to, 1, slopes, to, p->value, from, 1, gradient, from);
    la->sgemm(true, false, to, from, n, 1, slopes, to, student, from, 1, p->gradient, from);
    swg_free(rows);
    return SWG_OK;
}
