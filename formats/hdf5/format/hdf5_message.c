/* Bodies of header messages, read through a cursor that stays inside. */
#include "formats/hdf5/format/hdf5_message.h"

#include <string.h>

/* --- Extents ---------------------------------------------------------------------------------- */

bool swg_h5_parse_extent(swg_cursor in, swg_h5_extent *out)
{
    enum { HAS_MOST = 1, KIND_NULL = 2 };
    const uint64_t version = swg_cursor_number(&in, 1), rank = swg_cursor_number(&in, 1);
    const uint64_t flags = swg_cursor_number(&in, 1);
    const uint64_t kind = swg_cursor_number(&in, version == 1 ? 5 : 1); /* of 1: reserved */
    if (in.is_short || version < 1 || version > 2 || rank > SWG_H5_MAX_RANK)
        return false;
    *out = (swg_h5_extent){.is_null = version == 2 && kind == KIND_NULL, .rank = (uint32_t)rank};
    for (uint64_t i = 0; i < rank; i++)
        out->size[i] = out->most[i] = swg_cursor_number(&in, 8);
    for (uint64_t i = 0; i < rank && flags & HAS_MOST; i++) {
        out->most[i] = swg_cursor_number(&in, 8);
        if (out->most[i] < out->size[i])
            return false;
    }
    return !in.is_short;
}

/* --- Types ------------------------------------------------------------------------------------ */

/* The IEEE or brain float of those sizes, whose exponent is above its mantissa. */
static bool find_float(uint64_t bytes, uint64_t exponent_bits, uint64_t mantissa_bits,
                       uint64_t bias, swg_dtype *out)
{
    static const struct {
        swg_dtype dtype;
        uint64_t bytes, exponent_bits, mantissa_bits, bias;
    } known[] = {
        {SWG_F16, 2, 5, 10, 15},
        {SWG_BF16, 2, 8, 7, 127},
        {SWG_F32, 4, 8, 23, 127},
        {SWG_F64, 8, 11, 52, 1023},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].bytes == bytes && known[i].exponent_bits == exponent_bits &&
            known[i].mantissa_bits == mantissa_bits && known[i].bias == bias) {
            *out = known[i].dtype;
            return true;
        }
    return false;
}

/* Integers that fill their bytes. */
static void parse_integer(swg_cursor *in, uint64_t bits, swg_h5_type *out)
{
    enum { BIG_ENDIAN_BIT = 1, SIGNED_BIT = 8 };
    static const swg_dtype known[2][4] = {{SWG_U8, SWG_U16, SWG_U32, SWG_U64},
                                          {SWG_I8, SWG_I16, SWG_I32, SWG_I64}};
    const uint64_t b = out->bytes, offset = swg_cursor_number(in, 2);
    const uint64_t precision = swg_cursor_number(in, 2);
    const int width = b == 1 ? 0 : b == 2 ? 1 : b == 4 ? 2 : b == 8 ? 3 : -1;
    out->is_big_endian = bits & BIG_ENDIAN_BIT;
    out->is_numeric = width >= 0 && offset == 0 && precision == 8 * b;
    if (out->is_numeric)
        out->dtype = known[bits & SIGNED_BIT ? 1 : 0][width];
}

/* Floats that fill their bytes: sign, exponent, mantissa with its leading one left out. */
static void parse_float(swg_cursor *in, uint64_t bits, swg_h5_type *out)
{
    enum { BIG_ENDIAN_BIT = 1, VAX_BIT = 0x40, IMPLIED_ONE = 2 };
    const uint64_t offset = swg_cursor_number(in, 2), precision = swg_cursor_number(in, 2);
    const uint64_t exponent_at = swg_cursor_number(in, 1), exponent = swg_cursor_number(in, 1);
    const uint64_t mantissa_at = swg_cursor_number(in, 1), mantissa = swg_cursor_number(in, 1);
    const uint64_t bias = swg_cursor_number(in, 4), sign_at = bits >> 8 & 0xff;
    out->is_big_endian = bits & BIG_ENDIAN_BIT;
    out->is_numeric = !(bits & VAX_BIT) && (bits >> 4 & 3) == IMPLIED_ONE && offset == 0 &&
                      precision == 8 * out->bytes && mantissa_at == 0 && exponent_at == mantissa &&
                      sign_at + 1 == precision &&
                      find_float(out->bytes, exponent, mantissa, bias, &out->dtype);
}

/* What h5py writes for booleans: an enumeration of one byte with FALSE = 0 and TRUE = 1. Its base
 * type, names with closing zero bytes (padded to eights before version 3), values. */
static void parse_enumeration(swg_cursor *in, uint64_t version, uint64_t n_members,
                              swg_h5_type *out)
{
    enum { BASE_BYTES = 12 };
    static const char *const names[2] = {"FALSE", "TRUE"};
    (void)swg_cursor_take(in, BASE_BYTES);
    if (out->bytes != 1 || n_members != 2)
        return;
    for (int i = 0; i < 2; i++) {
        const size_t length = strlen(names[i]) + 1;
        const uint8_t *const name =
            swg_cursor_take(in, version < 3 ? (length + 7) / 8 * 8 : length);
        if (!name || memcmp(name, names[i], length) != 0)
            return;
    }
    out->is_numeric = swg_cursor_number(in, 2) == 0x0100 && !in->is_short;
    out->dtype = SWG_BOOL;
}

bool swg_h5_parse_type(swg_cursor in, swg_h5_type *out)
{
    enum { INTEGER, FLOAT, TEXT = 3, ENUMERATION = 8, VARIABLE, SPACE_PADDED = 2, IS_TEXT = 1 };
    const uint64_t head = swg_cursor_number(&in, 1), bits = swg_cursor_number(&in, 3);
    *out = (swg_h5_type){.bytes = swg_cursor_number(&in, 4)};
    if (in.is_short || head >> 4 < 1 || out->bytes == 0)
        return false;
    switch (head & 15) {
    case INTEGER:
        parse_integer(&in, bits, out);
        break;
    case FLOAT:
        parse_float(&in, bits, out);
        break;
    case TEXT:
        out->is_text = true;
        out->is_space_padded = (bits & 15) == SPACE_PADDED;
        break;
    case ENUMERATION:
        parse_enumeration(&in, head >> 4, bits & 0xffff, out);
        return true; /* others are not numbers, whatever they look like */
    case VARIABLE:
        out->is_variable_text = (bits & 15) == IS_TEXT;
        break;
    default: /* dates, opaque bytes, compounds, references, arrays: no numbers */
        break;
    }
    return !in.is_short;
}

/* --- Where the elements are ------------------------------------------------------------------- */

/* Chunks of versions 4 and 5: flags, dimensions in `width` bytes each, the kind of index and its
 * own numbers, which the index repeats. */
static bool parse_new_chunks(swg_cursor *in, swg_h5_place *out, uint64_t *n_dims)
{
    enum { SKIPS_EDGES = 1, IS_FILTERED = 2 };
    static const uint64_t own_bytes[] = {0, 0, 0, 1, 5, 6};
    const uint64_t flags = swg_cursor_number(in, 1);
    *n_dims = swg_cursor_number(in, 1);
    const uint64_t width = swg_cursor_number(in, 1);
    if (*n_dims < 2 || *n_dims > SWG_H5_MAX_RANK + 1 || width < 1 || width > 8)
        return false;
    for (uint64_t i = 0; i + 1 < *n_dims; i++)
        out->chunk[i] = swg_cursor_number(in, (unsigned)width);
    out->elem_bytes = swg_cursor_number(in, (unsigned)width);
    const uint64_t index = swg_cursor_number(in, 1);
    if (index < SWG_H5_SINGLE || index > SWG_H5_BTREE_2)
        return false;
    out->index = (swg_h5_index_kind)index;
    out->skips_edges = flags & SKIPS_EDGES;
    out->is_single_filtered = index == SWG_H5_SINGLE && flags & IS_FILTERED;
    if (out->is_single_filtered) {
        out->single_bytes = swg_cursor_number(in, 8);
        out->single_skipped = (uint32_t)swg_cursor_number(in, 4);
    }
    (void)swg_cursor_take(in, own_bytes[index]);
    out->address = swg_cursor_number(in, 8);
    return true;
}

static bool parse_old_chunks(swg_cursor *in, swg_h5_place *out, uint64_t *n_dims)
{
    *n_dims = swg_cursor_number(in, 1);
    out->address = swg_cursor_number(in, 8);
    if (*n_dims < 2 || *n_dims > SWG_H5_MAX_RANK + 1)
        return false;
    for (uint64_t i = 0; i + 1 < *n_dims; i++)
        out->chunk[i] = swg_cursor_number(in, 4);
    out->elem_bytes = swg_cursor_number(in, 4);
    return true;
}

/* Versions 3 (written since HDF5 1.6.3), 4, and 5, which is 4 with wider numbers in the indexes. */
bool swg_h5_parse_place(swg_cursor in, swg_h5_place *out)
{
    enum { COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL };
    static const swg_h5_layout layouts[] = {SWG_H5_COMPACT, SWG_H5_CONTIGUOUS, SWG_H5_CHUNKED,
                                            SWG_H5_VIRTUAL};
    const uint64_t version = swg_cursor_number(&in, 1), kind = swg_cursor_number(&in, 1);
    uint64_t n_dims = 1;
    if (version < 3 || version > 5 || kind > VIRTUAL)
        return false;
    *out = (swg_h5_place){.layout = layouts[kind]};
    if (kind == COMPACT) {
        out->bytes = swg_cursor_number(&in, 2);
        out->compact = swg_cursor_take(&in, out->bytes);
    } else if (kind == CONTIGUOUS) {
        out->address = swg_cursor_number(&in, 8);
        out->bytes = swg_cursor_number(&in, 8);
    } else if (kind == CHUNKED && !(version == 3 ? parse_old_chunks(&in, out, &n_dims)
                                                 : parse_new_chunks(&in, out, &n_dims))) {
        return false;
    }
    out->rank = (uint32_t)n_dims - 1;
    return !in.is_short;
}

bool swg_h5_parse_filters(swg_cursor in, swg_h5_storage *storage)
{
    enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3, LEAST_NAMED = 256 };
    const uint64_t version = swg_cursor_number(&in, 1), count = swg_cursor_number(&in, 1);
    if (version < 1 || version > 2 || count > SWG_H5_MAX_FILTERS)
        return false;
    (void)swg_cursor_take(&in, version == 1 ? 6 : 0);
    for (uint64_t i = 0; i < count && !in.is_short; i++) {
        const uint64_t filter = swg_cursor_number(&in, 2);
        const bool has_name = version == 1 || filter >= LEAST_NAMED;
        const uint64_t name = has_name ? swg_cursor_number(&in, 2) : 0;
        (void)swg_cursor_take(&in, 2);
        const uint64_t n_values = swg_cursor_number(&in, 2);
        (void)swg_cursor_take(&in, version == 1 ? (name + 7) / 8 * 8 : name);
        const uint8_t *const values =
            swg_cursor_take(&in, 4 * n_values + (version == 1 && n_values % 2 ? 4 : 0));
        if (filter == SHUFFLE)
            storage->shuffle_bytes = values && n_values ? (size_t)swg_get_le(values, 4) : 1;
        if (filter != DEFLATE && filter != SHUFFLE && filter != FLETCHER32)
            storage->foreign_filter = filter ? (int)filter : -1;
        storage->filters[storage->n_filters++] = filter == DEFLATE   ? SWG_H5_DEFLATE
                                                 : filter == SHUFFLE ? SWG_H5_SHUFFLE
                                                                     : SWG_H5_FLETCHER32;
    }
    return !in.is_short;
}

/* --- Links and attributes --------------------------------------------------------------------- */

bool swg_h5_parse_link(swg_cursor in, swg_h5_link *out)
{
    const uint64_t version = swg_cursor_number(&in, 1), flags = swg_cursor_number(&in, 1);
    const uint64_t kind = flags & 8 ? swg_cursor_number(&in, 1) : SWG_H5_HARD_LINK;
    (void)swg_cursor_take(&in, (flags & 4 ? 8 : 0) + (flags & 0x10 ? 1 : 0));
    const uint64_t length = swg_cursor_number(&in, 1u << (flags & 3));
    out->kind = (int)kind;
    out->name = (const char *)swg_cursor_take(&in, length);
    out->name_length = (size_t)length;
    out->address = kind == SWG_H5_HARD_LINK ? swg_cursor_number(&in, 8) : SWG_H5_NOWHERE;
    return !in.is_short && version == 1 && length > 0;
}

bool swg_h5_parse_attribute(swg_cursor body, swg_h5_attribute *out)
{
    const uint64_t version = swg_cursor_number(&body, 1), flags = swg_cursor_number(&body, 1);
    uint64_t sizes[3]; /* name, type, extent */
    for (int i = 0; i < 3; i++)
        sizes[i] = swg_cursor_number(&body, 2);
    if (version < 1 || version > 3 || (version > 1 && flags != 0)) /* shared parts are elsewhere */
        return false;
    (void)swg_cursor_take(&body, version == 3 ? 1 : 0);
    swg_cursor parts[3];
    for (int i = 0; i < 3; i++) {
        const uint64_t padded = version == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i];
        parts[i] = (swg_cursor){.at = swg_cursor_take(&body, padded), .left = (size_t)sizes[i]};
    }
    if (body.is_short || sizes[0] == 0 || parts[0].at[sizes[0] - 1] != '\0')
        return false;
    *out = (swg_h5_attribute){(const char *)parts[0].at, parts[1], parts[2], body};
    return strlen(out->name) + 1 == sizes[0];
}
