/* See entropy_bound.h. */
#include "formats/entropy_bound.h"

#include "formats/bytes/byteplanes.h"
#include "formats/bytes/rans.h"
#include "runtime/base/mem.h"

/* Bits of one symbol of a plane; 0 = it has none. */
static unsigned symbol_bits(const swg_plane *plane)
{
    switch (plane->kind) {
    case SWG_PLANE_MASK:
        return 1;
    case SWG_PLANE_POSITIONS:
        return 2;
    case SWG_PLANE_CODES:
        return plane->symbol_bits;
    default:
        return 0;
    }
}

static swg_status measure(swg_source *source, size_t tensor, const swg_plane *plane, double *bytes)
{
    const size_t n = (size_t)plane->bytes, bits = symbol_bits(plane);
    const size_t count = swg_ceil_div(8 * n, bits);
    uint8_t *raw = NULL, *symbols = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(raw, n));
    SWG_GO(swg_source_read(source, tensor, plane->kind, 0, plane->rows, raw));
    if (bits < 8) {
        SWG_GO(SWG_NEW_UNINIT(symbols, count));
        swg_symbols_split(raw, n, (unsigned)bits, symbols);
    }
    *bytes += swg_order0_bytes(symbols ? symbols : raw, count);
done:
    swg_free(symbols);
    swg_free(raw);
    return status;
}

swg_status swg_entropy_bound_add(swg_source *source, size_t tensor, swg_entropy_bound *sum)
{
    size_t n;
    const swg_plane *planes = swg_source_planes(source, tensor, &n);
    for (size_t p = 0; p < n; p++) {
        if (symbol_bits(&planes[p]) == 0 || planes[p].bytes == 0)
            continue;
        SWG_TRY(measure(source, tensor, &planes[p], &sum->bytes));
        sum->stored_bytes += swg_source_plane_stored_bytes(source, tensor, p);
    }
    return SWG_OK;
}
