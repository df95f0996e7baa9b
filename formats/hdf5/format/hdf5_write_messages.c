/* Object headers and the index of chunks, byte by byte. Sizes that come before what they count are
 * filled in afterwards. Every structure ends with its checksum. */
#include "formats/hdf5/format/hdf5_write_messages.h"

#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/hdf5/format/hdf5_header.h"
#include "formats/hdf5/format/hdf5_message.h"

/* --- Numbers ---------------------------------------------------------------------------------- */

void swg_h5_put_number(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t number[8];
    swg_put_le(number, bytes, value);
    swg_strbuf_append(out, number, bytes);
}

void swg_h5_put_nowhere(swg_strbuf *out)
{
    swg_h5_put_number(out, 8, SWG_H5_NOWHERE);
}

/* Fill in a number that was appended as a place-holder at `at`. */
static void fill_in(swg_strbuf *out, size_t at, unsigned bytes, uint64_t value)
{
    if (!out->failed)
        swg_put_le((uint8_t *)out->text + at, bytes, value);
}

void swg_h5_put_checksum(swg_strbuf *out, size_t start)
{
    if (!out->failed)
        swg_h5_put_number(
            out, 4, swg_h5_checksum((const uint8_t *)out->text + start, out->length - start));
}

/* --- Object headers --------------------------------------------------------------------------- */

/* "OHDR", version, flags, the bytes of the messages in 4 bytes, the messages, checksum. */
enum { HEADER_VERSION = 2, SIZE_IN_4_BYTES = 2, HEADER_BYTES = 10 };

size_t swg_h5_begin_header(swg_strbuf *out)
{
    const size_t start = out->length;
    swg_strbuf_puts(out, "OHDR");
    swg_h5_put_number(out, 1, HEADER_VERSION);
    swg_h5_put_number(out, 1, SIZE_IN_4_BYTES);
    swg_h5_put_number(out, 4, 0);
    return start;
}

void swg_h5_end_header(swg_strbuf *out, size_t start)
{
    fill_in(out, start + HEADER_BYTES - 4, 4, out->length - start - HEADER_BYTES);
    swg_h5_put_checksum(out, start);
}

/* A message: type, its bytes, flags, body. */
enum { MESSAGE_HEAD = 4 };

static size_t begin_message(swg_strbuf *out, unsigned type)
{
    const size_t start = out->length;
    swg_h5_put_number(out, 1, type);
    swg_h5_put_number(out, 2, 0);
    swg_h5_put_number(out, 1, 0);
    return start;
}

static void end_message(swg_strbuf *out, size_t start)
{
    fill_in(out, start + 1, 2, out->length - start - MESSAGE_HEAD);
}

/* --- Extents and types ------------------------------------------------------------------------ */

/* Version 2: version, rank, flags, kind, sizes. */
static void put_extent(swg_strbuf *out, uint32_t rank, const uint64_t *shape)
{
    enum { SCALAR = 0, SIMPLE = 1 };
    swg_h5_put_number(out, 1, 2);
    swg_h5_put_number(out, 1, rank);
    swg_h5_put_number(out, 1, 0);
    swg_h5_put_number(out, 1, rank ? SIMPLE : SCALAR);
    for (uint32_t i = 0; i < rank; i++)
        swg_h5_put_number(out, 8, shape[i]);
}

enum { TYPE_VERSION = 1, FIXED_POINT = 0, FLOATING_POINT = 1, TEXT = 3 };

static void put_type_head(swg_strbuf *out, unsigned kind, unsigned bits, uint64_t bytes)
{
    swg_h5_put_number(out, 1, TYPE_VERSION << 4 | kind);
    swg_h5_put_number(out, 3, bits);
    swg_h5_put_number(out, 4, bytes);
}

/* IEEE: mantissa from bit 0 on, its leading bit implied, then the exponent, the sign on top. */
static void put_float_type(swg_strbuf *out, unsigned bits, unsigned mantissa_bits)
{
    enum { LEADING_BIT_IS_IMPLIED = 0x20 };
    const unsigned exponent_bits = bits - 1 - mantissa_bits;
    put_type_head(out, FLOATING_POINT, LEADING_BIT_IS_IMPLIED | (bits - 1) << 8, bits / 8);
    swg_h5_put_number(out, 2, 0); /* the number's first bit */
    swg_h5_put_number(out, 2, bits);
    swg_h5_put_number(out, 1, mantissa_bits);
    swg_h5_put_number(out, 1, exponent_bits);
    swg_h5_put_number(out, 1, 0); /* the mantissa's first bit */
    swg_h5_put_number(out, 1, mantissa_bits);
    swg_h5_put_number(out, 4, (1u << (exponent_bits - 1)) - 1);
}

static void put_type(swg_strbuf *out, swg_dtype dtype)
{
    enum { IS_SIGNED = 8 };
    const unsigned bits = swg_dtype_bits(dtype);
    switch (dtype) {
    case SWG_F16:
        put_float_type(out, bits, 10);
        return;
    case SWG_F32:
        put_float_type(out, bits, 23);
        return;
    case SWG_F64:
        put_float_type(out, bits, 52);
        return;
    default:
        break;
    }
    const bool is_signed =
        dtype == SWG_I8 || dtype == SWG_I16 || dtype == SWG_I32 || dtype == SWG_I64;
    put_type_head(out, FIXED_POINT, is_signed ? IS_SIGNED : 0, bits / 8);
    swg_h5_put_number(out, 2, 0); /* the number's first bit */
    swg_h5_put_number(out, 2, bits);
}

/* --- Datasets --------------------------------------------------------------------------------- */

enum { PLACE_VERSION = 4, COMPACT = 0, CONTIGUOUS = 1, CHUNKED = 2 };

/* Bytes that a number needs. libhdf5 insists on these widths. */
static unsigned width_of(uint64_t number)
{
    unsigned bytes = 1;
    while (bytes < 8 && number >> (8 * bytes))
        bytes++;
    return bytes;
}

/* Bytes of the element of an index that says how long a chunk is. */
static unsigned size_bytes(const swg_h5_cut *cut)
{
    const unsigned bytes = 1 + width_of(cut->chunk_bytes);
    return bytes < 8 ? bytes : 8;
}

/* Bits of the number of chunks: with so large a page the array has no pages. */
static unsigned page_bits(const swg_h5_cut *cut)
{
    enum { LEAST_BITS = 10 }; /* libhdf5's own */
    unsigned bits = LEAST_BITS;
    while (cut->n_chunks >> bits)
        bits++;
    return bits;
}

static void put_chunked_place(swg_strbuf *out, const swg_h5_cut *cut, uint64_t address)
{
    uint64_t largest = cut->elem_bytes;
    for (uint32_t i = 0; i < cut->rank; i++)
        largest = cut->chunk[i] > largest ? cut->chunk[i] : largest;
    const unsigned width = width_of(largest);
    swg_h5_put_number(out, 1, CHUNKED);
    swg_h5_put_number(out, 1, 0); /* flags */
    swg_h5_put_number(out, 1, cut->rank + 1);
    swg_h5_put_number(out, 1, width);
    for (uint32_t i = 0; i < cut->rank; i++)
        swg_h5_put_number(out, width, cut->chunk[i]);
    swg_h5_put_number(out, width, cut->elem_bytes);
    swg_h5_put_number(out, 1, SWG_H5_FIXED_ARRAY);
    swg_h5_put_number(out, 1, page_bits(cut));
    swg_h5_put_number(out, 8, address);
}

static void put_place(swg_strbuf *out, unsigned elem_bytes, const swg_h5_cut *cut,
                      uint64_t address, const uint8_t *scalar)
{
    swg_h5_put_number(out, 1, PLACE_VERSION);
    if (cut) {
        put_chunked_place(out, cut, address);
    } else if (scalar) {
        swg_h5_put_number(out, 1, COMPACT);
        swg_h5_put_number(out, 2, elem_bytes);
        swg_strbuf_append(out, scalar, elem_bytes);
    } else {
        swg_h5_put_number(out, 1, CONTIGUOUS);
        swg_h5_put_nowhere(out);
        swg_h5_put_number(out, 8, 0);
    }
}

/* Version 2: version, filters; each with its number, flags, values. */
static void put_filters(swg_strbuf *out, unsigned elem_bytes)
{
    enum { SHUFFLE_ID = 2, FLETCHER32_ID = 3, IS_OPTIONAL = 1 };
    swg_h5_put_number(out, 1, 2);
    swg_h5_put_number(out, 1, elem_bytes > 1 ? 2 : 1);
    if (elem_bytes > 1) {
        swg_h5_put_number(out, 2, SHUFFLE_ID);
        swg_h5_put_number(out, 2, IS_OPTIONAL);
        swg_h5_put_number(out, 2, 1);
        swg_h5_put_number(out, 4, elem_bytes);
    }
    swg_h5_put_number(out, 2, FLETCHER32_ID);
    swg_h5_put_number(out, 2, 0);
    swg_h5_put_number(out, 2, 0);
}

/* Version 3: version, flags. Nothing is ever filled; the times of allocation are libhdf5's. */
static void put_fill_value(swg_strbuf *out, unsigned allocated)
{
    enum { WRITTEN_IF_SET = 2 << 2 };
    swg_h5_put_number(out, 1, 3);
    swg_h5_put_number(out, 1, WRITTEN_IF_SET | allocated);
}

void swg_h5_put_dataset(swg_strbuf *out, swg_dtype dtype, uint32_t rank, const uint64_t *shape,
                        const swg_h5_cut *cut, uint64_t address, const uint8_t *scalar)
{
    enum { EARLY = 1, LATE = 2, WHEN_WRITTEN = 3 };
    const unsigned elem_bytes = swg_dtype_bits(dtype) / 8;
    size_t start = begin_message(out, SWG_H5_EXTENT);
    put_extent(out, rank, shape);
    end_message(out, start);
    start = begin_message(out, SWG_H5_TYPE);
    put_type(out, dtype);
    end_message(out, start);
    start = begin_message(out, SWG_H5_FILL_VALUE);
    put_fill_value(out, cut ? WHEN_WRITTEN : scalar ? EARLY : LATE);
    end_message(out, start);
    start = begin_message(out, SWG_H5_LAYOUT);
    put_place(out, elem_bytes, cut, address, scalar);
    end_message(out, start);
    if (!cut)
        return;
    start = begin_message(out, SWG_H5_FILTERS);
    put_filters(out, elem_bytes);
    end_message(out, start);
}

/* --- Groups and attributes -------------------------------------------------------------------- */

void swg_h5_put_group(swg_strbuf *out)
{
    size_t start = begin_message(out, SWG_H5_LINK_INFO);
    swg_h5_put_number(out, 1, 0); /* version */
    swg_h5_put_number(out, 1, 0); /* flags */
    swg_h5_put_nowhere(out);      /* no heap: all links are messages */
    swg_h5_put_nowhere(out);      /* no index of names */
    end_message(out, start);
    start = begin_message(out, SWG_H5_GROUP_INFO);
    swg_h5_put_number(out, 1, 0); /* version */
    swg_h5_put_number(out, 1, 0); /* flags */
    end_message(out, start);
}

/* Version 1: version, flags, encoding, length and bytes of the name, address. */
void swg_h5_put_link(swg_strbuf *out, const char *name, size_t name_length, uint64_t address)
{
    enum { LENGTH_IN_2_BYTES = 1, HAS_ENCODING = 0x10, UTF8 = 1 };
    const size_t start = begin_message(out, SWG_H5_LINK);
    swg_h5_put_number(out, 1, 1);
    swg_h5_put_number(out, 1, LENGTH_IN_2_BYTES | HAS_ENCODING);
    swg_h5_put_number(out, 1, UTF8);
    swg_h5_put_number(out, 2, name_length);
    swg_strbuf_append(out, name, name_length);
    swg_h5_put_number(out, 8, address);
    end_message(out, start);
}

/* Version 3: version, flags, sizes of name, type and extent, encoding of the name, these three, the
 * text. */
void swg_h5_put_attribute(swg_strbuf *out, const char *name, const char *text)
{
    enum { ASCII = 0, TEXT_IN_UTF8 = 0x10, TYPE_BYTES = 8, EXTENT_BYTES = 4 };
    const size_t start = begin_message(out, SWG_H5_ATTRIBUTE);
    swg_h5_put_number(out, 1, 3);
    swg_h5_put_number(out, 1, 0);
    swg_h5_put_number(out, 2, strlen(name) + 1);
    swg_h5_put_number(out, 2, TYPE_BYTES);
    swg_h5_put_number(out, 2, EXTENT_BYTES);
    swg_h5_put_number(out, 1, ASCII);
    swg_strbuf_append(out, name, strlen(name) + 1);
    put_type_head(out, TEXT, TEXT_IN_UTF8, strlen(text) + 1);
    put_extent(out, 0, NULL);
    swg_strbuf_append(out, text, strlen(text) + 1);
    end_message(out, start);
}

/* --- The index of chunks ---------------------------------------------------------------------- */

/* Header: "FAHD", version, client (chunks with filters), bytes of an element, bits of a page,
 * elements, address of the block, checksum. Block: "FADB", version, client, address of the header,
 * elements - address of a chunk, its bytes, filters that were left out -, checksum. */
void swg_h5_put_index(swg_strbuf *out, const swg_h5_cut *cut, uint64_t address, uint64_t first)
{
    enum { FILTERED_CHUNKS = 1, INDEX_HEADER_BYTES = 28 };
    const unsigned width = size_bytes(cut);
    size_t start = out->length;
    swg_strbuf_puts(out, "FAHD");
    swg_h5_put_number(out, 1, 0);
    swg_h5_put_number(out, 1, FILTERED_CHUNKS);
    swg_h5_put_number(out, 1, 8 + width + 4);
    swg_h5_put_number(out, 1, page_bits(cut));
    swg_h5_put_number(out, 8, cut->n_chunks);
    swg_h5_put_number(out, 8, address + INDEX_HEADER_BYTES);
    swg_h5_put_checksum(out, start);
    start = out->length;
    swg_strbuf_puts(out, "FADB");
    swg_h5_put_number(out, 1, 0);
    swg_h5_put_number(out, 1, FILTERED_CHUNKS);
    swg_h5_put_number(out, 8, address);
    for (uint64_t i = 0; i < cut->n_chunks; i++) {
        swg_h5_put_number(out, 8, first + i * cut->stored_bytes);
        swg_h5_put_number(out, width, cut->stored_bytes);
        swg_h5_put_number(out, 4, 0);
    }
    swg_h5_put_checksum(out, start);
}
