/* Checks the CUDA kernels of a build against references:
 *   cuda_check [--build gpu|host] [--seeds N] [--only NAME] [--small] [--verbose]
 * and, on the host executor, that each planted fault is found: cuda_check --faults. Ends with
 * "RESULT passed failed skipped". Without a device all checks count as skipped, with the reason; if
 * SWAGE_REQUIRE_GPU=1 that is a failure. */
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
    bool faults, is_small, is_verbose;
} options = {.build = "gpu", .seeds = 1};

static const struct {
    const char *name, *check, *mistake;
} faults[] = {
#define SWG_CUDA_FAULT(name, operation, mistake) {#name, #operation, mistake},
#include "kernels/cuda/faults.def"
#undef SWG_CUDA_FAULT
};

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--faults") == 0)
            options.faults = true;
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

static int run_faults(check *c, unsigned *failed)
{
    const unsigned n = sizeof faults / sizeof faults[0];
    for (size_t f = 0; f < n; f++)
        if (!is_caught(c, f)) {
            printf("FAIL: no check noticed the fault %s: %s\n", faults[f].name, faults[f].mistake);
            ++*failed;
        }
    return (int)n;
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
              "[--verbose]\n",
              stderr);
        return 2;
    }
    options.is_small |= strcmp(options.build, "host") == 0;
    const unsigned n = options.faults ? sizeof faults / sizeof faults[0] : count_checks();
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
        run_faults(&c, &failed);
    else
        failed = run_checks(&c);
    c.cuda->stream_free(c.stream);
    c.cuda->close(c.device);
    printf("RESULT %u %u 0\n", n - failed, failed);
    return failed == 0 && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
