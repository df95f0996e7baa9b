/* Quantizing layer by layer, alone and beside the original: matrices are written in the order of
 * the output, with tied and with separate embeddings. */
#include <stdio.h>
#include <string.h>

#include "quantize/calibrated.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

enum { WINDOWS = 2, WINDOW = 12 };

static const char *const models[] = {"llama-biases", "llama-dynamic", "mistral-window",
                                     "qwen2-window", "qwen3",         "gpt2-untied"};
enum { N_MODELS = sizeof models / sizeof *models };

static void quantize_model(const char *input, bool is_paired, const char *output)
{
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    swg_recipe *recipe = NULL;
    swg_tensor_desc *descs = NULL, *outputs = NULL;
    swg_tensor_use *uses = NULL;
    swg_plan plan = {0};
    swg_sink_meta meta = {0};
    swg_recipe_preset preset = swg_recipe_preset_default();
    int32_t ids[WINDOWS * WINDOW];
    for (size_t i = 0; i < WINDOWS * WINDOW; i++)
        ids[i] = (int32_t)(i * 7 % 23 + 1);
    const swg_calibration_text text = {.ids = ids, .n_windows = WINDOWS, .window = WINDOW};
    preset.method = "gptq";
    preset.group = 32;
    ck_ok(swg_source_open(input, NULL, &source));
    ck_ok(swg_quantize_source_descs(source, &descs));
    ck_ok(swg_quantize_source_uses(source, descs, &uses));
    ck_ok(swg_recipe_from_preset(&preset, &recipe));
    ck_ok(swg_plan_make(descs, swg_source_n_tensors(source), uses, recipe, &plan));
    ck_ok(swg_quantize_order_by_layers(uses, &plan));
    ck_ok(swg_quantize_output_descs(&plan, &outputs));
    ck_ok(swg_sink_meta_from_source(source, &meta));
    swg_tensor_report *reports = swg_calloc(plan.n_entries, sizeof *reports);
    swg_quantize_options options = swg_quantize_options_default();
    swg_sink_options force = swg_sink_options_default();
    force.force = true;
    options.calibration = &text;
    options.is_paired = is_paired;
    ck_ok(swg_sink_open(output, &force, &meta, outputs, plan.n_entries, &sink));
    ck_ok(swg_quantize_checkpoint(source, &plan, &options, sink, reports));
    ck_ok(swg_sink_finish(&sink, NULL));
    for (size_t i = 0; i < plan.n_entries; i++) /* every weight but a table has an input */
        if (plan.entries[i].is_quantized && strstr(plan.entries[i].desc.name, "layers."))
            ck_assert_int_eq(reports[i].method, SWG_QUANT_gptq);
    swg_free(reports);
    swg_sink_meta_deinit(&meta);
    swg_free(outputs);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
    swg_free(uses);
    swg_free(descs);
    swg_source_close(&source);
}

START_TEST(matrices_are_written_in_order)
{
    char input[128];
    swg_source *source = NULL;
    snprintf(input, sizeof input, "tests/runtime/fixtures/%s", models[_i % N_MODELS]);
    const char *output = swg_test_path("calibrated.swg");
    quantize_model(input, _i >= N_MODELS, output);
    ck_ok(swg_source_open(output, NULL, &source));
    swg_source_close(&source);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("quantize_calibrated");
    TCase *tcase = tcase_create("layers");
    tcase_add_loop_test(tcase, matrices_are_written_in_order, 0, 2 * N_MODELS);
    suite_add_tcase(suite, tcase);
    return suite;
}
