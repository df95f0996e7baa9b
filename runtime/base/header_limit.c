/* See header_limit.h. */
#include "runtime/base/header_limit.h"

#include <stdatomic.h>

static atomic_uint_fast64_t header_bytes; /* 0 = none */

void swg_header_limit_set(uint64_t bytes)
{
    atomic_store(&header_bytes, bytes);
}

uint64_t swg_header_limit(uint64_t own)
{
    const uint64_t set = atomic_load(&header_bytes);
    return set && set < own ? set : own;
}

swg_status swg_header_limit_check(const char *path, const char *what, uint64_t bytes)
{
    const uint64_t most = swg_header_limit(UINT64_MAX);
    if (bytes <= most)
        return SWG_OK;
    return swg_error(SWG_LIMIT, "%s: %s has %llu bytes; the limit that was set is %llu", path, what,
                     (unsigned long long)bytes, (unsigned long long)most);
}
