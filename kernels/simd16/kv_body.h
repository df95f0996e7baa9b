/* Elements of keys and values as floats, 16 at a time, for every vector set: included after a set's
 * simd16 primitives. */
#include "kernels/kernels.h"

V16_INLINE v16 v16_kv_f32(const void *p, size_t n)
{
    return v16_load_n(p, n);
}
V16_INLINE v16 v16_kv_f16(const void *p, size_t n)
{
    return v16_from_f16_n(p, n);
}
V16_INLINE v16 v16_kv_int8(const void *p, size_t n)
{
    return v16_from_i32(v16i_from_i8_n(p, n));
}

/* The first n (up to 16) elements at `p`; the type is a compile-time constant in every caller. */
V16_INLINE v16 v16_kv_load_n(const uint8_t *p, const swg_kv_type type, size_t n)
{
    switch (type) {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning)                                          \
    case SWG_KV_##ID:                                                                              \
        return v16_kv_##name(p, n);
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    default:
        return v16_set1(0);
    }
}
V16_INLINE v16 v16_kv_load(const uint8_t *p, const swg_kv_type type)
{
    return v16_kv_load_n(p, type, 16);
}
