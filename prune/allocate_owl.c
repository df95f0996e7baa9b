/* OWL (Yin et al. 2023, arXiv 2310.05175): a layer with more outliers is pruned less. An outlier is
 * a |w| |x| above 5 times the layer's mean; the layers' shares of outliers, stretched to a range of
 * 2 * 0.08, are taken off the ratio, their mean added. */
#include <math.h>
#include <string.h>

#include "prune/allocate.h"
#include "prune/wanda_scores.h"
#include "runtime/base/mem.h"

static const double outlier_factor = 5, spread = 2 * 0.08;

/* Scores by the upper bits of their floats: 128 bins per power of two. */
enum { SHIFT = 16, BINS = 1 << 15, MAX_LAYERS = 4096 };

typedef struct owl {
    const swg_allocation_job *job;
    uint64_t *bins; /* of the layer */
    double sum, count;
    size_t layer, n_layers;
    double *outliers; /* [MAX_LAYERS] share of each layer */
    size_t *layer_of; /* [n_entries] */
} owl;

static void finish_layer(owl *o)
{
    const float limit = o->count > 0 ? (float)(outlier_factor * o->sum / o->count) : 0;
    uint32_t bits;
    double above = 0;
    memcpy(&bits, &limit, sizeof bits);
    for (size_t b = (bits >> SHIFT) + 1; b < BINS; b++)
        above += (double)o->bins[b];
    if (o->count > 0)
        o->outliers[o->layer] = above / o->count;
    memset(o->bins, 0, BINS * sizeof *o->bins);
    o->sum = o->count = 0;
}

static swg_status see_matrix(void *context, size_t entry, size_t layer, const float *w,
                             const swg_layer_stats *stats)
{
    owl *o = context;
    const swg_tensor_desc *desc = &o->job->plan->entries[entry].desc;
    const swg_prune_job job = {.name = desc->name,
                               .rows = (size_t)desc->shape[0],
                               .cols = (size_t)desc->shape[1],
                               .stats = stats};
    float *scores;
    if (layer >= MAX_LAYERS)
        return swg_error(SWG_LIMIT, "more than %d layers", MAX_LAYERS);
    if (layer != o->layer)
        finish_layer(o);
    o->layer = layer;
    o->n_layers = layer + 1;
    o->layer_of[entry] = layer;
    SWG_TRY(SWG_NEW_UNINIT(scores, job.rows * job.cols));
    const swg_status status = swg_wanda_scores(&job, w, scores);
    for (size_t i = 0; status == SWG_OK && i < job.rows * job.cols; i++) {
        const float score = scores[i] > 0 ? scores[i] : 0;
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        o->bins[bits >> SHIFT]++;
        o->sum += (double)score;
        o->count++;
    }
    swg_free(scores);
    return status;
}

/* Ratios by layer; the mean over weights stays that of the plan. */
static swg_status choose(const owl *o, double total, double *ratios)
{
    const swg_plan *plan = o->job->plan;
    double least = INFINITY, most = 0, elems = 0, mean = 0;
    for (size_t l = 0; l < o->n_layers; l++) {
        least = fmin(least, o->outliers[l]);
        most = fmax(most, o->outliers[l]);
    }
    const double stretch = most > least ? spread / (most - least) : 0;
    for (size_t i = 0; i < plan->n_entries; i++) {
        if (swg_sparsity_is_dense(plan->entries[i].sparsity))
            continue;
        const double n = (double)swg_tensor_elems(&plan->entries[i].desc);
        ratios[i] = -(o->outliers[o->layer_of[i]] - least) * stretch;
        mean += n * ratios[i];
        elems += n;
    }
    for (size_t i = 0; i < plan->n_entries; i++) {
        if (swg_sparsity_is_dense(plan->entries[i].sparsity))
            continue;
        ratios[i] += (total - mean) / elems;
        if (!(ratios[i] >= 0 && ratios[i] <= SWG_ALLOCATION_MOST))
            return swg_error(SWG_USAGE,
                             "tensor %s would lose %.4f of its weights, which is not from 0 to "
                             "%.2f; choose a ratio further from the ends",
                             plan->entries[i].desc.name, ratios[i], SWG_ALLOCATION_MOST);
    }
    return SWG_OK;
}

swg_status swg_allocate__owl(const swg_allocation_job *job, double total, double *ratios)
{
    swg_status status = SWG_OK;
    owl o = {.job = job};
    SWG_GO(SWG_NEW(o.bins, BINS));
    SWG_GO(SWG_NEW(o.outliers, MAX_LAYERS));
    for (size_t l = 0; l < MAX_LAYERS; l++)
        o.outliers[l] = NAN; /* layers that are not pruned have no part in the range */
    SWG_GO(SWG_NEW(o.layer_of, job->plan->n_entries));
    SWG_GO(swg_allocation_visit(job, false, see_matrix, &o));
    finish_layer(&o);
    SWG_GO(choose(&o, total, ratios));
done:
    swg_free(o.bins);
    swg_free(o.outliers);
    swg_free(o.layer_of);
    return status;
}
