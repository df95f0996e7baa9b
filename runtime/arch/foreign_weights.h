/* Checkpoints that another program has quantized (GPTQ, AWQ, FP8, bitsandbytes ...). Their codes
 * are not read here, so whatever computes with weights or quantizes them refuses such a checkpoint
 * before it starts. */
#ifndef SWG_RUNTIME_ARCH_FOREIGN_WEIGHTS_H
#define SWG_RUNTIME_ARCH_FOREIGN_WEIGHTS_H

#include "formats/formats.h"

/* SWG_UNSUPPORTED, naming quantization_config's method, or the first tensor that only such a
 * program writes; SWG_CORRUPT when the configuration is not JSON, SWG_NO_MEMORY. */
swg_status swg_refuse_foreign_weights(const swg_source *source);

#endif
