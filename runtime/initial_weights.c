/* A model before its training. See initial_weights.h. Every tensor has a generator of its own,
 * seeded with its name: its numbers do not depend on the other tensors. */
#include "runtime/initial_weights.h"

#include <math.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/memory_source.h"
#include "runtime/arch/tensor_rows.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

#define USUAL_DEVIATION 0.02
#define RECURRENT_EMBEDDING_LIMIT 0.05

typedef struct making {
    const swg_arch *arch;
    swg_hparams hparams;
    double deviation; /* of a transformer's weights */
    uint64_t seed;
    swg_source *source;
} making;

/* One weight's rows of a tensor. */
typedef struct part {
    const swg_tensor_row *row;
    size_t layer, n, k;
    float *values; /* [n][k] */
} part;

/* --- Numbers ---------------------------------------------------------------------------------- */

static void fill_normal(const part *p, swg_rng *rng, double deviation)
{
    for (size_t i = 0; i < p->n * p->k; i++)
        p->values[i] = (float)deviation * swg_rng_normal(rng);
}

static void fill_uniform(const part *p, swg_rng *rng, double limit)
{
    for (size_t i = 0; i < p->n * p->k; i++)
        p->values[i] = (float)(limit * (2 * swg_rng_uniform(rng) - 1));
}

/* Rows of length 1 at right angles to each other, from normal ones by Gram and Schmidt; n <= k. */
static void fill_orthogonal(float *values, size_t n, size_t k, swg_rng *rng)
{
    for (size_t row = 0; row < n; row++) {
        float *v = values + row * k;
        double square = 0;
        for (size_t j = 0; j < k; j++)
            v[j] = swg_rng_normal(rng);
        for (size_t other = 0; other < row; other++) {
            const float *u = values + other * k;
            double dot = 0;
            for (size_t j = 0; j < k; j++)
                dot += (double)u[j] * (double)v[j];
            for (size_t j = 0; j < k; j++)
                v[j] -= (float)(dot * (double)u[j]);
        }
        for (size_t j = 0; j < k; j++)
            square += (double)v[j] * (double)v[j];
        for (size_t j = 0; j < k; j++)
            v[j] = (float)((double)v[j] / sqrt(square));
    }
}

static void fill_vector(const part *p)
{
    const bool is_norm =
        p->row->role != SWG_ROLE_HEAD_BIAS && p->row->transform != SWG_TRANSFORM_PLUS_ONE;
    for (size_t i = 0; i < p->n; i++)
        p->values[i] = is_norm ? 1 : 0;
}

static void fill_recurrent(const part *p, swg_rng *rng)
{
    switch (p->row->role) {
    case SWG_ROLE_EMBEDDING:
        fill_uniform(p, rng, RECURRENT_EMBEDDING_LIMIT);
        break;
    case SWG_ROLE_RECURRENT_STATE:
        for (size_t gate = 0; gate < p->n / p->k; gate++)
            fill_orthogonal(p->values + gate * p->k * p->k, p->k, p->k, rng);
        break;
    default:
        fill_uniform(p, rng, sqrt(6.0 / (double)(p->n + p->k)));
    }
}

static void fill_transformer(const making *m, const part *p, swg_rng *rng)
{
    const bool ends_a_part =
        p->row->role == SWG_ROLE_ATTENTION_OUTPUT || p->row->role == SWG_ROLE_FFN_DOWN ||
        p->row->role == SWG_ROLE_EXPERT_DOWN;
    const double share =
        ends_a_part && !m->hparams.is_encoder ? 1 / sqrt(2 * (double)m->hparams.n_layers) : 1;
    fill_normal(p, rng, m->deviation * share);
}

static void fill(const making *m, const part *p, swg_rng *rng)
{
    if (p->row->k == SWG_DIM_ONE)
        fill_vector(p);
    else if (m->hparams.recurrent.units[0] > 0)
        fill_recurrent(p, rng);
    else
        fill_transformer(m, p, rng);
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static swg_status add_bias(const making *m, const swg_tensor_row *row, size_t layer,
                           const char *weight_name, uint64_t rows)
{
    char name[SWG_TENSOR_NAME_BYTES];
    float *values;
    swg_tensor_bias_name(weight_name, name);
    SWG_TRY(swg_memory_source_add(m->source, name, 1, &rows, &values));
    if (row->role != SWG_ROLE_RECURRENT_INPUT || m->hparams.recurrent.cell != SWG_CELL_LSTM)
        return SWG_OK;
    const size_t units = (size_t)m->hparams.recurrent.units[layer];
    for (size_t i = units; i < 2 * units; i++) /* gates are input, forget, new, output */
        values[i] = 1;
    return SWG_OK;
}

/* The tensor whose first rows are those of `row`: with the weights that share it, by rows. */
static swg_status add_tensor(const making *m, const swg_tensor_row *row, size_t layer,
                             size_t expert)
{
    const swg_arch *arch = m->arch;
    const swg_row_range range = swg_tensor_row_range(arch, &m->hparams, row, layer);
    const size_t k = swg_dim_size(&m->hparams, row->k, layer);
    const uint64_t shape[] = {range.total_rows, k};
    char name[SWG_TENSOR_NAME_BYTES];
    float *values;
    swg_tensor_row_name(row->pattern, arch->prefixes ? arch->prefixes[0] : "", layer, expert, name);
    SWG_TRY(
        swg_memory_source_add(m->source, name, row->k == SWG_DIM_ONE ? 1 : 2, shape, &values));
    swg_rng rng = swg_rng_seeded(m->seed ^ swg_hash64(name, strlen(name)));
    for (const swg_tensor_row *other = row; other < arch->tensors + arch->n_tensors; other++) {
        if (!swg_tensor_row_applies(&m->hparams, other) ||
            strcmp(other->pattern, row->pattern) != 0)
            continue;
        const swg_row_range at = swg_tensor_row_range(arch, &m->hparams, other, layer);
        const part p = {.row = other,
                        .layer = layer,
                        .n = at.n_rows,
                        .k = k,
                        .values = values + at.first_row * k};
        fill(m, &p, &rng);
    }
    const bool has_bias =
        swg_tensor_row_has_bias(&m->hparams, row) || (row->flags & SWG_BIAS_MAY);
    return has_bias ? add_bias(m, row, layer, name, range.total_rows) : SWG_OK;
}

static bool is_wanted(const making *m, const swg_tensor_row *row)
{
    return swg_tensor_row_applies(&m->hparams, row) &&
           !((row->flags & SWG_TENSOR_TIED) && m->hparams.tied_head);
}

static swg_status add_tensors(const making *m)
{
    const swg_arch *arch = m->arch;
    for (const swg_tensor_row *row = arch->tensors; row < arch->tensors + arch->n_tensors; row++) {
        const size_t n_layers = swg_role_layers(&m->hparams, row->role);
        for (size_t layer = 0; is_wanted(m, row) && layer < n_layers; layer++)
            for (size_t e = 0; e < swg_role_experts(&m->hparams, row->role); e++)
                if (swg_tensor_row_range(arch, &m->hparams, row, layer).first_row == 0)
                    SWG_TRY(add_tensor(m, row, layer, e));
    }
    return swg_memory_source_finish(m->source);
}

/* --- The whole -------------------------------------------------------------------------------- */

static swg_status check_memory(const making *m)
{
    const double machine = (double)swg_machine_memory_bytes();
    double bytes = 0;
    for (size_t i = 0; i < m->arch->n_tensors; i++) {
        const swg_tensor_row *row = &m->arch->tensors[i];
        if (is_wanted(m, row))
            bytes += 4 * (double)swg_role_layers(&m->hparams, row->role) *
                     (double)swg_dim_size(&m->hparams, row->n, 0) *
                     (double)swg_dim_size(&m->hparams, row->k, 0);
    }
    return machine > 0 && bytes > machine
               ? swg_error(SWG_LIMIT,
                           "weights of %.1f GB do not fit the machine's %.1f GB of memory",
                           1e-9 * bytes, 1e-9 * machine)
               : SWG_OK;
}

static swg_status read_deviation(const char *config, size_t length, double *out)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *value = swg_json_get(swg_json_root(doc), "initializer_range");
    swg_status status = SWG_OK;
    *out = USUAL_DEVIATION;
    if (!swg_json_is_null(value) && (!swg_json_as_double(value, out) || !(*out > 0 && *out <= 1)))
        status = swg_error(SWG_CORRUPT,
                           "config.json: initializer_range must be a number above 0, at most 1");
    swg_json_free(&doc);
    return status;
}

swg_status swg_initial_weights(const char *config, size_t length, const swg_file_view *files,
                               size_t n_files, uint64_t seed, swg_source **out)
{
    swg_status status = SWG_OK;
    making m = {.seed = seed};
    SWG_GO(swg_hparams_read(config, length, &m.arch, &m.hparams));
    SWG_GO(read_deviation(config, length, &m.deviation));
    SWG_GO(check_memory(&m));
    SWG_GO(swg_memory_source_new("the new model", config, length, &m.source));
    for (size_t i = 0; i < n_files; i++)
        SWG_GO(swg_memory_source_add_file(m.source, files[i]));
    SWG_GO(add_tensors(&m));
    *out = m.source;
    m.source = NULL;
done:
    swg_source_close(&m.source);
    return status;
}
