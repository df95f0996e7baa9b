/* Global magnitude: one threshold for the weights of all matrices. Each matrix's ratio is the share
 * of its weights below the threshold; of equal ones, those of the first matrices. */
#include <math.h>
#include <string.h>

#include "prune/allocate.h"
#include "runtime/base/mem.h"

/* Weights by the upper 20 bits of |w|, a resolution of 0.1 %: a bin is divided evenly between the
 * matrices that have weights in it. */
enum { SHIFT = 12, BINS = 1 << (31 - SHIFT) };

static size_t bin_of(float w)
{
    uint32_t bits;
    w = fabsf(w);
    memcpy(&bits, &w, sizeof bits);
    return bits >> SHIFT;
}

static swg_status count_matrix(const swg_allocation_job *job, size_t entry, uint64_t *bins)
{
    const swg_tensor_desc *desc = &job->plan->entries[entry].desc;
    const size_t n = (size_t)swg_tensor_elems(desc);
    float *w;
    SWG_TRY(SWG_NEW_UNINIT(w, n));
    memset(bins, 0, BINS * sizeof *bins);
    const swg_status status = swg_source_read_f32(job->source, entry, 0, desc->shape[0], w);
    for (size_t i = 0; status == SWG_OK && i < n; i++)
        bins[bin_of(w[i])]++;
    swg_free(w);
    swg_source_release(job->source, entry);
    return status;
}

/* The bin in which the running count reaches `total`, and which share of it is below. */
static size_t find_threshold(const uint64_t *bins, double total, double *share)
{
    double before = 0;
    for (size_t b = 0; b < BINS; b++) {
        if (before + (double)bins[b] > total) {
            *share = (total - before) / (double)bins[b];
            return b;
        }
        before += (double)bins[b];
    }
    *share = 0;
    return BINS;
}

swg_status swg_allocate__global(const swg_allocation_job *job, double total, double *ratios)
{
    const swg_plan *plan = job->plan;
    swg_status status = SWG_OK;
    uint64_t *all = NULL, *own = NULL;
    SWG_GO(SWG_NEW(all, BINS));
    SWG_GO(SWG_NEW(own, BINS));
    double share = 0;
    size_t threshold = 0;
    for (int pass = 0; pass < 2; pass++) { /* count all, then each below the threshold */
        for (size_t i = 0; i < plan->n_entries; i++) {
            if (swg_sparsity_is_dense(plan->entries[i].sparsity))
                continue;
            SWG_GO(count_matrix(job, i, own));
            double below = 0;
            for (size_t b = 0; b < BINS && pass == 0; b++)
                all[b] += own[b];
            for (size_t b = 0; b < threshold && pass == 1; b++)
                below += (double)own[b];
            below += threshold < BINS ? share * (double)own[threshold] : 0;
            ratios[i] = below / (double)swg_tensor_elems(&plan->entries[i].desc);
            if (pass == 1 && ratios[i] > SWG_ALLOCATION_MOST)
                SWG_GO(swg_error(SWG_USAGE,
                                 "tensor %s would lose %.4f of its weights to the global "
                                 "threshold, more than %.2f; prune less, or not globally",
                                 plan->entries[i].desc.name, ratios[i], SWG_ALLOCATION_MOST));
        }
        if (pass == 0)
            threshold = find_threshold(all, total, &share);
    }
done:
    swg_free(own);
    swg_free(all);
    return status;
}
