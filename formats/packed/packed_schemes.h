/* quantization_config as compressed-tensors has it, for all of its formats. */
#ifndef SWG_FORMATS_PACKED_PACKED_SCHEMES_H
#define SWG_FORMATS_PACKED_PACKED_SCHEMES_H

#include "formats/packed/packed.h"

/* The members: a group for each scheme of the model. `rounds_activations`: to 8 bits per token. */
void swg_packed_put_schemes(const swg_packed_model *model, const char *format,
                            bool rounds_activations, swg_json_writer *json);

/* Whether a quantization_config is of that format. */
bool swg_packed_schemes_are(const swg_json *config, const char *format);

#endif
