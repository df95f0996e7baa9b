/* See memory_plan.h. */
#include "quantize/memory_plan.h"

#include "runtime/base/mem.h"
#include "runtime/calibration.h"
#include "runtime/exec.h"

enum {
    END_ROWS = 64,        /* rows of logits computed together (runtime/sensitivity.c) */
    BLOCK_ROWS = 64,      /* rows that a thread quantizes together (gptq.c) */
    ROW_BYTES = 40,       /* per column of such a row: weights, targets, errors, codes, grids */
    SINK_BYTES = 1 << 20, /* per thread: frames, as they are and compressed */
    FACTOR_BYTES =
        12, /* per element of a Hessian, beside it: a factorization in double, the factor */
    SHIFT_BYTES = 16, /* likewise: how far inputs and sums differ, a factorization in double */
};

/* What one layer and one window took. */
typedef struct probe {
    uint64_t resident;      /* at the peak */
    uint64_t layer_bytes;   /* weights of the layer in memory */
    uint64_t outside_bytes; /* of those outside layers */
    uint64_t all_bytes;     /* of all layers */
    uint64_t row_bytes;     /* of a token between layers */
    uint64_t logits_bytes;  /* of a token's logits */
    uint64_t tape_bytes;    /* of one window's intermediate values, about */
    size_t n_layers;
    uint64_t attended; /* columns of attention's output projection */
} probe;

static void add_weights(const swg_model *model, probe *p)
{
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        if (weight->n == 0 || weight->k <= 1)
            continue;
        if (swg_role_scope_of(weight->role) == SWG_PER_MODEL) {
            p->outside_bytes += weight->bytes;
            continue;
        }
        p->all_bytes += weight->bytes;
        if (weight->layer == 0) {
            p->layer_bytes += weight->bytes;
            p->tape_bytes += weight->n * sizeof(float);
        }
    }
}

static swg_status run_probe(const swg_memory_request *r, swg_model *model, probe *p)
{
    swg_calibration_options options = swg_calibration_options_default();
    swg_calibration *calibration = NULL;
    const swg_hparams *h = &model->hparams;
    const size_t window = r->text->window;
    options.pool = r->pool;
    options.may_leave_rest = true; /* the estimate has to keep to a limit, too */
    p->n_layers = (size_t)h->n_layers;
    SWG_TRY(swg_model_load_layer(model, p->n_layers));
    SWG_TRY(swg_model_load_layer(model, 0));
    SWG_TRY(swg_calibration_new(model, r->text->ids, 1, window, &options, &calibration));
    const swg_status status = swg_calibration_observe(calibration, 0);
    if (status == SWG_OK) {
        add_weights(model, p);
        p->row_bytes = (uint64_t)h->d_model * sizeof(float);
        p->attended = (uint64_t)h->n_heads * (uint64_t)h->head_dim;
        p->logits_bytes = (uint64_t)h->n_outputs * sizeof(float);
        /* Values and their gradients, and the weights of attention. */
        p->tape_bytes = 2 * window * (p->tape_bytes + 6 * p->row_bytes) +
                        2 * (uint64_t)h->n_heads * window * window * sizeof(float);
        p->resident = swg_peak_rss_bytes(); /* with the second moments, and what sums them up */
    }
    swg_calibration_free(&calibration);
    return status;
}

/* The columns of the widest input that a method needs second moments of. */
static uint64_t widest_input(const swg_plan *plan)
{
    uint64_t widest = 0;
    for (size_t i = 0; i < plan->n_entries; i++) {
        const uint64_t k = swg_tensor_cols(&plan->entries[i].desc);
        if (plan->entries[i].is_quantized && k > widest)
            widest = k;
    }
    return widest;
}

/* Quantizing a matrix of k columns: its input's second moments, their factor, the rows in work. */
static uint64_t quantizing_bytes(const swg_memory_request *r, uint64_t k)
{
    const size_t n_threads = swg_pool_threads(r->pool);
    const uint64_t shifts = r->is_paired ? SHIFT_BYTES * k * k : 0;
    return (FACTOR_BYTES + sizeof(float)) * k * k + shifts + n_threads * BLOCK_ROWS * ROW_BYTES * k;
}

/* The same at its peak: of the widest matrix, or of attention's output while both models' inputs of
 * it are kept (runtime/paired_calibration.c). */
static uint64_t most_quantizing_bytes(const swg_memory_request *r, const probe *p, uint64_t tokens)
{
    const uint64_t widest = quantizing_bytes(r, widest_input(r->plan));
    const uint64_t kept =
        2 * tokens * p->attended * sizeof(float) + quantizing_bytes(r, p->attended);
    return (r->is_paired && kept > widest ? kept : widest) + r->plan->largest_bytes +
           swg_pool_threads(r->pool) * SINK_BYTES;
}

swg_status swg_memory_plan_make(const swg_memory_request *r, swg_memory_plan *out)
{
    swg_model_options options = swg_model_options_default();
    const uint64_t tokens = (uint64_t)r->text->n_windows * r->text->window;
    const uint64_t sensed = tokens < 16 * r->text->window ? tokens : 16 * r->text->window;
    const uint64_t limit = swg_mem_limit();
    swg_memory_plan plan = {0};
    swg_model *model = NULL;
    probe p = {0};
    options.pool = r->pool;
    SWG_TRY(swg_model_open(r->source, &options, &model));
    const swg_status status = run_probe(r, model, &p);
    swg_model_free(&model);
    SWG_TRY(status);
    const uint64_t idle = swg_rss_bytes();
    const uint64_t rows = (tokens - r->text->window) * p.row_bytes;
    plan.quantizing = idle + most_quantizing_bytes(r, &p, tokens);
    if (r->collects)
        plan.collecting = p.resident + rows;
    if (r->is_sequential)
        plan.quantizing += p.resident + rows - idle;
    if (r->is_paired)
        plan.quantizing += p.resident - idle + rows;
    if (r->needs_sensitivity)
        plan.measuring = p.resident + sensed * p.row_bytes * (p.n_layers + 2) +
                         2 * END_ROWS * p.logits_bytes + p.tape_bytes;
    if (r->verifies) { /* both models, and logits of a piece of a window (eval/lockstep.c) */
        const uint64_t piece = 256 * p.logits_bytes, most = (uint64_t)32 << 20;
        plan.verifying =
            p.resident + 2 * p.all_bytes + p.outside_bytes + 2 * (piece < most ? piece : most);
    }
    const uint64_t phases[] = {plan.collecting, plan.measuring, plan.quantizing, plan.verifying};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        plan.peak = phases[i] > plan.peak ? phases[i] : plan.peak;
    if (limit && plan.peak > limit)
        plan.peak = limit;
    *out = plan;
    return SWG_OK;
}
