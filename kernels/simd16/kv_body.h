/* Elements of keys and values that are floats or halves as floats, 16 at a time, for every vector
 * set: included after a set's simd16 primitives. */
#include "kernels/kernels.h"

/* The first n (up to 16) elements at `p`; the type is a compile-time constant in every caller. */
V16_INLINE v16 v16_kv_load_n(const uint8_t *p, const swg_kv_type type, size_t n)
{
    return type == SWG_KV_F16 ? v16_from_f16_n((const uint16_t *)p, n)
                              : v16_load_n((const float *)p, n);
}
V16_INLINE v16 v16_kv_load(const uint8_t *p, const swg_kv_type type)
{
    return v16_kv_load_n(p, type, 16);
}
