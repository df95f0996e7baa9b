/* Formats that leave elements out of a matrix: what they share, and packing a matrix into one.
 *
 * A sparse format says which elements are stored, in planes of its own (a mask, positions), and
 * stores those as a sequence, in one plane: values of a plain type, or codes, whose scales and zero
 * points are those of the dense integer format with the same parameters. An element that is not
 * stored is 0. A stored element may be 0 too. */
#ifndef SWG_RUNTIME_BASE_SPARSE_PACK_H
#define SWG_RUNTIME_BASE_SPARSE_PACK_H

#include "runtime/base/weight_format.h"

/* Where the stored elements of some rows are in the sequence. */
typedef struct swg_stored_rows {
    bool *is_stored; /* [n_rows][cols] */
    uint64_t *first; /* [n_rows]: the number of the row's first stored element; the next follow */
    uint64_t stride; /* in steps of this */
    uint64_t end;    /* no element of these rows is at or beyond it; the first row's first begins */
} swg_stored_rows;

/* The part of a weight format that only sparse ones have. */
typedef struct swg_sparse_format {
    /* Elements per row of the plane of values or codes. */
    uint64_t (*per_row)(const swg_tensor_desc *desc);

    /* The elements that it stores of a matrix of which `is_zero` [rows][cols] may be left out (the
     * value of swg_tensor_desc.n_stored); false when it cannot store that pattern. */
    bool (*count)(swg_scheme scheme, const bool *is_zero, uint64_t rows, uint64_t cols,
                  uint64_t *out);

    /* Write the planes that say what is stored. is_zero is one that `count` accepts. */
    void (*mark)(const swg_tensor_desc *desc, const bool *is_zero,
                 void *const planes[SWG_PLANE_KINDS]);

    /* Find the elements of rows [row_begin, row_begin + n_rows); fills the arrays of *out, which
     * the caller provides, zeroed. SWG_CORRUPT for planes that contradict each other. */
    swg_status (*locate)(const swg_tensor_desc *desc, const swg_plane_reader *from,
                         uint64_t row_begin, uint64_t n_rows, swg_stored_rows *out);
} swg_sparse_format;

/* The dense scheme of the same numbers: plain, or integer codes. */
swg_scheme swg_sparse_dense(swg_scheme scheme);

/* The elements that a matrix stores if `held` is its sparse format, counted or not; 0 otherwise. */
uint64_t swg_sparse_stored(swg_scheme held, const swg_tensor_desc *desc);

/* Pack a matrix of dense scheme `dense` (= swg_sparse_dense(desc->scheme)) with planes `from`,
 * leaving out `is_zero` [rows][cols], into the planes of `desc`. SWG_FAILED when is_zero is not of
 * the format's pattern or does not leave desc->n_stored elements; SWG_NO_MEMORY. */
swg_status swg_sparse_pack(const swg_tensor_desc *desc, swg_scheme dense,
                           const void *const from[SWG_PLANE_KINDS], const bool *is_zero,
                           void *const planes[SWG_PLANE_KINDS]);

/* What rows of a matrix of codes store: is_stored and codes [n_rows][cols], codes undefined where
 * nothing is stored. Fails as swg_weight_format.read_rows. */
swg_status swg_sparse_read_codes(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                 uint64_t row_begin, uint64_t n_rows, bool *is_stored,
                                 uint8_t *codes);

/* --- For the formats' own files --------------------------------------------------------------- */

/* Names after the format's prefix: a plain type or the name of an integer scheme. */
bool swg_sparse_parse_payload(const char *text, size_t length, swg_scheme *out);
void swg_sparse_print_payload(swg_scheme scheme, char *out, size_t size);

/* What all sparse formats require of a description. */
swg_status swg_sparse_check(const swg_tensor_desc *desc);

/* The planes of the elements: `rows` rows of `per_row` of them, then scales and zero points;
 * returns how many. */
size_t swg_sparse_payload_planes(const swg_tensor_desc *desc, uint64_t rows, uint64_t per_row,
                                 swg_plane out[3]);

/* swg_weight_format.read_rows of all sparse formats. */
swg_status swg_sparse_read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                uint64_t row_begin, uint64_t n_rows, float *out);

/* Where the elements of rows (or rows of blocks) [row_begin, row_begin + n) begin and end, from a
 * plane of ends: ends [n + 1]. `n_all` is how many there are, `unit` elements count as one, and
 * at most `most` are in one. SWG_CORRUPT unless they ascend to n_stored. */
swg_status swg_sparse_read_ends(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                uint64_t row_begin, uint64_t n, uint64_t n_all, uint64_t unit,
                                uint64_t most, uint64_t *ends);

#endif
