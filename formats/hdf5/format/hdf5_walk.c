/* Structures of an HDF5 file, with bounds. */
#include "formats/hdf5/format/hdf5_walk.h"

#include <string.h>

#include "runtime/base/header_limit.h"

swg_status swg_h5_damaged(const swg_h5_walk *walk, const char *what, uint64_t address)
{
    return swg_error(SWG_CORRUPT, "%s: %.300s has a damaged %s at byte %llu", walk->path,
                     *walk->object ? walk->object : "the root group", what,
                     (unsigned long long)address);
}

swg_status swg_h5_unsupported(const swg_h5_walk *walk, const char *what)
{
    return swg_error(SWG_UNSUPPORTED, "%s: %.300s %s", walk->path,
                     *walk->object ? walk->object : "the root group", what);
}

const uint8_t *swg_h5_peek(const swg_h5_walk *walk, uint64_t address, uint64_t bytes)
{
    const uint64_t size = walk->map->size;
    return address <= size && bytes <= size - address ? walk->map->data + address : NULL;
}

swg_status swg_h5_count(swg_h5_walk *walk, const char *what, uint64_t address, uint64_t bytes)
{
    if (bytes > walk->left)
        return swg_error(SWG_CORRUPT,
                         "%s: the %s of %.300s at byte %llu and what was read before it are more "
                         "than a file of %zu bytes can need",
                         walk->path, what, *walk->object ? walk->object : "the root group",
                         (unsigned long long)address, walk->map->size);
    walk->left -= bytes;
    return SWG_OK;
}

swg_status swg_h5_count_structure(swg_h5_walk *walk, const char *what, uint64_t address,
                                  uint64_t bytes)
{
    SWG_TRY(swg_h5_count(walk, what, address, bytes));
    walk->header_bytes += bytes;
    return swg_header_limit_check(walk->path, "what describes its data", walk->header_bytes);
}

swg_status swg_h5_take(swg_h5_walk *walk, const char *what, uint64_t address, uint64_t bytes,
                       const char letters[4], bool is_sealed, swg_cursor *out)
{
    const uint64_t sum_bytes = is_sealed ? 4 : 0;
    const uint8_t *const at = swg_h5_peek(walk, address, bytes);
    if (!at || bytes < 4 + sum_bytes || memcmp(at, letters, 4) != 0)
        return swg_h5_damaged(walk, what, address);
    SWG_TRY(swg_h5_count_structure(walk, what, address, bytes));
    if (is_sealed && !swg_h5_is_sealed(at, (size_t)bytes))
        return swg_h5_damaged(walk, what, address);
    *out = (swg_cursor){.at = at + 4, .left = (size_t)(bytes - 4 - sum_bytes)};
    return SWG_OK;
}

unsigned swg_h5_width_of(uint64_t most)
{
    unsigned bytes = 1;
    while (most >>= 8)
        bytes++;
    return bytes;
}
