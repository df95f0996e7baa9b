/* Structured pruning: a checkpoint with fewer layers, heads, feed-forward channels or channels of
 * the residual stream, which any engine loads as an ordinary one.
 *
 *     swg_structured_request request = {0};
 *     SWG_TRY(swg_structured_request_add(&request, "ffn=0.25"));
 *     swg_structured *s;
 *     SWG_TRY(swg_structured_open(source, &request, &s));          // checks, sizes; no work
 *     SWG_TRY(swg_structured_choose(s, &means));                   // layers and hidden channels
 *     ... open a sink with swg_structured_descs(s) and swg_structured_config(s) ...
 *     SWG_TRY(swg_structured_write(s, &means, sink));              // layer by layer
 *     swg_structured_free(&s);
 *
 * Layers go that turn their input the least (1 - cosine of the rows that enter and leave them, Men
 * et al. 2024, "ShortGPT"). Hidden channels go by the share of the outputs of all weights that read
 * the residual stream. Heads and feed-forward channels are chosen in each layer, with the layers
 * before it as they have become, by the output error of the weight that reads them, which is
 * refitted (structured_select.h); what only they need goes with them: rows of the weights and
 * biases that make them. The original model reads the text beside the one that is being cut
 * (paired_calibration.h), and before anything of a weight is removed, it becomes the one that makes
 * up best for what was cut before it (quantize/shifted_target.h), those that lose nothing too. */
#ifndef SWG_PRUNE_STRUCTURED_H
#define SWG_PRUNE_STRUCTURED_H

#include "formats/formats.h"
#include "prune/structured_shape.h"
#include "quantize/checkpoint.h"
#include "runtime/model_stats.h"

typedef struct swg_structured swg_structured;

/* How it is done. All pointers are views. */
typedef struct swg_structured_means {
    const swg_calibration_text *text; /* required */
    swg_model_stats *stats; /* of the source on that text; required where hidden channels go */
    bool refit;             /* weights that stay make up for what goes, everywhere */
    double damping;         /* of the second moments, relative to their diagonal */
    swg_pool *pool;
    const swg_progress *progress;
} swg_structured_means;

/* What became of one layer. */
typedef struct swg_structured_layer {
    bool is_kept;
    double turn;        /* 1 - cosine of its input and output; NaN where layers all stay */
    double heads_error; /* relative output error of the weights that were chosen by; NaN = none */
    double ffn_error;
} swg_structured_layer;

/* Check the request against the source, which must outlive the result. Fails as
 * swg_structured_shape_make; SWG_UNSUPPORTED also for weights that are not plain floats and for
 * architectures that are not known; SWG_NO_MEMORY. */
swg_status swg_structured_open(swg_source *source, const swg_structured_request *request,
                               swg_structured **out);
void swg_structured_free(swg_structured **structured); /* NULL inside is accepted */

/* Decide which layers and hidden channels go, by running the model. */
swg_status swg_structured_choose(swg_structured *structured, const swg_structured_means *means);

const swg_structured_shape *swg_structured_before(const swg_structured *structured);
const swg_structured_shape *swg_structured_after(const swg_structured *structured);
const swg_structured_layer *swg_structured_layers(const swg_structured *structured); /* [before] */

/* The tensors of the output in the order in which they are written, and its configuration. Before
 * swg_structured_choose they are those of a model that loses its last layers: of the same sizes. */
const swg_tensor_desc *swg_structured_descs(const swg_structured *structured, size_t *n);
const char *swg_structured_config_text(const swg_structured *structured, size_t *length);

/* Write all tensors to a sink that was opened with these, after swg_structured_choose. One layer of
 * each of the two models and the statistics of one input are in memory at a time. */
swg_status swg_structured_write(swg_structured *structured, const swg_structured_means *means,
                                swg_sink *sink);

#endif
