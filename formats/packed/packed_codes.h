/* What layouts of packed codes share: scales and zero points as they have them, and checks. */
#ifndef SWG_FORMATS_PACKED_PACKED_CODES_H
#define SWG_FORMATS_PACKED_PACKED_CODES_H

#include "formats/packed/packed.h"

/* Why no layout holds it: not a linear weight of integer codes in whole groups; NULL when it is. */
const char *swg_packed_why_not(const swg_tensor_desc *desc);

/* Columns of a group as configurations say it: -1 for the whole row. */
int64_t swg_packed_group_size(swg_scheme scheme);

/* The zero point of a group, checked against the width of the codes. */
swg_status swg_packed_zero(const char *path, const swg_tensor_desc *desc,
                           const void *const planes[SWG_PLANE_KINDS], size_t row, size_t group,
                           uint8_t *out);

/* The scales as half-precision numbers, [groups][rows]. SWG_UNSUPPORTED, naming row and group, for
 * one that is not such a number. */
swg_status swg_packed_put_half_scales(const char *path, const swg_tensor_desc *desc,
                                      const void *const planes[SWG_PLANE_KINDS], uint16_t *out);

/* Refuse a part that is missing, or of another type or shape. `columns` 0 = a vector. */
swg_status swg_packed_check_part(const swg_packed_weight *weight, const char *ending, size_t part,
                                 swg_dtype dtype, uint64_t rows, uint64_t columns);

/* The scheme of codes of that width with `groups` scales per row of `columns`, in groups of
 * `group` if that fits (0 = equal ones); refused when it is none of ours. */
swg_status swg_packed_scheme(const swg_packed_weight *weight, unsigned bits, uint64_t columns,
                             uint64_t groups, int64_t group, swg_dtype scale_type, bool asymmetric,
                             swg_scheme *out);

/* Refuse groups that are not runs of columns: a part, which may be missing, has the group of each.
 */
swg_status swg_packed_check_order(const swg_packed_weight *weight, const char *ending, size_t part,
                                  uint64_t k, size_t group);

/* The bytes of a part. */
const uint8_t *swg_packed_part_bytes(const swg_packed_weight *weight, size_t part);

#endif
