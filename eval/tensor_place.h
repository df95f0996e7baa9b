/* Where a tensor stands in its model, as its name tells. */
#ifndef SWG_EVAL_TENSOR_PLACE_H
#define SWG_EVAL_TENSOR_PLACE_H

#include <stdint.h>

enum { SWG_TENSOR_KIND_BYTES = 48 };

/* Of "model.layers.3.self_attn.q_proj.weight": layer 3, kind "q_proj". The layer is the name's
 * first component that is a number, -1 where none is; the kind is the last component that is
 * neither a number nor "weight" or "bias", cut to the room for it. */
int64_t swg_tensor_place(const char *name, char kind[SWG_TENSOR_KIND_BYTES]);

#endif
