/* The table of cache element types by name: see kv_type.h. */
#include "runtime/kv_type.h"

#include <string.h>

static const char *const names[] = {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) #name,
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
};

const char swg_kv_type_choices_after_bar[] = ""
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) "|" #name
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    ;

const char swg_kv_type_help[] = "how keys and values of earlier tokens are kept"
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) "; " #name " = " meaning
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    ;

swg_kv_type swg_kv_type_named(const char *name)
{
    size_t i = 0;
    while (i < SWG_KV_TYPE_COUNT && strcmp(names[i], name) != 0)
        i++;
    return (swg_kv_type)i;
}
