/* Choosing a recipe: for every matrix of a plan one of the candidates (candidate.h), so that the
 * model's predictions diverge least within a budget of bytes, or the file is smallest within a
 * divergence.
 *
 *     swg_search search;
 *     SWG_TRY(swg_search_init(&search, &subject, NULL));
 *     if (!swg_search_fit_bytes(&search, budget))
 *         ... even the smallest choice takes swg_search_bytes(&search) ...
 *     SWG_TRY(swg_search_add_rules(&search, recipe));
 *     swg_search_begin(&search);
 *     ... quantize by the recipe; then, with the sizes that came out:
 *     swg_search_settle(&search, reports);
 *     swg_search_deinit(&search); */
#ifndef SWG_QUANTIZE_SEARCH_H
#define SWG_QUANTIZE_SEARCH_H

#include "quantize/candidate.h"
#include "quantize/checkpoint.h"
#include "quantize/plan.h"
#include "quantize/transforms.h"
#include "runtime/model_stats.h"

/* A matrix to choose for. Tensors that are stored once (tied) are one item. */
typedef struct swg_search_item {
    const char *name;
    size_t entry;      /* in the plan; of the first tensor */
    bool is_outside;   /* of no layer; swg_search_init leaves it false */
    double correction; /* measured bytes over estimated ones; 1 before anything was measured */
} swg_search_item;

typedef struct swg_search {
    swg_search_item *items;
    swg_candidate *candidates;
    size_t n_items, n_candidates;
    size_t *item_of; /* [n_entries] of the plan; SIZE_MAX = none */
    size_t n_entries;
    const char **names;   /* [n_entries] */
    double *loss, *bytes; /* [n_items][n_candidates] */
    size_t *choice;       /* [n_items] */
    /* Of quantizing by the choice, in progress: */
    bool *is_open;           /* [n_items] not written yet */
    double expected, stored; /* bytes of those written: as estimated, as they are */
    double carried;          /* stored / expected, by which the estimates of open ones in layers are
                                corrected */
} swg_search;

/* What to search for: all views. */
typedef struct swg_search_subject {
    swg_source *source;         /* with its transforms */
    swg_transforms *transforms; /* fitted; NULL = none */
    const swg_plan *plan;       /* of the source; names are the source's */
    swg_model_stats *statistics; /* of the source beneath the transforms */
    const swg_sensitivity *sensitivity;
    swg_pool *pool;
    const swg_progress *progress;
} swg_search_subject;

/* Estimate the candidates of a method (NULL = of all) for the matrices that the plan quantizes.
 * Fails as swg_candidates, swg_candidates_cost and swg_model_stats_get; SWG_INTERRUPTED. */
swg_status swg_search_init(swg_search *out, const swg_search_subject *subject, const char *method);
void swg_search_deinit(swg_search *search); /* zero-initialised is accepted */

/* What was measured of one matrix alone: the divergence, in nats per token, of the model that has
 * it in a scheme ("int4-g64-sym-f16") and everything else as it was. */
typedef struct swg_measured_matrix {
    const char *name, *scheme;
    double kld;
} swg_measured_matrix;

/* Scale all estimates of each measured matrix by what was measured over what was estimated of the
 * candidate with that scheme, or else its width, relative to the geometric mean of all these
 * ratios: estimates hold
 * up to a factor that the first try measures (cmd_quantize_search.h). A ratio counts as at most 16
 * times more or less than that mean; matrices without such a candidate, or without any
 * divergence, stay as they are. Returns the number of those that were scaled; SWG_USAGE, naming it,
 * for a matrix that the search does not have. */
swg_status swg_search_weigh(swg_search *search, const swg_measured_matrix *measured, size_t n,
                            size_t *n_scaled);

/* Choose for the least divergence within so many bytes of matrices, or for the fewest bytes within
 * a divergence in nats per token. False when there is no such choice: the one made then comes
 * closest. */
bool swg_search_fit_bytes(swg_search *search, double bytes);
bool swg_search_repair_bytes(swg_search *search, double bytes); /* changing little of the choice */
bool swg_search_fit_loss(swg_search *search, double loss);

/* While the choice is quantized, matrix after matrix: begin with all open; settle those that are
 * written by now (reports with elements) at the bytes that they took, and correct the estimates of
 * those that are open, and not outside layers, by the same proportion; choose anew for the open
 * ones, within `bytes` of all. False when there is no such choice. */
void swg_search_begin(swg_search *search);
void swg_search_settle(swg_search *search, const swg_tensor_report *reports);
swg_status swg_search_fit_open(swg_search *search, double bytes, bool *is_within);

/* Take the next finer or coarser candidate that no other beats for the item with the most bytes,
 * and change little else so that the choice is within `bytes`. False when there is no such
 * choice; the one made then is of no use. */
bool swg_search_shift(swg_search *search, bool is_finer, double bytes);

/* Of the choice. */
double swg_search_bytes(const swg_search *search);
double swg_search_loss(const swg_search *search);

/* One rule for all tensors with the same candidate, by name. */
swg_status swg_search_add_rules(const swg_search *search, swg_recipe *recipe);

/* The table of decisions as a member `key` of the open object: for every matrix what was chosen,
 * with estimates of loss and bytes, and the alternatives that no other candidate beats in both: all
 * of them, or the next smaller and the next larger one. */
void swg_search_write(const swg_search *search, bool all, swg_json_writer *json, const char *key);

#endif
