/* The operations of forward.h: look up weights by role and pass the work to the backend. */
#include "runtime/forward.h"

#include "runtime/exec_state.h"

/* Whether the observer has seen enough, so that nothing more needs to be computed. */
static bool is_over(const swg_exec *exec)
{
    const swg_observer *observer = exec->options.observer;
    return observer && observer->has_enough && *observer->has_enough;
}

/* Whether operations are left out: all that come after enough was seen or before the point where a
 * layer resumes. */
static bool is_idle(const swg_exec *exec)
{
    return exec->is_resuming || is_over(exec);
}

/* Whether the next product is to be computed: with what was kept of its input, if the layer resumes
 * there. */
static bool reach_product(swg_exec *exec, swg_value x)
{
    if (exec->is_resuming && exec->from.input && exec->point.n_products == exec->from.n_products) {
        exec->backend->upload(exec, exec->from.input, x);
        exec->is_resuming = false;
    }
    exec->point.n_products += exec->is_resuming;
    return !exec->is_resuming;
}

/* Whether the next sum is to be computed. */
static bool reach_sum(swg_exec *exec)
{
    if (!exec->is_resuming)
        return true;
    exec->point.n_sums++;
    exec->is_resuming = exec->from.input || exec->point.n_sums < exec->from.n_sums;
    return false;
}

const swg_hparams *swg_exec_hparams(const swg_exec *exec)
{
    return &exec->model->hparams;
}

bool swg_has(const swg_exec *exec, swg_role role)
{
    return swg_model_weight(exec->model, role, 0) != NULL;
}

void swg_embed(swg_exec *exec, swg_role role, swg_index index, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->backend->embed(exec, swg_model_weight(exec->model, role, 0), index, false, x);
}

void swg_embed_add(swg_exec *exec, swg_role role, swg_index index, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->backend->embed(exec, swg_model_weight(exec->model, role, 0), index, true, x);
}

void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->rmsnorm(exec, swg_model_weight(exec->model, role, layer), x, y);
}

void swg_layernorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->layernorm(exec, swg_model_weight(exec->model, role, layer), x, y);
}

/* Show the observer, if there is one, what the weights are about to be multiplied with. */
static void observe(swg_exec *exec, const swg_weight *const *weights, size_t count, swg_value x)
{
    const swg_observer *observer = exec->options.observer;
    if (!observer || !observer->inputs)
        return;
    if (observer->sums && exec->backend->sums) {
        swg_exec_sums *sums = observer->sums(observer->context, weights, count, x.rows, x.columns);
        if (sums)
            exec->backend->sums->add(sums, x);
        return;
    }
    const float *rows = exec->backend->host_rows(exec, x);
    if (rows)
        observer->inputs(observer->context, weights, count, rows, x.rows, x.columns, x.columns);
}

/* The same for what a product is about to be added to. */
static void observe_sum(swg_exec *exec, swg_value x, swg_value y)
{
    const swg_observer *observer = exec->options.observer;
    if (!observer || !observer->added_to || exec->product != y.data)
        return;
    const float *rows = exec->backend->host_rows(exec, x);
    if (rows)
        observer->added_to(observer->context, rows, x.rows, x.columns);
}

void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y)
{
    const swg_weight *weights[SWG_MAX_JOINT_LINEARS] = {0};
    if (is_over(exec) || !reach_product(exec, x))
        return;
    for (size_t i = 0; i < count; i++)
        weights[i] = swg_model_weight(exec->model, roles[i], layer);
    observe(exec, weights, count, x);
    if (is_over(exec))
        return;
    exec->point.n_products++;
    exec->backend->linears(exec, x, count, weights, y);
    exec->product = count == 1 ? y->data : NULL;
}

void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    swg_linears(exec, layer, x, 1, &role, &y);
}

void swg_rope(swg_exec *exec, size_t layer, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->rope(exec, layer, x);
}

static void observe_scores(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                           swg_value k)
{
    const swg_observer *observer = exec->options.observer;
    if (!observer || !observer->scores)
        return;
    const size_t head_dim = (size_t)exec->model->hparams.head_dim;
    const swg_scored rows = {.layer = layer,
                             .rows = q.rows,
                             .n_heads = q.columns / head_dim,
                             .n_kv_heads = k.columns / head_dim,
                             .head_dim = head_dim,
                             .options = options,
                             .q = exec->backend->host_rows(exec, q),
                             .k = exec->backend->host_rows(exec, k)};
    if (rows.q && rows.k)
        observer->scores(observer->context, &rows);
}

void swg_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q, swg_value k,
                swg_value v, swg_value y)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    observe_scores(exec, layer, options, q, k);
    exec->backend->attend(exec, layer, options, q, k, v, y);
}

void swg_recur(swg_exec *exec, swg_cell cell, swg_role role, size_t layer, swg_value gates,
               swg_value states, swg_value y)
{
    if (is_idle(exec))
        return;
    const swg_weight *weight = swg_model_weight(exec->model, role, layer);
    exec->backend->recur(exec, cell, weight, layer, gates, states, y);
    observe(exec, &weight, 1,
            states); /* known only now: each row's state depends on the row before */
}

void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->silu_mul(exec, gate, up);
}

void swg_activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->activate(exec, activation, x);
}

void swg_mul(swg_exec *exec, swg_value x, swg_value y)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->mul(exec, x, y);
}

void swg_scale(swg_exec *exec, float factor, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->product = NULL;
    exec->backend->scale(exec, factor, x);
}

void swg_add(swg_exec *exec, swg_value x, swg_value y)
{
    if (is_over(exec) || !reach_sum(exec))
        return;
    observe_sum(exec, x, y);
    if (is_over(exec))
        return;
    exec->point.n_sums++;
    exec->product = NULL;
    exec->backend->add(exec, x, y);
}

void swg_add_vector(swg_exec *exec, swg_role role, size_t layer, swg_value x)
{
    if (is_idle(exec))
        return;
    exec->backend->add_vector(exec, swg_model_weight(exec->model, role, layer), x);
}
