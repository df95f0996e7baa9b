/* How much memory a calibrated quantization will take, before it starts.
 *
 * The model is opened, and its first layer is run on one window of the text: what that takes is
 * measured, and what the whole text adds is known from its shape. Later phases - measuring
 * sensitivity, quantizing matrix by matrix - are added up from shapes. */
#ifndef SWG_QUANTIZE_MEMORY_PLAN_H
#define SWG_QUANTIZE_MEMORY_PLAN_H

#include "quantize/checkpoint.h"

typedef struct swg_memory_request {
    swg_source *source;
    const swg_plan *plan;
    const swg_calibration_text *text;
    swg_pool *pool;
    bool collects;          /* full statistics are collected, rather than taken from a cache */
    bool is_sequential;     /* statistics are collected while layers are quantized */
    bool is_paired;         /* and the original model runs beside */
    bool needs_sensitivity; /* predictions' sensitivity is measured */
    bool verifies;          /* both models are compared in the end */
} swg_memory_request;

/* In bytes. */
typedef struct swg_memory_plan {
    uint64_t collecting, measuring, quantizing, verifying; /* of each phase; 0 = there is none */
    uint64_t peak; /* resident memory of the process; at most the limit of memory, if there is one:
                      inputs are then collected a few at a time */
} swg_memory_plan;

/* Fails as loading the first layer and running it does. */
swg_status swg_memory_plan_make(const swg_memory_request *request, swg_memory_plan *out);

#endif
