/* Sizes, values, buffers and the comparison that the checks share: see case_values.h. Besides
 * normal values there are zeros, ties, one outlier, and tiny and large numbers. */
#include "kernels/check/case_values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- Sizes and values --- */

size_t swg_check_below(swg_rng *rng, size_t n)
{
    return (size_t)(swg_rng_next(rng) % n);
}

static const size_t edges[] = {1,  2,  3,  5,  7,  8,  9,  13, 15,  16,  17,  23,  31,  32,
                               33, 47, 48, 49, 63, 64, 65, 97, 127, 128, 129, 191, 255, 257};
enum { N_EDGES = sizeof edges / sizeof *edges };

size_t swg_check_size(swg_check_case *c, size_t index, size_t largest)
{
    return index < N_EDGES ? edges[index] : 1 + swg_check_below(c->rng, largest);
}

size_t swg_check_edge(swg_check_case *c, size_t largest)
{
    size_t size;
    do
        size = edges[swg_check_below(c->rng, N_EDGES)];
    while (size > largest);
    return size;
}

const char *swg_check_flavour_name(swg_check_flavour kind)
{
    static const char *const names[CHECK_FLAVOURS] = {"normal",  "zeros", "ties",
                                                      "outlier", "tiny",  "large"};
    return names[kind];
}

swg_check_flavour swg_check_any_flavour(swg_check_case *c, size_t index, bool for_timing)
{
    if (for_timing || index % 2 == 0)
        return CHECK_NORMAL;
    return (swg_check_flavour)swg_check_below(c->rng, CHECK_FLAVOURS);
}

void swg_check_fill(swg_check_case *c, float *x, size_t n, swg_check_flavour kind, float large)
{
    for (size_t i = 0; i < n; i++) {
        const float normal = swg_rng_normal(c->rng);
        switch (kind) {
        case CHECK_ZEROS:
            x[i] = swg_check_below(c->rng, 2) ? 0.0f : -0.0f;
            break;
        case CHECK_TIES:
            x[i] = (float)((int)swg_check_below(c->rng, 5) - 2) * 0.5f;
            break;
        case CHECK_TINY:
            x[i] = normal * (swg_check_below(c->rng, 2) ? 0x1p-140f : 0x1p-70f);
            break;
        case CHECK_LARGE:
            x[i] = normal * large;
            break;
        default:
            x[i] = normal;
        }
    }
    if (kind == CHECK_OUTLIER)
        x[swg_check_below(c->rng, n)] = large;
}

swg_status swg_check_add_buffer(swg_check_case *c, const char *name, swg_check_role role,
                                size_t bytes, void *out)
{
    uint8_t *initial = swg_arena_calloc(&c->arena, bytes, 1);
    if (!initial)
        return SWG_NO_MEMORY;
    if (role != CHECK_IN)
        memset(initial, 0x5a, bytes);
    c->buffers[c->n_buffers++] = (swg_check_buffer){name, role, bytes, initial};
    memcpy(out, &initial, sizeof initial);
    return SWG_OK;
}

void swg_check_describe(swg_check_case *c, swg_check_flavour kind)
{
    snprintf(c->text, sizeof c->text, "n %zu, %s%s", c->n, swg_check_flavour_name(kind),
             c->in_place ? ", in place" : "");
}

/* --- Reference --- */

const void *swg_check_initial(const swg_check_case *c, size_t buffer)
{
    return c->buffers[buffer].initial;
}

bool swg_check_near(double got, double wanted, double bound, const char *what, size_t index,
                    char failure[SWG_CHECK_TEXT_BYTES])
{
    if (fabs(got - wanted) <= bound + CHECK_DENORMAL)
        return true;
    snprintf(failure, SWG_CHECK_TEXT_BYTES,
             "%s[%zu] is %.9g; double precision gives %.12g and allows %.3g", what, index, got,
             wanted, bound);
    return false;
}
