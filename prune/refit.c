/* See refit.h. Blocks of rows have a fixed size: a matrix product may round differently for another
 * number of rows. */
#include "prune/refit.h"

#include "kernels/linalg.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"

enum { ROWS = 64 };

typedef struct run {
    const swg_refit *refit;
    const float *target;
    const bool *is_zero;
    size_t rows;
    unsigned steps;
    float *w;
} run;

/* One block of rows; arrays are [n][k], the preconditioner is H's diagonal. */
typedef struct block {
    const swg_refit *refit;
    const bool *is_zero;
    size_t n;
    float *d, *residual, *direction, *product;
    double rho[ROWS];
} block;

/* product = rows (H + damping), for the free weights alone. */
static void multiply(const block *b, const float *rows, float *product)
{
    const size_t k = b->refit->k;
    swg_sgemm_nt(b->n, k, k, rows, k, b->refit->hessian, k, product, k); /* H is symmetric */
    for (size_t i = 0; i < b->n * k; i++)
        product[i] = b->is_zero[i] ? 0 : product[i] + b->refit->damping * rows[i];
}

static double weighted_square(const swg_refit *refit, const float *residual)
{
    double sum = 0;
    for (size_t c = 0; c < refit->k; c++)
        if (refit->diagonal[c] > 0)
            sum += (double)residual[c] * (double)residual[c] / (double)refit->diagonal[c];
    return sum;
}

/* direction = residual / diagonal + beta * direction */
static void turn(const swg_refit *refit, const float *residual, float beta, float *direction)
{
    for (size_t c = 0; c < refit->k; c++) {
        const float steepest = refit->diagonal[c] > 0 ? residual[c] / refit->diagonal[c] : 0;
        direction[c] = steepest + beta * direction[c];
    }
}

static void step_row(block *b, size_t r)
{
    const size_t k = b->refit->k;
    float *direction = b->direction + r * k, *residual = b->residual + r * k;
    const float *product = b->product + r * k;
    double curvature = 0;
    for (size_t c = 0; c < k; c++)
        curvature += (double)direction[c] * (double)product[c];
    const float alpha = curvature > 0 ? (float)(b->rho[r] / curvature) : 0;
    for (size_t c = 0; c < k; c++) {
        b->d[r * k + c] += alpha * direction[c];
        residual[c] -= alpha * product[c];
    }
    const double rho = weighted_square(b->refit, residual);
    turn(b->refit, residual, b->rho[r] > 0 ? (float)(rho / b->rho[r]) : 0, direction);
    b->rho[r] = rho;
}

/* The first direction: the gradient at w. */
static void begin(block *b, const float *w, const float *target)
{
    const size_t k = b->refit->k;
    for (size_t i = 0; i < b->n * k; i++)
        b->d[i] = w[i] - target[i];
    multiply(b, b->d, b->residual);
    for (size_t i = 0; i < b->n * k; i++)
        b->residual[i] = -b->residual[i];
    for (size_t r = 0; r < b->n; r++) {
        b->rho[r] = weighted_square(b->refit, b->residual + r * k);
        turn(b->refit, b->residual + r * k, 0, b->direction + r * k);
    }
}

static swg_status refit_block(void *context, size_t index)
{
    const run *job = context;
    const size_t k = job->refit->k, row = index * ROWS, left = job->rows - row;
    block b = {
        .refit = job->refit, .is_zero = job->is_zero + row * k, .n = left < ROWS ? left : ROWS};
    const float *target = job->target + row * k;
    float *w = job->w + row * k;
    swg_status status = SWG_OK;
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while pruning");
    SWG_GO(SWG_NEW_UNINIT(b.d, b.n * k));
    SWG_GO(SWG_NEW_UNINIT(b.residual, b.n * k));
    SWG_GO(SWG_NEW(b.direction, b.n * k));
    SWG_GO(SWG_NEW_UNINIT(b.product, b.n * k));
    begin(&b, w, target);
    for (unsigned step = 0; step < job->steps; step++) {
        multiply(&b, b.direction, b.product);
        for (size_t r = 0; r < b.n; r++)
            step_row(&b, r);
    }
    for (size_t i = 0; i < b.n * k; i++)
        w[i] = b.is_zero[i] ? 0 : target[i] + b.d[i];
done:
    swg_free(b.d);
    swg_free(b.residual);
    swg_free(b.direction);
    swg_free(b.product);
    return status;
}

swg_status swg_refit_init(swg_refit *out, const float *hessian, size_t k, double relative)
{
    double mean = 0;
    swg_refit refit = {.hessian = hessian, .k = k};
    for (size_t c = 0; c < k; c++)
        mean += (double)hessian[c * k + c] / (double)k;
    refit.damping = (float)(relative * mean);
    SWG_TRY(SWG_NEW_UNINIT(refit.diagonal, k));
    for (size_t c = 0; c < k; c++)
        refit.diagonal[c] = hessian[c * k + c] + refit.damping;
    *out = refit;
    return SWG_OK;
}

void swg_refit_deinit(swg_refit *refit)
{
    SWG_FREE(refit->diagonal);
}

swg_status swg_refit_run(const swg_refit *refit, const float *target, const bool *is_zero,
                         size_t rows, unsigned steps, swg_pool *pool, float *w)
{
    run job = {
        .refit = refit, .target = target, .is_zero = is_zero, .rows = rows, .steps = steps, .w = w};
    return swg_pool_for(pool, swg_ceil_div(rows, ROWS), refit_block, &job);
}
