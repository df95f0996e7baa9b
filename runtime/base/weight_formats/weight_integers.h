/* What the formats of codes in groups share: all but their width, their usual parameters, and
 * whether a code is an integer or the place of a number in a codebook.
 *
 *     const swg_weight_format swg_weight_format_int4 = {
 *         SWG_INTEGER_FUNCTIONS(4),
 *         .usual = {.group = 64, .scale_type = SWG_F16},
 *     };
 *
 * Names are "int<bits>-<g32|g64|g128|g256|row>-<sym|asym>-<f16|bf16|f32|i8>" and
 * "codebook<bits>-<group>-<type>". */
#ifndef SWG_RUNTIME_BASE_WEIGHT_FORMATS_WEIGHT_INTEGERS_H
#define SWG_RUNTIME_BASE_WEIGHT_FORMATS_WEIGHT_INTEGERS_H

#include "runtime/base/weight_format.h"

bool swg_integers_parse(const char *text, size_t length, swg_scheme *out);
void swg_integers_print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES]);
swg_status swg_integers_check(const swg_tensor_desc *desc);
size_t swg_integers_planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS]);
swg_status swg_integers_read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                  uint64_t row_begin, uint64_t n_rows, float *out);

#define SWG_GROUPED_FUNCTIONS(bits)                                                                \
    .code_bits = (bits), .parse = swg_integers_parse, .print = swg_integers_print,                 \
    .check = swg_integers_check, .planes = swg_integers_planes,                                    \
    .read_rows = swg_integers_read_rows
#define SWG_INTEGER_FUNCTIONS(bits)  SWG_GROUPED_FUNCTIONS(bits), .is_integer = true
#define SWG_CODEBOOK_FUNCTIONS(bits) SWG_GROUPED_FUNCTIONS(bits), .has_codebook = true

#endif
