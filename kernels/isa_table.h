/* What the folder of an instruction set provides: one swg_isa_table, named in isas.def. Read by the
 * registry (kernels), kernels/limits (peak loops) and linalg.c (OpenBLAS's core). */
#ifndef SWG_KERNELS_ISA_TABLE_H
#define SWG_KERNELS_ISA_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/split.h"
#include "kernels/streams.h"

/* Arithmetic on registers only, `rounds` times; the result depends on all rounds and on `seed`.
 * ops_per_round counts a multiply-add as 2. */
typedef struct swg_peak_loop {
    int32_t (*run)(int32_t rounds, int32_t seed);
    double ops_per_round;
} swg_peak_loop;

/* SPLIT: floats in parts times weights of one part (split.h), in products of the whole numbers. */
typedef enum swg_peak {
    SWG_PEAK_INT8,
    SWG_PEAK_F32,
    SWG_PEAK_SPLIT,
    SWG_PEAK_COUNT
} swg_peak;

typedef struct swg_isa_table {
    bool (*is_available)(
        void);           /* the processor has it and the operating system saves its registers */
    swg_kernels kernels; /* NULL: the next lower priority is used */
    swg_peak_loop peaks[SWG_PEAK_COUNT]; /* run NULL: likewise; SPLIT only where `split` is */
    const swg_split *split;              /* NULL: it multiplies no tiles of bfloat16 */
    /* OpenBLAS's name (OPENBLAS_CORETYPE) for a processor that has this set. NULL, or a function
     * that returns NULL: OpenBLAS may choose by itself. */
    const char *(*blas_core)(void);
    /* Set what a processor that has this set prefers, where that is known. NULL: nothing is. */
    void (*streams)(swg_streams *streams);
} swg_isa_table;

#define SWG_ISA(token, priority, needs) extern const swg_isa_table swg_table__##token;
#include "kernels/isas.def"
#undef SWG_ISA

const swg_isa_table *swg_isa_table_of(swg_isa isa);

#endif
