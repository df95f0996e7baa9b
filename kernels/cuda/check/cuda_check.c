/* Checks the CUDA kernels of a build against references:
 *   cuda_check [--build gpu|host] [--seeds N] [--only NAME] [--small] [--verbose]
 * and, on the host executor, that each planted fault is found: cuda_check --faults. Where accesses
 * of memory are traced (trace.h): what they were like, and that conflicts are seen, --accesses.
 * Ends with "RESULT passed failed skipped". Without a device all checks count as skipped, with the
 * reason; if SWAGE_REQUIRE_GPU=1 that is a failure. */
#include "kernels/cuda/check/cuda_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const check_row *const tables[] = {swg_cuda_checks_device, swg_cuda_checks_rows,
                                          swg_cuda_checks_attention, swg_cuda_checks_products};
enum { n_tables = sizeof tables / sizeof tables[0] };

static struct {
    const char *build, *only;
    unsigned seeds;
    bool faults, accesses, is_small, is_verbose;
} options = {.build = "gpu", .seeds = 1};

static const struct {
    const char *name, *check, *mistake;
} faults[] = {
#define SWG_CUDA_FAULT(name, operation, mistake) {#name, #operation, mistake},
#include "kernels/cuda/faults.def"
#undef SWG_CUDA_FAULT
};

enum { n_faults = sizeof faults / sizeof faults[0] };

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--faults") == 0)
            options.faults = true;
        else if (strcmp(argv[i], "--accesses") == 0)
            options.accesses = true;
        else if (strcmp(argv[i], "--small") == 0)
            options.is_small = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options.is_verbose = true;
        else if (strcmp(argv[i], "--build") == 0 && has_value)
            options.build = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && has_value)
            options.only = argv[++i];
        else if (strcmp(argv[i], "--seeds") == 0 && has_value)
            options.seeds = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            return false;
    }
    return true;
}

static bool is_wanted(const check_row *row)
{
    return (!options.only || strcmp(row->name, options.only) == 0) &&
           !(row->is_large && options.is_small);
}

static unsigned count_checks(void)
{
    unsigned n = 0;
    for (size_t t = 0; t < n_tables; t++)
        for (const check_row *row = tables[t]; row->name; row++)
            n += is_wanted(row);
    return n;
}

/* All checks with every seed. */
static unsigned run_checks(check *c)
{
    unsigned failed = 0;
    for (size_t t = 0; t < n_tables; t++)
        for (const check_row *row = tables[t]; row->name; row++) {
            if (!is_wanted(row))
                continue;
            bool good = true;
            for (unsigned seed = 1; seed <= options.seeds && good; seed++)
                good = check_one(c, row, seed);
            if (!good)
                printf("FAIL: %s: %s\n", row->name, c->problem);
            else if (options.is_verbose)
                printf("%-14s relative error %.2g\n", row->name, c->worst);
            fflush(stdout);
            failed += !good;
        }
    return failed;
}

static bool is_of_accesses(size_t fault)
{
    return strcmp(faults[fault].check, "accesses") == 0;
}

/* Whether the fault's own check notices it, with one of a few seeds. */
static bool is_caught(check *c, size_t fault)
{
    bool caught = false;
    swg_cuda_host_fault((int)fault + 1);
    for (size_t t = 0; t < n_tables; t++)
        for (const check_row *row = tables[t]; row->name; row++)
            for (unsigned seed = 1; seed <= 10 && !caught; seed++)
                if (strcmp(row->name, faults[fault].check) == 0)
                    caught = !check_one(c, row, seed);
    swg_cuda_host_fault(0);
    if (options.is_verbose && caught)
        printf("%-20s %s\n", faults[fault].name, c->problem);
    return caught;
}

static unsigned run_faults(check *c)
{
    unsigned failed = 0;
    for (size_t f = 0; f < n_faults; f++)
        if (!is_of_accesses(f) && !is_caught(c, f)) {
            printf("FAIL: no check noticed the fault %s: %s\n", faults[f].name, faults[f].mistake);
            failed++;
        }
    return failed;
}

/* How often the banks of shared memory are gone through, for once that would do, by a kernel. */
static double passes_of(const char *kernel)
{
    swg_cuda_access a;
    for (unsigned i = 0; swg_cuda_host_access(i, &a); i++)
        if (strcmp(a.kernel, kernel) == 0 && a.shared_least > 0)
            return (double)a.shared_passes / (double)a.shared_least;
    return 1;
}

/* No kernel's threads may be in each other's way, and one that is made so has to be seen. */
static unsigned check_accesses(check *c)
{
    const double most = 1.1;
    bool is_good = true;
    swg_cuda_access a;
    for (unsigned i = 0; swg_cuda_host_access(i, &a); i++)
        if (passes_of(a.kernel) > most) {
            printf("FAIL: accesses: %s goes through the banks %.2f times for once\n", a.kernel,
                   passes_of(a.kernel));
            is_good = false;
        }
    for (size_t f = 0; f < n_faults; f++) {
        if (!is_of_accesses(f))
            continue;
        swg_cuda_host_fault((int)f + 1);
        options.only = "sums";
        is_good = run_checks(c) == 0 && is_good;
        swg_cuda_host_fault(0);
        if (passes_of("product_sum") <= most) {
            printf("FAIL: accesses: nobody noticed %s\n", faults[f].mistake);
            is_good = false;
        }
    }
    return !is_good;
}

static void print_accesses(void)
{
    swg_cuda_access a;
    puts("kernel             shared: passes, at least      device: sectors, at least");
    for (unsigned i = 0; swg_cuda_host_access(i, &a); i++)
        printf("%-18s %8llu %8llu %6.2f   %8llu %8llu %6.2f\n", a.kernel,
               (unsigned long long)a.shared_passes, (unsigned long long)a.shared_least,
               a.shared_least ? (double)a.shared_passes / (double)a.shared_least : 1,
               (unsigned long long)a.device_sectors, (unsigned long long)a.device_least,
               a.device_least ? (double)a.device_sectors / (double)a.device_least : 1);
}

/* No build or no device: all is skipped. */
static int skip(const char *reason, int n)
{
    const char *required = getenv("SWAGE_REQUIRE_GPU");
    const bool is_failure = required && strcmp(required, "1") == 0;
    printf("%s: CUDA kernels (%s): %s\n", is_failure ? "FAIL" : "SKIP", options.build, reason);
    printf("RESULT 0 %d %d\n", is_failure ? n : 0, is_failure ? 0 : n);
    return is_failure ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs("cuda_check [--build gpu|host] [--seeds N] [--only NAME] [--small] [--faults] "
              "[--accesses] [--verbose]\n",
              stderr);
        return 2;
    }
    options.is_small |= strcmp(options.build, "host") == 0;
    unsigned n = options.accesses; /* one more check */
    for (size_t f = 0; options.faults && f < n_faults; f++)
        n += !is_of_accesses(f);
    n += options.faults ? 0 : count_checks();
    check c = {.cuda = swg_cuda_find(options.build)};
    int devices;
    if (!c.cuda)
        return skip("this program was built without them", (int)n);
    if (c.cuda->count(&devices))
        return skip(c.cuda->message(), (int)n);
    if (c.cuda->open(0, &c.device) || c.cuda->stream_new(c.device, &c.stream))
        return skip(c.cuda->message(), (int)n);
    unsigned failed = 0;
    if (options.faults)
        failed = run_faults(&c);
    else
        failed = run_checks(&c);
    if (options.accesses) {
        print_accesses();
        failed += check_accesses(&c);
    }
    c.cuda->stream_free(c.stream);
    c.cuda->close(c.device);
    printf("RESULT %u %u 0\n", n - failed, failed);
    return failed == 0 && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
