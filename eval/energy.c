/* Energy counters: see energy.h. */
#include "eval/energy.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The number that a file holds; false with errno. */
static bool read_number(const char *root, size_t package, const char *name, uint64_t *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:%zu/%s", root, package, name);
    errno = 0;
    FILE *const file = fopen(path, "re");
    if (!file)
        return false;
    const bool is_read = fscanf(file, "%" SCNu64, out) == 1;
    if (!is_read && errno == 0)
        errno = EINVAL;
    const int reason = errno;
    fclose(file);
    errno = reason;
    return is_read;
}

void swg_energy_read(const char *root, swg_energy *out)
{
    swg_energy made = {0};
    while (made.n < SWG_ENERGY_MOST) {
        if (!read_number(root, made.n, "energy_uj", &made.microjoules[made.n]))
            break;
        if (!read_number(root, made.n, "max_energy_range_uj", &made.range[made.n]))
            made.range[made.n] = 0;
        made.n++;
    }
    if (made.n == 0)
        snprintf(made.reason, sizeof made.reason, "%s",
                 errno == ENOENT ? "the system has no energy counter (powercap, intel-rapl)"
                 : errno == EACCES || errno == EPERM
                     ? "only root may read the energy counter (powercap, intel-rapl)"
                     : "the energy counter (powercap, intel-rapl) cannot be read");
    *out = made;
}

double swg_energy_between(const swg_energy *before, const swg_energy *after)
{
    double joules = 0;
    if (before->n == 0 || before->n != after->n)
        return NAN;
    for (size_t i = 0; i < before->n; i++) {
        const uint64_t from = before->microjoules[i], to = after->microjoules[i];
        if (to < from && before->range[i] < from)
            return NAN;
        joules += 1e-6 * (double)(to >= from ? to - from : before->range[i] - from + to);
    }
    return joules;
}
