/* The driver of the kernel checker: see check.h. Every buffer of a case has a mapping of its own
 * with unmapped pages at both ends; a run places the data flush with one of them and canaries on
 * the other side. A variant that leaves its buffers raises a signal, whose handler jumps back and
 * fails the case. */
#include "kernels/check/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/check/check_case.h"
#include "runtime/base/clock.h"

enum {
    PAGE = 4096,
    CAPACITY = 16 * 1024 * 1024, /* of a guarded mapping */
    CANARY_BYTES = 256,
    CANARY = 0xc5,
    DEFAULT_CASES = 480,
    MAX_TIMING_TOKENS = 64 /* what the guarded mappings hold */
};

typedef enum placement { AT_END, AT_START, PLACEMENTS } placement;
static const char *const placement_names[PLACEMENTS] = {"end", "start"};

typedef struct checker {
    const swg_check_options *options;
    uint8_t *mappings[SWG_CHECK_BUFFERS]; /* first usable byte */
    swg_check_report *report;
} checker;

/* The variants of one operation and the result of each. */
typedef struct op_run {
    const swg_kernels *tables[SWG_ISA_COUNT];
    swg_check_result results[SWG_ISA_COUNT];
    size_t n_tables;
} op_run;

swg_check_options swg_check_options_default(void)
{
    return (swg_check_options){.size = sizeof(swg_check_options),
                               .seed = 1,
                               .cases = DEFAULT_CASES,
                               .timing_seconds = 0.02,
                               .timing_tokens = 48,
                               .candidate_name = "candidate"};
}

static const swg_op_check *const checks[SWG_OP_COUNT] = {
#define SWG_OP(name, result, arguments) [SWG_OP_##name] = &swg_check__##name,
#include "kernels/ops.def"
#undef SWG_OP
};

/* --- Guarded memory --- */

static swg_status map_buffers(checker *k)
{
    for (size_t i = 0; i < SWG_CHECK_BUFFERS; i++) {
        uint8_t *mapping =
            mmap(NULL, CAPACITY + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapping == MAP_FAILED)
            return swg_error(SWG_NO_MEMORY, "no address space for guarded buffers");
        k->mappings[i] = mapping + PAGE;
        if (mprotect(k->mappings[i], CAPACITY, PROT_READ | PROT_WRITE) != 0)
            return swg_error(SWG_FAILED, "the system does not allow guard pages");
    }
    return SWG_OK;
}

static void unmap_buffers(checker *k)
{
    for (size_t i = 0; i < SWG_CHECK_BUFFERS; i++)
        if (k->mappings[i])
            munmap(k->mappings[i] - PAGE, CAPACITY + 2 * PAGE);
}

/* Where the canaries of a buffer of `bytes` bytes at `at` are: on the side without the guard
 * page. */
static uint8_t *canary_of(uint8_t *at, size_t bytes, placement where)
{
    return where == AT_END ? at - CANARY_BYTES : at + bytes;
}

static void place(const checker *k, const swg_check_case *c, placement where, void *at[])
{
    for (size_t i = 0; i < c->n_buffers; i++) {
        const swg_check_buffer *b = &c->buffers[i];
        uint8_t *data = k->mappings[i] + (where == AT_END ? CAPACITY - b->bytes : 0);
        memcpy(data, b->initial, b->bytes);
        memset(canary_of(data, b->bytes, where), CANARY, CANARY_BYTES);
        at[i] = data;
    }
}

/* --- One case --- */

static sigjmp_buf escape; /* one check at a time, on one thread: see check.h */

static void on_fault(int number)
{
    siglongjmp(escape, number);
}

/* False when the call accessed memory outside its buffers. */
static bool call_guarded(const swg_check_case *c, const swg_kernels *table, void *const at[])
{
    if (sigsetjmp(escape, 1) != 0)
        return false;
    checks[c->op]->invoke(c, table, at);
    return true;
}

static bool fail(char failure[SWG_CHECK_TEXT_BYTES], const swg_check_case *c, placement where,
                 const char *what, const char *buffer, size_t offset)
{
    snprintf(failure, SWG_CHECK_TEXT_BYTES, "%s: %s %s at byte %zu (buffers flush at the %s)",
             c->text, buffer, what, offset, placement_names[where]);
    return false;
}

/* Index of the first byte that differs, or `bytes`. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    size_t i = 0;
    if (memcmp(a, b, bytes) == 0)
        return bytes;
    while (a[i] == b[i])
        i++;
    return i;
}

/* Run once and compare: outputs with `wanted` (scalar's), inputs and canaries with what they
 * were. */
static bool run_placed(const checker *k, const swg_check_case *c, const swg_kernels *table,
                       placement where, uint8_t *const wanted[], char failure[SWG_CHECK_TEXT_BYTES])
{
    void *at[SWG_CHECK_BUFFERS];
    place(k, c, where, at);
    if (!call_guarded(c, table, at))
        return fail(failure, c, where, "or another buffer was left", "some buffer", 0);
    for (size_t i = 0; i < c->n_buffers; i++) {
        const swg_check_buffer *b = &c->buffers[i];
        const uint8_t *canary = canary_of(at[i], b->bytes, where);
        for (size_t j = 0; j < CANARY_BYTES; j++)
            if (canary[j] != CANARY)
                return fail(failure, c, where, "was overrun", b->name, j);
        if (b->role == CHECK_SCRATCH)
            continue;
        const uint8_t *expected = b->role == CHECK_IN ? b->initial : wanted[i];
        const size_t difference = first_difference(at[i], expected, b->bytes);
        if (difference < b->bytes)
            return fail(failure, c, where,
                        b->role == CHECK_IN ? "was changed" : "differs from scalar", b->name,
                        difference);
    }
    return true;
}

/* The scalar variant's outputs, in the case's arena, checked against double precision. */
static swg_status run_scalar(const checker *k, swg_check_case *c, uint8_t *wanted[], bool *is_true,
                             char failure[SWG_CHECK_TEXT_BYTES])
{
    void *at[SWG_CHECK_BUFFERS];
    place(k, c, AT_END, at);
    *is_true = call_guarded(c, swg_kernels_of(SWG_ISA_scalar), at);
    if (!*is_true)
        fail(failure, c, AT_END, "or another buffer was left", "some buffer", 0);
    char sentence[SWG_CHECK_TEXT_BYTES];
    if (*is_true && !checks[c->op]->reference(c, at, sentence)) {
        *is_true = false;
        snprintf(failure, SWG_CHECK_TEXT_BYTES, "%s: %.*s", c->text,
                 (int)(SWG_CHECK_TEXT_BYTES - sizeof c->text - 3), sentence);
    }
    for (size_t i = 0; i < c->n_buffers; i++) {
        wanted[i] = swg_arena_calloc(&c->arena, c->buffers[i].bytes, 1);
        if (!wanted[i])
            return SWG_NO_MEMORY;
        memcpy(wanted[i], at[i], c->buffers[i].bytes);
    }
    return SWG_OK;
}

static void record(swg_check_result *result, const char *failure)
{
    if (result->n_failed++ == 0)
        snprintf(result->failure, sizeof result->failure, "%s", failure);
}

static swg_status check_case(const checker *k, swg_check_case *c, op_run *run)
{
    uint8_t *wanted[SWG_CHECK_BUFFERS];
    char failure[SWG_CHECK_TEXT_BYTES];
    bool is_true;
    SWG_TRY(run_scalar(k, c, wanted, &is_true, failure));
    for (size_t i = 0; i < run->n_tables; i++) {
        swg_check_result *result = &run->results[i];
        result->n_cases++;
        if (!is_true && run->tables[i] == swg_kernels_of(SWG_ISA_scalar)) {
            record(result, failure);
            continue;
        }
        char own[SWG_CHECK_TEXT_BYTES];
        if (!run_placed(k, c, run->tables[i], AT_END, wanted, own) ||
            !run_placed(k, c, run->tables[i], AT_START, wanted, own))
            record(result, own);
    }
    return SWG_OK;
}

/* --- Time --- */

/* The best of repeated calls; short calls are timed in batches of about 20 microseconds. */
static double best_time(const swg_check_case *c, const swg_kernels *table, void *const at[],
                        double seconds)
{
    const double begin = swg_clock_s();
    checks[c->op]->invoke(c, table, at);
    const double once = swg_clock_s() - begin;
    const size_t batch = once < 20e-6 ? (size_t)(20e-6 / (once + 1e-9)) + 1 : 1;
    double best = once;
    while (swg_clock_s() - begin < seconds) {
        const double start = swg_clock_s();
        for (size_t i = 0; i < batch; i++)
            checks[c->op]->invoke(c, table, at);
        const double took = (swg_clock_s() - start) / (double)batch;
        best = took < best ? took : best;
    }
    return best;
}

static void time_variant(const checker *k, const swg_check_case *c, const swg_kernels *table,
                         swg_check_result *result)
{
    void *at[SWG_CHECK_BUFFERS];
    place(k, c, AT_END, at);
    result->seconds = best_time(c, table, at, k->options->timing_seconds);
    result->bytes_per_s = c->bytes / result->seconds;
    result->ops_per_s = c->ops / result->seconds;
    snprintf(result->workload, sizeof result->workload, "%s", c->text);
}

/* --- All cases of all variants --- */

/* Case number `index` of an operation does not depend on how many cases there are. */
static swg_status run_case(const checker *k, swg_op_id op, size_t index, bool for_timing,
                           op_run *run)
{
    swg_rng rng = swg_rng_seeded(k->options->seed * 1000003 + (uint64_t)op * 65537 + index);
    swg_check_case c = {.op = op, .rng = &rng, .m = k->options->timing_tokens};
    swg_status status = checks[op]->generate(&c, index, for_timing);
    if (status == SWG_OK)
        status = check_case(k, &c, run);
    for (size_t i = 0; status == SWG_OK && for_timing && i < run->n_tables; i++)
        if (run->results[i].n_failed == 0)
            time_variant(k, &c, run->tables[i], &run->results[i]);
    swg_arena_deinit(&c.arena);
    return status;
}

static bool has_row(const swg_kernels *table, swg_op_id op)
{
    switch (op) {
#define SWG_OP(name, result, arguments)                                                            \
    case SWG_OP_##name:                                                                            \
        return table->name != NULL;
#include "kernels/ops.def"
#undef SWG_OP
    case SWG_OP_COUNT:
        break;
    }
    return false;
}

static void add_table(op_run *run, swg_op_id op, const swg_kernels *table, const char *name)
{
    if (!has_row(table, op))
        return;
    run->tables[run->n_tables] = table;
    run->results[run->n_tables++] = (swg_check_result){.op = op, .isa = name};
}

static void report_results(checker *k, const op_run *run)
{
    swg_check_report *report = k->report;
    for (size_t i = 0; i < run->n_tables; i++) {
        const swg_check_result *result = &run->results[i];
        report->n_variants++;
        report->n_cases += result->n_cases;
        if (result->n_failed && report->n_failed++ == 0)
            snprintf(report->failure, sizeof report->failure, "%s (%s): %.*s",
                     swg_op_name(result->op), result->isa, SWG_CHECK_TEXT_BYTES - 64,
                     result->failure);
        if (k->options->on_result)
            k->options->on_result(k->options->context, result);
    }
}

static swg_status check_op(checker *k, swg_op_id op)
{
    op_run run = {.n_tables = 0};
    if (k->options->candidate)
        add_table(&run, op, k->options->candidate, k->options->candidate_name);
    else
        for (int isa = 0; isa < SWG_ISA_COUNT; isa++)
            if (swg_isa_is_available((swg_isa)isa))
                add_table(&run, op, swg_kernels_of((swg_isa)isa), swg_isa_name((swg_isa)isa));
    if (run.n_tables == 0)
        return SWG_OK;
    for (size_t i = 0; i < k->options->cases; i++)
        SWG_TRY(run_case(k, op, i, false, &run));
    if (k->options->timing)
        SWG_TRY(run_case(k, op, k->options->cases, true, &run));
    report_results(k, &run);
    return SWG_OK;
}

swg_status swg_kernels_check(const swg_check_options *options, swg_check_report *report)
{
    SWG_TRY(swg_options_check("swg_check_options", options->size, sizeof *options));
    if (options->timing_tokens < 1 || options->timing_tokens > MAX_TIMING_TOKENS)
        return swg_error(SWG_USAGE, "products are timed with 1 to %d tokens, not %zu",
                         MAX_TIMING_TOKENS, options->timing_tokens);
    *report = (swg_check_report){.n_variants = 0};
    checker k = {.options = options, .report = report};
    swg_status status = map_buffers(&k);
    struct sigaction action = {.sa_handler = on_fault}, old_segv, old_bus;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
    for (int op = 0; status == SWG_OK && op < SWG_OP_COUNT; op++)
        status = check_op(&k, (swg_op_id)op);
    sigaction(SIGSEGV, &old_segv, NULL);
    sigaction(SIGBUS, &old_bus, NULL);
    unmap_buffers(&k);
    return status;
}
