/* How weights that come from memory are read, which processors want differently
 * (docs/performance.md). Set once, with the first table of kernels that is asked for; it changes
 * speed, never results. Private to kernels/ and the distribution of products over threads. */
#ifndef SWG_KERNELS_STREAMS_H
#define SWG_KERNELS_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct swg_streams {
    size_t ahead;        /* bytes that are prefetched ahead into the first-level cache by a product
                            that reads one panel or row at a time */
    size_t far_ahead;    /* and by one of plain or sparse weights into the second-level; 0: none */
    size_t ahead_of_all; /* into the first by one that reads several panels: of all together */
    bool in_pairs;       /* whether products of one token read two panels at a time */
    bool in_turns;       /* whether threads walk through memory together, taking turns, or each
                            through its own part */
} swg_streams;

/* The processor's, or until it is known (and on others) that of AMD's Zen 5. */
extern swg_streams swg_streams_chosen;

#endif
