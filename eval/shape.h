/* Model shapes given as text ("d_model=2048,n_layers=22,..."): so that speed can be measured
 * without a checkpoint. */
#ifndef SWG_EVAL_SHAPE_H
#define SWG_EVAL_SHAPE_H

#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

/* Append the configuration (JSON) of a Llama of that shape. Keys: d_model, n_layers, d_ff, n_heads,
 * vocab (required), n_kv_heads (default n_heads), head_dim, context (default 4096), tied (0 or 1,
 * default 0). SWG_USAGE names an unknown, repeated, missing or non-numeric key. */
swg_status swg_shape_config(const char *shape, swg_strbuf *out);

#endif
