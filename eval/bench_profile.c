/* See bench_profile.h. */
#include "eval/bench_profile.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/model.h"

typedef struct phase {
    swg_exec *exec;
    const swg_model *model;
    int32_t *ids;
    float *logits;
    size_t prompt, generate, depth;
} phase;

static swg_status prefill(const phase *p)
{
    if (p->model->hparams.is_encoder)
        return swg_exec_encode(p->exec, p->ids, NULL, p->prompt, p->logits);
    return swg_exec_run(p->exec, p->ids, p->prompt, p->prompt - 1, p->logits);
}

static swg_status decode(const phase *p)
{
    for (size_t i = 0; i < p->generate; i++)
        SWG_TRY(swg_exec_run(p->exec, p->ids + p->depth + i, 1, 0, p->logits));
    return SWG_OK;
}

static swg_status keep_rows(swg_profile *profile, size_t tokens, double seconds,
                            swg_phase_profile *out)
{
    const swg_profile_row *rows = swg_profile_rows(profile, &out->n_rows);
    SWG_TRY(SWG_NEW(out->rows, out->n_rows));
    memcpy(out->rows, rows, out->n_rows * sizeof *rows);
    out->tokens = tokens;
    out->seconds = seconds;
    return SWG_OK;
}

/* The second of two runs. */
static swg_status measure_phase(const phase *p, swg_profile *profile, size_t tokens,
                                swg_status (*run)(const phase *p), size_t before,
                                swg_phase_profile *out)
{
    double seconds = 0;
    for (int i = 0; i < 2; i++) {
        swg_exec_reset(p->exec);
        if (before > 0)
            SWG_TRY(swg_exec_run(p->exec, p->ids, before, before, NULL));
        swg_profile_reset(profile);
        const double start = swg_clock_s();
        SWG_TRY(run(p));
        seconds = swg_clock_s() - start;
    }
    return keep_rows(profile, tokens, seconds, out);
}

swg_status swg_bench_profile_measure(swg_exec *exec, const swg_model *model, size_t prompt,
                                     size_t generate, size_t depth, swg_bench_profile *out)
{
    const swg_hparams *h = &model->hparams;
    const size_t longest = prompt > depth + generate ? prompt : depth + generate;
    const size_t rows = h->is_encoder && !h->one_output ? longest : 1;
    phase p = {
        .exec = exec, .model = model, .prompt = prompt, .generate = generate, .depth = depth};
    swg_profile *profile = NULL;
    swg_status status = SWG_OK;
    swg_rng rng = swg_rng_seeded(1);
    SWG_GO(SWG_NEW(p.ids, longest));
    SWG_GO(SWG_NEW(p.logits, rows * (size_t)h->n_outputs));
    for (size_t i = 0; i < longest; i++)
        p.ids[i] = (int32_t)(swg_rng_next(&rng) % (uint64_t)h->vocab);
    SWG_GO(swg_profile_start(exec, &profile));
    if (prompt > 0)
        SWG_GO(measure_phase(&p, profile, prompt, prefill, 0, &out->prefill));
    if (generate > 0)
        SWG_GO(measure_phase(&p, profile, generate, decode, depth, &out->decode));
done:
    swg_profile_stop(&profile);
    swg_free(p.logits);
    swg_free(p.ids);
    return status;
}

void swg_bench_profile_deinit(swg_bench_profile *profile)
{
    swg_free(profile->prefill.rows);
    swg_free(profile->decode.rows);
    *profile = (swg_bench_profile){0};
}

static double seconds_of_rows(const swg_phase_profile *p)
{
    double seconds = 0;
    for (size_t i = 0; i < p->n_rows; i++)
        seconds += p->rows[i].seconds;
    return seconds;
}

static void print_rate(double amount, double seconds, double limit, const char *unit,
                       swg_strbuf *out)
{
    if (amount <= 0 || seconds <= 0)
        return;
    swg_strbuf_printf(out, "  %8.1f %s", 1e-9 * amount / seconds, unit);
    if (limit > 0)
        swg_strbuf_printf(out, " %4.0f %%", 100 * amount / seconds / limit);
}

/* Microseconds per token; decoding is bounded by bytes, prefill by operations. */
static void print_phase(const char *name, const swg_phase_profile *p, bool by_bytes, double limit,
                        swg_strbuf *out)
{
    if (p->tokens == 0)
        return;
    const double per_token = 1e6 / (double)p->tokens, between = p->seconds - seconds_of_rows(p);
    swg_strbuf_printf(out, "\n%-44s %10s %7s  %s\n", name, "us/token", "share",
                      by_bytes ? "bytes read, of the DRAM rate" : "operations, of the peak");
    for (size_t i = 0; i < p->n_rows; i++) {
        const swg_profile_row *row = &p->rows[i];
        swg_strbuf_printf(out, "%-44s %10.2f %6.1f%%", row->name, row->seconds * per_token,
                          100 * row->seconds / p->seconds);
        if (by_bytes)
            print_rate((double)row->bytes, row->seconds, limit, "GB/s", out);
        else
            print_rate(row->operations, row->seconds, limit, "GOP/s", out);
        swg_strbuf_puts(out, "\n");
    }
    swg_strbuf_printf(out, "%-44s %10.2f %6.1f%%\n", "between operations", between * per_token,
                      100 * between / p->seconds);
}

void swg_bench_profile_print(const swg_bench_profile *profile, double dram, double peak,
                             swg_strbuf *out)
{
    print_phase("prefill", &profile->prefill, false, peak, out);
    print_phase("decode", &profile->decode, true, dram, out);
}

static void write_phase(const char *name, const swg_phase_profile *p, swg_json_writer *json)
{
    if (p->tokens == 0) {
        swg_json_null(json, name);
        return;
    }
    swg_json_begin_object(json, name);
    swg_json_uint(json, "tokens", p->tokens);
    swg_json_double(json, "seconds", p->seconds);
    swg_json_begin_array(json, "operations");
    for (size_t i = 0; i < p->n_rows; i++) {
        const swg_profile_row *row = &p->rows[i];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "operation", row->name);
        swg_json_uint(json, "calls", row->calls);
        swg_json_double(json, "seconds", row->seconds);
        swg_json_uint(json, "bytes", row->bytes);
        swg_json_double(json, "operations", row->operations);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
    swg_json_end_object(json);
}

void swg_bench_profile_write(const swg_bench_profile *profile, swg_json_writer *json)
{
    swg_json_begin_object(json, "profile");
    write_phase("prefill", &profile->prefill, json);
    write_phase("decode", &profile->decode, json);
    swg_json_end_object(json);
}
