/* Cases of a benchmark measured in turn: see bench_sweep.h. */
#include "eval/bench_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/session.h"

/* One case of one side, ready to run: its caches are filled to `depth`. */
typedef struct bench_case {
    const swg_sweep_options *options;
    const swg_sweep_side *side;
    swg_sweep_row *row;
    swg_exec *exec;
    swg_piece *pieces; /* [batch] */
    int32_t *ids;      /* [longest of prompt, depth and generate] */
    float *logits;     /* [batch][n_outputs] */
    double *rates;     /* [rounds] */
} bench_case;

swg_status swg_sweep_parse(const char *option, const char *text, size_t least, size_t most,
                           swg_sweep_sizes *out)
{
    *out = (swg_sweep_sizes){.count = 0};
    for (const char *at = text;; at++) {
        char *end;
        const unsigned long long value = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : 0;
        if (*at < '0' || *at > '9' || (*end != ',' && *end) || value < least || value > most)
            return swg_error(SWG_USAGE,
                             "--%s is \"%.64s\": numbers from %zu to %zu, separated by "
                             "commas, were expected",
                             option, text, least, most);
        if (out->count == SWG_SWEEP_SIZES)
            return swg_error(SWG_USAGE, "--%s has more than %d numbers", option, SWG_SWEEP_SIZES);
        out->items[out->count++] = (size_t)value;
        if (!*end)
            return SWG_OK;
        at = end;
    }
}

swg_status swg_sweep_cap_isa(const char *isa, swg_sweep_cap *out)
{
    *out = (swg_sweep_cap){.is_set = isa != NULL};
    if (!isa)
        return SWG_OK;
    const char *before = getenv("SWAGE_ISA");
    if (before && !(out->before = strdup(before)))
        return swg_error(SWG_NO_MEMORY, "out of memory");
    if (setenv("SWAGE_ISA", isa, 1) == 0)
        return SWG_OK;
    swg_sweep_uncap(out);
    return swg_error(SWG_NO_MEMORY, "out of memory");
}

void swg_sweep_uncap(swg_sweep_cap *cap)
{
    if (cap->is_set && cap->before)
        (void)setenv("SWAGE_ISA", cap->before, 1); /* it was in the environment: it fits */
    else if (cap->is_set)
        (void)unsetenv("SWAGE_ISA");
    free(cap->before);
    *cap = (swg_sweep_cap){0};
}

/* --- Measuring -------------------------------------------------------------------------------- */

/* Every sequence back at `depth` tokens. */
static swg_status rewind_case(bench_case *c)
{
    for (size_t i = 0; i < c->row->batch; i++)
        SWG_TRY(swg_exec_truncate(c->exec, i, c->row->depth));
    return SWG_OK;
}

static swg_status fill_caches(bench_case *c)
{
    if (c->row->depth == 0)
        return SWG_OK;
    for (size_t i = 0; i < c->row->batch; i++) {
        const swg_piece whole = {
            .sequence = i, .n = c->row->depth, .ids = c->ids, .first_logits = c->row->depth};
        SWG_TRY(swg_exec_step(c->exec, &whole, 1, NULL));
    }
    return SWG_OK;
}

static swg_status make_exec(bench_case *c)
{
    const swg_sweep_options *o = c->options;
    const bool is_prefill = c->row->batch == 0;
    const swg_exec_options how = {.size = sizeof how,
                                  .context = is_prefill ? o->prompt : c->row->depth + o->generate,
                                  .chunk = o->chunk > c->row->batch ? o->chunk : c->row->batch,
                                  .activations = o->activations,
                                  .kv_type = o->kv_type,
                                  .sequences = is_prefill ? 1 : c->row->batch};
    swg_sweep_cap cap;
    SWG_TRY(swg_sweep_cap_isa(c->side->isa, &cap));
    const swg_status status = swg_exec_new(c->side->model, c->side->pool, &how, &c->exec);
    swg_sweep_uncap(&cap);
    return status;
}

/* Weights, and the keys and values of half of the steps on average. */
static double bytes_of_step(const bench_case *c)
{
    const swg_sweep_row *row = c->row;
    const double positions = (double)(row->depth + c->options->generate);
    const double read = (double)row->depth + 0.5 * (double)(c->options->generate + 1);
    return (double)swg_model_bytes_per_token(c->side->model) +
           (double)swg_exec_cache_bytes(c->exec) * read / positions;
}

static swg_status case_init(bench_case *c)
{
    const swg_sweep_options *o = c->options;
    const size_t batch = c->row->batch ? c->row->batch : 1;
    const size_t steps = o->generate > o->prompt ? o->generate : o->prompt;
    const size_t n_ids = c->row->depth > steps ? c->row->depth : steps;
    const swg_hparams *h = &c->side->model->hparams;
    SWG_TRY(SWG_NEW(c->ids, n_ids));
    SWG_TRY(SWG_NEW(c->pieces, batch));
    SWG_TRY(SWG_NEW(c->logits, batch * (size_t)h->n_outputs));
    SWG_TRY(SWG_NEW(c->rates, o->rounds));
    swg_rng rng = swg_rng_seeded(o->seed);
    for (size_t i = 0; i < n_ids; i++)
        c->ids[i] = (int32_t)(swg_rng_next(&rng) % (uint64_t)h->vocab);
    SWG_TRY(make_exec(c));
    if (c->row->batch == 0)
        return SWG_OK;
    c->row->bytes = bytes_of_step(c);
    return fill_caches(c);
}

static void case_deinit(bench_case *c)
{
    swg_exec_free(&c->exec);
    swg_free(c->rates);
    swg_free(c->logits);
    swg_free(c->pieces);
    swg_free(c->ids);
}

static swg_status run_prefill(bench_case *c, double *rate)
{
    const size_t n = c->options->prompt;
    swg_exec_reset(c->exec);
    const double start = swg_clock_s();
    SWG_TRY(swg_exec_run(c->exec, c->ids, n, n - 1, c->logits));
    *rate = (double)n / (swg_clock_s() - start);
    return SWG_OK;
}

static swg_status run_decode(bench_case *c, double *rate)
{
    const size_t batch = c->row->batch, steps = c->options->generate;
    SWG_TRY(rewind_case(c));
    const double start = swg_clock_s();
    for (size_t step = 0; step < steps; step++) {
        for (size_t i = 0; i < batch; i++)
            c->pieces[i] = (swg_piece){.sequence = i, .n = 1, .ids = c->ids + (step + i) % steps};
        SWG_TRY(swg_exec_step(c->exec, c->pieces, batch, c->logits));
    }
    *rate = (double)(batch * steps) / (swg_clock_s() - start);
    return SWG_OK;
}

/* Round 0 warms up. */
static swg_status run_rounds(bench_case *cases, size_t n_cases, size_t rounds,
                             const swg_progress *progress)
{
    for (size_t round = 0; round <= rounds; round++) {
        SWG_TRY(swg_progress_step(progress, "cases in turn", "rounds", round, rounds + 1));
        for (size_t i = 0; i < n_cases; i++) {
            double rate;
            SWG_TRY(cases[i].row->batch ? run_decode(&cases[i], &rate)
                                        : run_prefill(&cases[i], &rate));
            if (round > 0)
                cases[i].rates[round - 1] = rate;
        }
    }
    return SWG_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of rates[i] / beside[i]; of the rates where beside is NULL. `room` [n] is scratch. */
static swg_sweep_value value_of(const double *rates, const double *beside, size_t n, double *room)
{
    for (size_t i = 0; i < n; i++)
        room[i] = beside ? rates[i] / beside[i] : rates[i];
    qsort(room, n, sizeof *room, compare_doubles);
    return (swg_sweep_value){.median = n % 2 ? room[n / 2] : 0.5 * (room[n / 2 - 1] + room[n / 2]),
                             .least = room[0],
                             .most = room[n - 1]};
}

/* Cases are in the order side, depth, batch, with prefill first. */
static size_t cases_per_side(const swg_sweep_options *o)
{
    return (o->prompt > 0) + (o->generate > 0) * o->depths.count * o->batches.count;
}

static swg_status summarise(const swg_sweep_options *o, bench_case *cases, size_t n_cases)
{
    const size_t per_side = cases_per_side(o), first_decode = o->prompt > 0;
    double *room;
    SWG_TRY(SWG_NEW(room, o->rounds));
    for (size_t i = 0; i < n_cases; i++) {
        swg_sweep_row *row = cases[i].row;
        const size_t within = i % per_side;
        const size_t batch = row->batch ? (within - first_decode) % o->batches.count : 0;
        row->rate = value_of(cases[i].rates, NULL, o->rounds, room);
        row->ratio = value_of(cases[i].rates, cases[within].rates, o->rounds, room);
        row->scale = value_of(cases[i].rates, cases[i - batch].rates, o->rounds, room);
    }
    swg_free(room);
    return SWG_OK;
}

static void list_rows(const swg_sweep_options *o, swg_sweep *out)
{
    for (size_t side = 0; side < o->n_sides; side++) {
        if (o->prompt > 0)
            out->rows[out->n_rows++] = (swg_sweep_row){.side = side, .depth = o->prompt};
        for (size_t d = 0; o->generate > 0 && d < o->depths.count; d++)
            for (size_t b = 0; b < o->batches.count; b++)
                out->rows[out->n_rows++] = (swg_sweep_row){
                    .side = side, .batch = o->batches.items[b], .depth = o->depths.items[d]};
    }
}

swg_status swg_sweep_measure(const swg_sweep_options *options, const swg_progress *progress,
                             swg_sweep *out)
{
    swg_status status = SWG_OK;
    const size_t n = options->n_sides * cases_per_side(options);
    bench_case *cases = NULL;
    swg_sweep made = {0};
    for (size_t i = 0; i < options->n_sides; i++)
        if (options->sides[i].model->hparams.is_encoder)
            return swg_error(SWG_UNSUPPORTED,
                             "%s reads whole texts: cases are compared for models "
                             "that generate",
                             options->sides[i].name);
    SWG_GO(SWG_NEW(made.rows, n));
    SWG_GO(SWG_NEW(cases, n));
    list_rows(options, &made);
    for (size_t i = 0; i < n; i++) {
        cases[i] = (bench_case){
            .options = options, .row = &made.rows[i], .side = &options->sides[made.rows[i].side]};
        SWG_GO(swg_progress_step(progress, "filling caches", "cases", i, n));
        SWG_GO(case_init(&cases[i]));
    }
    SWG_GO(run_rounds(cases, n, options->rounds, progress));
    SWG_GO(summarise(options, cases, n));
    *out = made;
    made = (swg_sweep){0};
done:
    for (size_t i = 0; cases && i < n; i++)
        case_deinit(&cases[i]);
    swg_free(cases);
    swg_sweep_deinit(&made);
    return status;
}

void swg_sweep_deinit(swg_sweep *sweep)
{
    swg_free(sweep->rows);
    *sweep = (swg_sweep){0};
}

/* --- The result ------------------------------------------------------------------------------- */

/* Of the DRAM read rate by what decoding reads; 0 where either is not known. */
static double share_of(const swg_sweep_row *row, double dram)
{
    return dram > 0 && row->batch ? row->bytes * row->rate.median / (double)row->batch / dram : 0;
}

static void name_case(const swg_sweep_row *row, char *out, size_t size)
{
    if (row->batch == 0)
        snprintf(out, size, "prefill %zu", row->depth);
    else
        snprintf(out, size, "decode, batch %zu, depth %zu", row->batch, row->depth);
}

/* Quotes are doubled. */
static void print_quoted(const char *text, swg_strbuf *out)
{
    swg_strbuf_puts(out, "\"");
    for (; *text; text++) {
        swg_strbuf_append(out, text, 1);
        if (*text == '"')
            swg_strbuf_append(out, text, 1);
    }
    swg_strbuf_puts(out, "\"");
}

static void print_csv(const swg_sweep_options *o, const swg_sweep *sweep, double dram,
                      swg_strbuf *out)
{
    swg_strbuf_puts(out, "side,phase,batch,depth,tokens_per_s,least,most,ratio,ratio_least,"
                         "ratio_most,times_first_batch,bytes_per_step,share_of_dram_read\n");
    for (size_t i = 0; i < sweep->n_rows; i++) {
        const swg_sweep_row *row = &sweep->rows[i];
        print_quoted(o->sides[row->side].name, out);
        swg_strbuf_printf(out, ",%s,%zu,%zu,%.6g,%.6g,%.6g,%.4f,%.4f,%.4f,%.4f,%.0f,",
                          row->batch ? "decode" : "prefill", row->batch ? row->batch : 1,
                          row->depth, row->rate.median, row->rate.least, row->rate.most,
                          row->ratio.median, row->ratio.least, row->ratio.most, row->scale.median,
                          row->bytes);
        if (share_of(row, dram) > 0)
            swg_strbuf_printf(out, "%.4f", share_of(row, dram));
        swg_strbuf_puts(out, "\n");
    }
}

/* A cell per format: columns of a table, or between bars. */
static void print_cells(const swg_sweep_options *o, const swg_sweep_row *row, double dram,
                        bool is_markdown, swg_strbuf *out)
{
    char name[64], share[16] = "";
    name_case(row, name, sizeof name);
    if (share_of(row, dram) > 0)
        snprintf(share, sizeof share, "%.0f %%", 100 * share_of(row, dram));
    swg_strbuf_printf(
        out,
        is_markdown ? "| %s | %s | %.1f (%.1f to %.1f) | %.3f (%.3f to %.3f) | %.2f | %s |\n"
                    : "%-20.20s %-32s %9.1f (%.1f to %.1f)  %6.3f (%.3f to %.3f)  %6.2f  %s\n",
        o->sides[row->side].name, name, row->rate.median, row->rate.least, row->rate.most,
        row->ratio.median, row->ratio.least, row->ratio.most, row->scale.median, share);
}

void swg_sweep_print(const swg_sweep_options *options, const swg_sweep *sweep, double dram,
                     const char *format, swg_strbuf *out)
{
    if (strcmp(format, "csv") == 0) {
        print_csv(options, sweep, dram, out);
        return;
    }
    const bool is_markdown = strcmp(format, "markdown") == 0;
    swg_strbuf_puts(out, is_markdown
                             ? "| side | case | tokens/s | times the first side | times the first "
                               "batch size | of the DRAM read rate |\n|---|---|---|---|---|---|\n"
                             : "side, case, tokens/s, times the first side, times the first batch "
                               "size, share of the DRAM read rate\n");
    for (size_t i = 0; i < sweep->n_rows; i++)
        print_cells(options, &sweep->rows[i], dram, is_markdown, out);
}

static void write_value(swg_json_writer *json, const char *key, swg_sweep_value value)
{
    char name[64];
    swg_json_double(json, key, value.median);
    snprintf(name, sizeof name, "%s_least", key);
    swg_json_double(json, name, value.least);
    snprintf(name, sizeof name, "%s_most", key);
    swg_json_double(json, name, value.most);
}

void swg_sweep_write(const swg_sweep_options *options, const swg_sweep *sweep, double dram,
                     swg_json_writer *json)
{
    swg_json_begin_array(json, "cases");
    for (size_t i = 0; i < sweep->n_rows; i++) {
        const swg_sweep_row *row = &sweep->rows[i];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "side", options->sides[row->side].name);
        swg_json_string(json, "phase", row->batch ? "decode" : "prefill");
        swg_json_uint(json, "batch", row->batch ? row->batch : 1);
        swg_json_uint(json, "depth", row->depth);
        write_value(json, "tokens_per_s", row->rate);
        write_value(json, "ratio", row->ratio);
        write_value(json, "times_first_batch", row->scale);
        swg_json_double(json, "bytes_per_step", row->bytes);
        if (share_of(row, dram) > 0)
            swg_json_double(json, "share_of_dram_read", share_of(row, dram));
        else
            swg_json_null(json, "share_of_dram_read");
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}
