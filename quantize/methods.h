/* The functions that quant_methods.def names; for quantize.c and the methods' own files. */
#ifndef SWG_QUANTIZE_METHODS_H
#define SWG_QUANTIZE_METHODS_H

#include "quantize/quantize.h"

/* A method: quantize the whole matrix of a checked job into `planes`, with the
 * weights that its mask excludes as zero; fill the job's `updated` unless that is NULL; and add
 * signal, noise and largest error, against the weights as they were read, to `stats` (elems and
 * bytes are filled). */
typedef swg_status swg_quantize_function(const swg_quantize_job *job,
                                         void *const planes[SWG_PLANE_KINDS],
                                         swg_quant_stats *stats);

#define SWG_QUANT_METHOD(name, needs, parameters, meaning)                                         \
    swg_quantize_function swg_quantize__##name;
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD

#endif
