/* What attention sees: which keys each query is compared with, and the scale of their products. */
#ifndef SWG_RUNTIME_ATTEND_OPTIONS_H
#define SWG_RUNTIME_ATTEND_OPTIONS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* Which positions attention sees, and its scale. */
typedef struct swg_attend_options {
    float scale;   /* of the dot products; 0 = 1 / sqrt(head_dim) */
    size_t window; /* a position sees the last `window` positions, itself included; 0 = all */
    bool sees_all; /* the whole text, including later positions; else itself and earlier ones */
} swg_attend_options;

static inline float swg_attend_scale(const swg_attend_options *options, size_t head_dim)
{
    return options->scale != 0 ? options->scale : 1 / sqrtf((float)head_dim);
}

/* The keys [*begin, *end) that query t of a text of n tokens sees. */
static inline void swg_attend_keys(const swg_attend_options *options, size_t t, size_t n,
                                   size_t *begin, size_t *end)
{
    *begin = options->window && t + 1 > options->window ? t + 1 - options->window : 0;
    *end = options->sees_all ? n : t + 1;
}

#endif
