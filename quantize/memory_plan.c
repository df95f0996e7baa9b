/* See memory_plan.h. */
#include "quantize/memory_plan.h"

#include "runtime/base/mem.h"
#include "runtime/calibration.h"
#include "runtime/exec.h"

enum {
    END_ROWS = 64,        /* rows of logits computed together (runtime/sensitivity.c) */
    BLOCK_ROWS = 128,     /* rows that a thread quantizes together (gptq.c) */
    ROW_BYTES = 40,       /* per column of such a row: weights, targets, errors, codes, grids */
    SINK_BYTES = 1 << 20, /* per thread: frames, as they are and compressed */
    FACTOR_BYTES = 4,     /* per element of a Hessian, beside it: its factor */
    WORK_BYTES = 8,       /* in its place, until it is made: one in double */
    KEPT_WIDTH = 4        /* of inputs that are kept, in rows (runtime/paired_calibration.c) */
};

/* What one layer and one window took. */
typedef struct probe {
    uint64_t resident;      /* at the peak */
    uint64_t moment_bytes;  /* of that, second moments of all inputs of the layer */
    uint64_t layer_bytes;   /* weights of the layer in memory */
    uint64_t outside_bytes; /* of those outside layers */
    uint64_t all_bytes;     /* of all layers */
    uint64_t exec_bytes;    /* scratch memory and cache of an execution */
    uint64_t row_bytes;     /* of a token between layers */
    uint64_t attended;      /* columns of attention's output projection */
    uint64_t logits_bytes;  /* of a token's logits */
    uint64_t tape_bytes;    /* of one window's intermediate values, about */
    size_t n_layers;
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

/* What was observed of the first layer. */
static void measure(const swg_memory_request *r, const swg_model *model,
                    const swg_calibration *calibration, probe *p)
{
    const swg_hparams *h = &model->hparams;
    const size_t window = r->text->window;
    const swg_weight *const *weights;
    const swg_layer_stats *stats;
    size_t n;
    add_weights(model, p);
    for (size_t i = 0; (stats = swg_calibration_input(calibration, i, &weights, &n)); i++)
        p->moment_bytes += stats->k * stats->k * sizeof(float);
    p->row_bytes = (uint64_t)h->d_model * sizeof(float);
    p->attended = (uint64_t)h->n_heads * (uint64_t)h->head_dim;
    p->logits_bytes = (uint64_t)h->n_outputs * sizeof(float);
    /* Values and their gradients, and the weights of attention. */
    p->tape_bytes = 2 * window * (p->tape_bytes + 6 * p->row_bytes) +
                    2 * (uint64_t)h->n_heads * window * window * sizeof(float);
    /* Of the cache, only the first layer's pages have been touched. */
    const uint64_t cached = 2 * (uint64_t)h->n_kv_heads * (uint64_t)h->head_dim * sizeof(float);
    p->resident = swg_peak_rss_bytes() + (p->n_layers - 1) * window * cached;
}

static swg_status run_probe(const swg_memory_request *r, swg_model *model, probe *p)
{
    swg_calibration_options options = swg_calibration_options_default();
    swg_calibration *calibration = NULL;
    const size_t window = r->text->window;
    options.pool = r->pool;
    options.may_leave_rest = true; /* the estimate has to keep to a limit, too */
    p->n_layers = (size_t)model->hparams.n_layers;
    SWG_TRY(swg_model_load_layer(model, p->n_layers));
    SWG_TRY(swg_model_load_layer(model, 0));
    const uint64_t before = swg_mem_in_use();
    SWG_TRY(swg_calibration_new(model, r->text->ids, 1, window, &options, &calibration));
    p->exec_bytes = swg_mem_in_use() - before; /* with the rows of one window and their logits */
    const swg_status status = swg_calibration_observe(calibration, 0);
    if (status == SWG_OK)
        measure(r, model, calibration, p);
    swg_calibration_free(&calibration);
    return status;
}

/* Quantizing a matrix of k columns: second moments of its input and their factor, either while that
 * is made or with the rows in work. */
static uint64_t quantizing_bytes(const swg_memory_request *r, uint64_t k)
{
    const uint64_t making = WORK_BYTES * k * k;
    const uint64_t rows = swg_pool_threads(r->pool) * BLOCK_ROWS * ROW_BYTES * k;
    const uint64_t working = FACTOR_BYTES * k * k + rows;
    return sizeof(float) * k * k + (making > working ? making : working);
}

/* What paired statistics take beside: shifts of the input, unless it is wider than the rows, and of
 * these, a factor, a window's inputs and sums of both models, and inputs that are kept, both
 * models' of attention's output and one's of the last (runtime/paired_calibration.c). */
static uint64_t paired_bytes(const swg_memory_request *r, const probe *p, uint64_t k,
                             uint64_t tokens)
{
    const uint64_t d_model = p->row_bytes / sizeof(float);
    const bool is_last = k > d_model && k != p->attended;
    uint64_t n = k * k + d_model * k + 2 * r->text->window * (k + d_model);
    if (!is_last)
        n += k * k;
    if (k == p->attended)
        n += 2 * tokens * k;
    else if (is_last && k <= KEPT_WIDTH * d_model)
        n += tokens * k;
    return n * sizeof(float);
}

/* The most that quantizing a matrix takes, with what is written of it. */
static uint64_t most_quantizing_bytes(const swg_memory_request *r, const probe *p, uint64_t tokens)
{
    uint64_t most = r->plan->largest_bytes;
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const swg_plan_entry *entry = &r->plan->entries[i];
        const uint64_t k = swg_tensor_cols(&entry->desc);
        if (!entry->is_quantized)
            continue;
        uint64_t bytes = quantizing_bytes(r, k) + swg_tensor_bytes(&entry->desc);
        if (r->is_paired)
            bytes += paired_bytes(r, p, k, tokens);
        most = bytes > most ? bytes : most;
    }
    return most + swg_pool_threads(r->pool) * SINK_BYTES;
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
    plan.quantizing = most_quantizing_bytes(r, &p, tokens);
    if (!r->is_sequential)
        plan.quantizing += idle;
    else if (!r->is_paired) /* beside the moments of all inputs of the layer */
        plan.quantizing += p.resident + rows;
    else /* beside both models, with the moments of one input at a time */
        plan.quantizing += p.resident - p.moment_bytes + rows + p.layer_bytes + p.exec_bytes + rows;
    if (r->collects)
        plan.collecting = p.resident + rows;
    if (r->needs_sensitivity)
        plan.measuring = p.resident + sensed * p.row_bytes * (p.n_layers + 2) +
                         2 * END_ROWS * p.logits_bytes + p.tape_bytes;
    if (r->verifies) { /* both models, the pages that the original was loaded from, and logits of a
                          piece of a window (eval/lockstep.c) */
        const uint64_t piece = 256 * p.logits_bytes, most = (uint64_t)32 << 20;
        plan.verifying =
            p.resident + 3 * p.all_bytes + 2 * p.outside_bytes + 2 * (piece < most ? piece : most);
    }
    const uint64_t phases[] = {plan.collecting, plan.measuring, plan.quantizing, plan.verifying};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        plan.peak = phases[i] > plan.peak ? phases[i] : plan.peak;
    if (limit && plan.peak > limit)
        plan.peak = limit;
    *out = plan;
    return SWG_OK;
}
