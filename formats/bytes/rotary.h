/* Rows of query and key weights in the two orders that rotary embeddings are computed in: pairs of
 * halves (i, i + head_dim / 2), Hugging Face's and this project's, and pairs of neighbours
 * (2i, 2i + 1), GGUF's for Llama and llama2.c's. `head_dim` is even. */
#ifndef SWG_FORMATS_BYTES_ROTARY_H
#define SWG_FORMATS_BYTES_ROTARY_H

#include <stdint.h>

/* Where row `row` of Hugging Face's order (halves) lies where pairs are neighbours, with rows of
 * `head_dim` to a head; and the other way round. */
static inline uint64_t swg_neighbour_row(uint64_t row, uint64_t head_dim)
{
    const uint64_t at = row % head_dim, half = head_dim / 2;
    return row - at + 2 * (at % half) + at / half;
}
static inline uint64_t swg_half_row(uint64_t row, uint64_t head_dim)
{
    const uint64_t at = row % head_dim, half = head_dim / 2;
    return row - at + at % 2 * half + at / 2;
}

#endif
