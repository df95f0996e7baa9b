/* What scripts/bench measures inside the library, beyond what commands measure, and the files that
 * it runs commands on:
 *     bench_parts pool THREADS     jobs per second of a pool of THREADS threads
 *     bench_parts json             keys per second, parsed and looked up in an object of 100,000
 *     bench_parts open FILE        milliseconds that opening the checkpoint takes
 *     bench_parts many FILE        write a checkpoint of 100,000 tensors
 *     bench_parts model FILE       write a Llama of 86 million random weights
 * Prints one number: the best of several runs, since any disturbance only makes a run slower.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/json/json.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/thread.h"
#include "tests/formats/tiny_llama.h"

enum { RUNS = 7, JOBS = 20000, COUNT = 100000 };

static void no_work(void *context, size_t thread, size_t n_threads)
{
    (void)context;
    (void)thread;
    (void)n_threads;
}

static swg_status time_pool(const char *argument, double *seconds)
{
    swg_pool *pool = NULL;
    SWG_TRY(swg_pool_new((size_t)strtoul(argument, NULL, 10), &pool));
    const double start = swg_clock_s();
    for (int i = 0; i < JOBS; i++)
        swg_pool_run(pool, no_work, NULL);
    *seconds = swg_clock_s() - start;
    swg_pool_free(&pool);
    return SWG_OK;
}

static swg_status time_json(const char *argument, double *seconds)
{
    (void)argument;
    swg_strbuf text = {0};
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    swg_strbuf_puts(&text, "{");
    for (int i = 0; i < COUNT; i++)
        swg_strbuf_printf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
    swg_strbuf_puts(&text, "}");
    SWG_GO(swg_strbuf_status(&text));
    const double start = swg_clock_s();
    SWG_GO(swg_json_parse(text.text, text.length, "text", &doc));
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        if (!swg_json_get(swg_json_root(doc), key))
            SWG_GO(swg_error(SWG_FAILED, "%s is not found", key));
    }
    *seconds = swg_clock_s() - start;
done:
    swg_json_free(&doc);
    swg_strbuf_deinit(&text);
    return status;
}

static swg_status time_open(const char *argument, double *seconds)
{
    swg_source *source = NULL;
    const double start = swg_clock_s();
    const swg_status status = swg_source_open(argument, NULL, &source);
    *seconds = swg_clock_s() - start;
    swg_source_close(&source);
    return status;
}

static swg_status write_all(swg_sink *sink)
{
    static const float zeros[8];
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = zeros};
    for (size_t i = 0; i < COUNT; i++)
        SWG_TRY(swg_sink_write(sink, i, planes));
    return SWG_OK;
}

static swg_status write_many(const char *path)
{
    static swg_tensor_desc tensors[COUNT];
    static char names[COUNT][48];
    static const char config[] =
        "{\"model_type\":\"llama\",\"hidden_size\":4,\"intermediate_size\":4,"
        "\"num_hidden_layers\":100000,\"num_attention_heads\":2,\"num_key_value_heads\":2,"
        "\"vocab_size\":2,\"max_position_embeddings\":4,\"rms_norm_eps\":1e-5,"
        "\"rope_theta\":10000.0}";
    for (size_t i = 0; i < COUNT; i++) {
        if (i == 0)
            snprintf(names[i], sizeof names[i], "model.embed_tokens.weight");
        else
            snprintf(names[i], sizeof names[i], "model.layers.%zu.mlp.down_proj.weight", i);
        tensors[i] = (swg_tensor_desc){
            .name = names[i], .scheme = swg_scheme_plain(SWG_F32), .rank = 2, .shape = {2, 4}};
    }
    const swg_sink_meta meta = {
        .config = config, .config_length = sizeof config - 1, .provenance = "[]"};
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_sink_open(path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true},
                         &meta, tensors, COUNT, &sink));
    SWG_GO(write_all(sink));
    SWG_GO(swg_sink_finish(&sink, NULL));
done:
    swg_sink_abort(&sink);
    return status;
}

static swg_status write_model(const char *path)
{
    tiny_llama t = {.dim = 1024,
                    .hidden = 2816,
                    .vocab = 8192,
                    .heads = 16,
                    .kv_heads = 16,
                    .layers = 6,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32)};
    static sample s;
    tiny_llama_fill(&t, &s);
    const swg_status status = sample_write(
        &s, path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
    sample_deinit(&s);
    return status;
}

static const struct part {
    const char *name;
    swg_status (*time)(const char *argument, double *seconds);
    double amount; /* done in that time; 0 = print milliseconds */
} parts[] = {{"pool", time_pool, JOBS}, {"json", time_json, COUNT}, {"open", time_open, 0}};

static swg_status print_best(const struct part *part, const char *argument)
{
    double best = 0, seconds = 0;
    for (int run = 0; run < RUNS; run++) {
        SWG_TRY(part->time(argument, &seconds));
        best = run == 0 || seconds < best ? seconds : best;
    }
    printf("%.6g\n", part->amount > 0 ? part->amount / best : 1e3 * best);
    return SWG_OK;
}

static swg_status run(const char *what, const char *argument)
{
    if (strcmp(what, "many") == 0)
        return write_many(argument);
    if (strcmp(what, "model") == 0)
        return write_model(argument);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(what, parts[i].name) == 0)
            return print_best(&parts[i], argument);
    return swg_error(SWG_USAGE, "\"%s\": see tests/bench/bench_parts.c", what);
}

int main(int argc, char **argv)
{
    const swg_status status = run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
    if (status != SWG_OK)
        fprintf(stderr, "bench_parts: %s\n", swg_error_message());
    return status == SWG_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
