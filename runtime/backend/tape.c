/* The tape backend: passes every operation to the CPU backend and records it on the way. The
 * derivatives are in tape_reverse.c and tape_attention.c. */
#include "runtime/backend/tape.h"

#include <string.h>

#include "runtime/backend/tape_state.h"

static const swg_backend *const cpu = &swg_backend_cpu;

static swg_tape *tape_of(const swg_exec *exec)
{
    return exec->backend_state;
}

/* The execution that the CPU backend sees. */
static swg_exec *inner_of(const swg_exec *exec)
{
    return &tape_of(exec)->inner;
}

/* --- Recording -------------------------------------------------------------------------------- */

/* A copy of the value's rows, or NULL: the tape's status is then set. */
static float *save(swg_tape *tape, swg_value x)
{
    const size_t elems = x.rows * x.columns;
    float *copy =
        tape->status == SWG_OK ? swg_arena_calloc(&tape->part.saved, elems, sizeof *copy) : NULL;
    tape->part.saved_elems += elems;
    if (copy)
        memcpy(copy, x.data, elems * sizeof *copy);
    else if (tape->status == SWG_OK)
        tape->status = SWG_NO_MEMORY;
    return copy;
}

/* Append an entry; NULL when the tape does not record or cannot. */
static swg_tape_entry *append(swg_tape *tape, swg_tape_reverse_function *function)
{
    if (!tape->is_recording || tape->status != SWG_OK)
        return NULL;
    tape->status = swg_reserve((void **)&tape->part.entries, &tape->part.capacity,
                               tape->part.n_entries + 1, sizeof *tape->part.entries);
    if (tape->status != SWG_OK)
        return NULL;
    swg_tape_entry *entry = &tape->part.entries[tape->part.n_entries++];
    *entry = (swg_tape_entry){.reverse = function};
    return entry;
}

void swg_tape_record(swg_exec *exec)
{
    if (exec->backend != &swg_backend_tape)
        return; /* swg_tape_reverse will say so */
    swg_tape *tape = tape_of(exec);
    swg_arena_deinit(&tape->part.saved);
    tape->part.n_entries = tape->part.saved_elems = 0;
    tape->part.has_part = tape->part.has_input = false;
    tape->status = SWG_OK;
    tape->is_recording = true;
}

/* --- Reversing -------------------------------------------------------------------------------- */

static swg_status check_reversible(const swg_exec *exec)
{
    if (exec->backend != &swg_backend_tape)
        return swg_error(SWG_USAGE, "the model is of backend %s, not of the tape",
                         exec->backend->name);
    const swg_tape *tape = tape_of(exec);
    SWG_TRY(tape->status);
    if (!tape->part.has_part)
        return swg_error(SWG_USAGE, "no part of a forward pass has been recorded");
    return SWG_OK;
}

/* Distinct values, by their memory. */
typedef struct values {
    const void *data[SWG_TAPE_MAX_VALUES];
    size_t elems[SWG_TAPE_MAX_VALUES];
    size_t n;
} values;

static void add_value(values *v, swg_value value)
{
    const size_t elems = value.rows * value.columns;
    size_t i = 0;
    while (i < v->n && v->data[i] != value.data)
        i++;
    if (!value.data || i == SWG_TAPE_MAX_VALUES)
        return;
    v->data[i] = value.data;
    v->elems[i] = i < v->n && v->elems[i] > elems ? v->elems[i] : elems;
    v->n += i == v->n;
}

swg_status swg_tape_measure(swg_exec *exec, swg_tape_columns *out)
{
    values v = {.n = 0};
    SWG_TRY(check_reversible(exec));
    const swg_tape_recording *part = &tape_of(exec)->part;
    tape_of(exec)->is_recording = false;
    add_value(&v, part->output);
    for (size_t i = 0; i < part->n_entries; i++) {
        const swg_tape_entry *entry = &part->entries[i];
        const swg_value operands[] = {entry->x, entry->y, entry->k, entry->v};
        for (size_t k = 0; k < sizeof operands / sizeof *operands; k++)
            add_value(&v, operands[k]);
    }
    *out = (swg_tape_columns){.saved = part->saved_elems / part->output.rows};
    for (size_t i = 0; i < v.n; i++)
        out->gradients += v.elems[i] / part->output.rows;
    return SWG_OK;
}

static swg_status reverse(swg_tape *tape, const float *dy, float *dx)
{
    float *seed = swg_tape_gradient_of(tape, tape->part.output);
    if (!seed)
        return tape->status;
    memcpy(seed, dy, tape->part.output.rows * tape->part.output.columns * sizeof *seed);
    for (size_t i = tape->part.n_entries; i-- > 0;)
        SWG_TRY(tape->part.entries[i].reverse(tape, &tape->part.entries[i]));
    if (!dx)
        return SWG_OK;
    const float *gradient = swg_tape_gradient_of(tape, tape->part.input);
    if (!gradient)
        return tape->status;
    memcpy(dx, gradient, tape->part.input.rows * tape->part.input.columns * sizeof *dx);
    return SWG_OK;
}

swg_status swg_tape_reverse(swg_exec *exec, const float *dy, float *dx,
                            const swg_gradient_observer *observer)
{
    static const swg_gradient_observer nobody;
    SWG_TRY(check_reversible(exec));
    swg_tape *tape = tape_of(exec);
    if (dx && !tape->part.has_input)
        return swg_error(SWG_USAGE, "the recorded part has no input to differentiate by");
    tape->is_recording = false;
    tape->observer = observer ? observer : &nobody;
    const swg_status status = reverse(tape, dy, dx);
    swg_arena_deinit(&tape->gradient_memory);
    tape->n_gradients = 0;
    tape->observer = NULL;
    tape->status = SWG_OK;
    return status;
}

/* --- Recordings that are kept ----------------------------------------------------------------- */

void swg_tape_recording_free(swg_tape_recording **recording)
{
    swg_tape_recording *r = *recording;
    if (!r)
        return;
    swg_free(r->entries);
    swg_arena_deinit(&r->saved);
    swg_free(r->batch.ids);
    swg_free(r->batch.types);
    swg_free(r->batch.positions);
    swg_free(r->batch.spans);
    swg_free(r);
    *recording = NULL;
}

/* What derivatives read of a batch. */
static swg_status copy_batch(const swg_batch *from, swg_batch *to)
{
    to->n = from->n;
    SWG_TRY(SWG_NEW(to->ids, from->n));
    SWG_TRY(SWG_NEW(to->types, from->n));
    SWG_TRY(SWG_NEW(to->positions, from->n));
    SWG_TRY(SWG_NEW(to->spans, from->n_spans));
    to->n_spans = from->n_spans;
    memcpy(to->ids, from->ids, from->n * sizeof *to->ids);
    memcpy(to->types, from->types, from->n * sizeof *to->types);
    memcpy(to->positions, from->positions, from->n * sizeof *to->positions);
    memcpy(to->spans, from->spans, from->n_spans * sizeof *to->spans);
    return SWG_OK;
}

swg_status swg_tape_keep(swg_exec *exec, swg_tape_recording **out)
{
    swg_tape_recording *recording = NULL;
    swg_status status = SWG_OK;
    SWG_TRY(check_reversible(exec));
    swg_tape *tape = tape_of(exec);
    SWG_GO(SWG_NEW(recording, 1));
    SWG_GO(copy_batch(&tape->inner.batch, &recording->batch));
    const swg_batch batch = recording->batch;
    *recording = tape->part;
    recording->batch = batch;
    tape->part = (swg_tape_recording){0};
    tape->is_recording = false;
    *out = recording;
    recording = NULL;
done:
    swg_tape_recording_free(&recording);
    return status;
}

swg_status swg_tape_reverse_kept(swg_exec *exec, swg_tape_recording *recording, const float *dy,
                                 float *dx, const swg_gradient_observer *observer)
{
    swg_tape_record(exec);
    if (exec->backend != &swg_backend_tape)
        return check_reversible(exec);
    swg_tape *tape = tape_of(exec);
    const swg_tape_recording before = tape->part;
    const swg_batch batch = tape->inner.batch;
    tape->part = *recording;
    tape->inner.batch = recording->batch;
    cpu->begin(&tape->inner); /* the angles of its positions */
    const swg_status status = swg_tape_reverse(exec, dy, dx, observer);
    tape->part = before;
    tape->inner.batch = batch;
    return status;
}

/* --- The backend: set-up, values and batches -------------------------------------------------- */

static void deinit(swg_exec *exec)
{
    swg_tape *tape = tape_of(exec);
    if (tape->inner.backend_state)
        cpu->deinit(&tape->inner);
    swg_arena_deinit(&tape->part.saved);
    swg_arena_deinit(&tape->gradient_memory);
    swg_free(tape->part.entries);
    swg_free(tape);
    exec->backend_state = NULL;
}

static swg_status init(swg_exec *exec)
{
    swg_tape *tape;
    SWG_TRY(SWG_NEW(tape, 1));
    exec->backend_state = tape; /* from here on swg_exec_free releases it */
    tape->inner = *exec;
    tape->inner.backend = cpu;
    tape->inner.backend_state = NULL;
    return cpu->init(&tape->inner);
}

static swg_status value_new(swg_exec *exec, size_t rows, size_t columns, swg_value *out)
{
    return cpu->value_new(inner_of(exec), rows, columns, out);
}

static void value_free(swg_exec *exec, swg_value *value)
{
    cpu->value_free(inner_of(exec), value);
}

/* The rows that a part reads are its input, those that it hands out its output. */
static void upload(swg_exec *exec, const float *host, swg_value value)
{
    swg_tape *tape = tape_of(exec);
    cpu->upload(&tape->inner, host, value);
    if (tape->is_recording) {
        tape->part.input = value;
        tape->part.has_input = true;
    }
}

static void download(swg_exec *exec, swg_value value, float *host)
{
    swg_tape *tape = tape_of(exec);
    cpu->download(&tape->inner, value, host);
    if (tape->is_recording) {
        tape->part.output = value;
        tape->part.has_part = true;
    }
}

static swg_value output(swg_exec *exec, float *host, size_t rows, size_t columns)
{
    return cpu->output(inner_of(exec), host, rows, columns);
}

static const float *host_rows(swg_exec *exec, swg_value value)
{
    return cpu->host_rows(inner_of(exec), value);
}

static void gather(swg_exec *exec, swg_value value, const size_t *rows, size_t n)
{
    cpu->gather(inner_of(exec), value, rows, n);
}

/* Whether the batch is what a recording can hold: texts from their first position. */
static swg_status check_batch(const swg_tape *tape)
{
    if (tape->part.has_part)
        return swg_error(SWG_UNSUPPORTED,
                         "gradients of a text of more rows than are computed together");
    for (size_t i = 0; i < tape->inner.batch.n_spans; i++)
        if (tape->inner.batch.spans[i].position > 0)
            return swg_error(SWG_UNSUPPORTED, "gradients of a text that continues at position %zu",
                             tape->inner.batch.spans[i].position);
    return SWG_OK;
}

static void begin(swg_exec *exec)
{
    swg_tape *tape = tape_of(exec);
    tape->inner.batch = exec->batch;
    cpu->begin(&tape->inner);
    if (tape->is_recording && tape->status == SWG_OK)
        tape->status = check_batch(tape);
}

static swg_status finish(swg_exec *exec)
{
    const swg_tape *tape = tape_of(exec);
    SWG_TRY(cpu->finish(inner_of(exec)));
    return tape->is_recording ? tape->status : SWG_OK;
}

/* --- The backend: operations ------------------------------------------------------------------ */

static void embed(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x)
{
    swg_tape_entry *entry = append(tape_of(exec), swg_tape_embed);
    if (entry) {
        entry->weight = weight;
        entry->index = index;
        entry->is_added = is_added;
        entry->x = x;
    }
    cpu->embed(inner_of(exec), weight, index, is_added, x);
}

/* Either norm: the derivative needs the input. */
static void record_norm(swg_tape *tape, swg_tape_reverse_function *function,
                        const swg_weight *weight, swg_value x, swg_value y)
{
    swg_tape_entry *entry = append(tape, function);
    if (!entry)
        return;
    entry->weight = weight;
    entry->x = x;
    entry->y = y;
    entry->saved = save(tape, x);
}

static void rmsnorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    record_norm(tape_of(exec), swg_tape_rmsnorm, weight, x, y);
    cpu->rmsnorm(inner_of(exec), weight, x, y);
}

static void layernorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    record_norm(tape_of(exec), swg_tape_layernorm, weight, x, y);
    cpu->layernorm(inner_of(exec), weight, x, y);
}

static void linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                    const swg_value *y)
{
    swg_tape *tape = tape_of(exec);
    float *saved = NULL;
    for (size_t i = 0; i < count; i++) {
        swg_tape_entry *entry = append(tape, swg_tape_linear);
        if (!entry)
            break;
        saved = saved ? saved : save(tape, x);
        entry->weight = weights[i];
        entry->x = x;
        entry->y = y[i];
        entry->saved = saved;
    }
    cpu->linears(&tape->inner, x, count, weights, y);
}

static void rope(swg_exec *exec, size_t layer, swg_value x)
{
    swg_tape_entry *entry = append(tape_of(exec), swg_tape_rope);
    if (entry) {
        entry->layer = layer;
        entry->x = x;
    }
    cpu->rope(inner_of(exec), layer, x);
}

static void attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                   swg_value k, swg_value v, swg_value y)
{
    swg_tape *tape = tape_of(exec);
    swg_tape_entry *entry = append(tape, swg_tape_attend);
    if (entry) {
        entry->attend = options;
        entry->layer = layer;
        entry->x = q;
        entry->k = k;
        entry->v = v;
        entry->y = y;
        entry->saved = save(tape, q);
        entry->saved_k = save(tape, k);
        entry->saved_v = save(tape, v);
    }
    cpu->attend(&tape->inner, layer, options, q, k, v, y);
}

static void recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                  swg_value gates, swg_value states, swg_value y)
{
    swg_tape *tape = tape_of(exec);
    cpu->recur(&tape->inner, cell, weight, layer, gates, states, y);
    if (tape->is_recording && tape->status == SWG_OK && cell == SWG_CELL_GRU &&
        !exec->model->hparams.recurrent.reset_after)
        tape->status = swg_error(SWG_UNSUPPORTED,
                                 "gradients of a GRU that resets the state before its product");
    swg_tape_entry *entry = append(tape, swg_tape_recur);
    if (entry) {
        entry->weight = weight;
        entry->cell = cell;
        entry->x = gates;
        entry->y = y;
        entry->saved = save(tape, gates);
        entry->saved_k = save(tape, states);
    }
}

static void silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    swg_tape *tape = tape_of(exec);
    swg_tape_entry *entry = append(tape, swg_tape_silu_mul);
    if (entry) {
        entry->x = gate;
        entry->y = up;
        entry->saved = save(tape, gate);
        entry->saved_k = save(tape, up);
    }
    cpu->silu_mul(&tape->inner, gate, up);
}

static void activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    swg_tape *tape = tape_of(exec);
    swg_tape_entry *entry = append(tape, swg_tape_activate);
    if (entry) {
        entry->activation = activation;
        entry->x = x;
        entry->saved = save(tape, x);
    }
    cpu->activate(&tape->inner, activation, x);
}

static void mul(swg_exec *exec, swg_value x, swg_value y)
{
    swg_tape *tape = tape_of(exec);
    swg_tape_entry *entry = append(tape, swg_tape_mul);
    if (entry) {
        entry->x = x;
        entry->y = y;
        entry->saved = save(tape, x);
        entry->saved_k = save(tape, y);
    }
    cpu->mul(&tape->inner, x, y);
}

static void scale(swg_exec *exec, float factor, swg_value x)
{
    swg_tape_entry *entry = append(tape_of(exec), swg_tape_scale);
    if (entry) {
        entry->factor = factor;
        entry->x = x;
    }
    cpu->scale(inner_of(exec), factor, x);
}

static void add(swg_exec *exec, swg_value x, swg_value y)
{
    swg_tape_entry *entry = append(tape_of(exec), swg_tape_add);
    if (entry) {
        entry->x = x;
        entry->y = y;
    }
    cpu->add(inner_of(exec), x, y);
}

static void add_vector(swg_exec *exec, const swg_weight *vector, swg_value x)
{
    swg_tape_entry *entry = append(tape_of(exec), swg_tape_add_vector);
    if (entry) {
        entry->weight = vector;
        entry->x = x;
    }
    cpu->add_vector(inner_of(exec), vector, x);
}

const swg_backend swg_backend_tape = {
    .name = "tape",
    .weights = &swg_cpu_weights,
    .init = init,
    .deinit = deinit,
    .value_new = value_new,
    .value_free = value_free,
    .upload = upload,
    .download = download,
    .output = output,
    .host_rows = host_rows,
    .gather = gather,
    .begin = begin,
    .finish = finish,
    .embed = embed,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .linears = linears,
    .rope = rope,
    .attend = attend,
    .recur = recur,
    .silu_mul = silu_mul,
    .activate = activate,
    .mul = mul,
    .scale = scale,
    .add = add,
    .add_vector = add_vector,
};
