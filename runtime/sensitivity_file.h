/* A file of sensitivities, and what a swg_sensitivity consists of. Private to sensitivity.c.
 *
 * Layout, little-endian: magic (8 bytes), length of the key (u64), the key, the number of tensors
 * (u64), the tensors, and XXH3-64 of all bytes before. A tensor is the length of its name, rows,
 * columns and which arrays follow (u64 each; bit 0 = product, bit 1 = look_up), the name, and the
 * arrays as double [rows]. */
#ifndef SWG_RUNTIME_SENSITIVITY_FILE_H
#define SWG_RUNTIME_SENSITIVITY_FILE_H

#include "runtime/base/mem.h"
#include "runtime/sensitivity.h"

/* The sums of one tensor; views of the arena. */
typedef struct swg_sensitivity_tensor {
    swg_row_sensitivity rows;
    double *product, *look_up;
} swg_sensitivity_tensor;

struct swg_sensitivity {
    swg_arena arena;
    swg_sensitivity_tensor *tensors;
    size_t n_tensors;
    bool was_cached;
};

/* Write the file as a whole, replacing one that is there. SWG_IO; SWG_NO_MEMORY. */
swg_status swg_sensitivity_write(const swg_sensitivity *sensitivity, const char *key,
                                 const char *path);

/* Read it. SWG_IO when it cannot be opened; SWG_CORRUPT, with the reason, when it is damaged or its
 * key is another. */
swg_status swg_sensitivity_read(const char *path, const char *key, swg_sensitivity **out);

#endif
