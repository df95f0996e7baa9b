/* The report: what is untrusted stays text, the front is that of the definition, axes hold their
 * values, colours can be read, and the same records give the same bytes. */
#include "eval/report/report.h"

#include <stdio.h>
#include <string.h>

#include "eval/report/axis.h"
#include "eval/report/figures.h"
#include "eval/report/markup.h"
#include "eval/report/palette.h"
#include "tests/harness.h"

/* --- Escaping --------------------------------------------------------------------------------- */

static const struct {
    const char *text, *markup, *markdown;
} hostile[] = {
    {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;",
     "&lt;script&gt;alert\\(1\\)&lt;/script&gt;"},
    {"a\" onload='x'", "a&quot; onload=&#39;x&#39;", "a&quot; onload=&#39;x&#39;"},
    {"&amp;", "&amp;amp;", "&amp;amp;"},
    {"a|b\n# c", "a|b\n# c", "a\\|b \\# c"},
    {"[x](javascript:y)", "[x](javascript:y)", "\\[x\\]\\(javascript:y\\)"},
    {"\x01\x1b[31m\x7f", "\xEF\xBF\xBD\xEF\xBF\xBD[31m\xEF\xBF\xBD",
     "\xEF\xBF\xBD\xEF\xBF\xBD\\[31m\xEF\xBF\xBD"},
    {"a\xE2\x80\xAEz", "a\xEF\xBF\xBDz", "a\xEF\xBF\xBDz"}, /* right-to-left override */
    {"\xff\xC3", "\xEF\xBF\xBD\xEF\xBF\xBD", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\xC3\xA9\xE4\xB8\xAD", "\xC3\xA9\xE4\xB8\xAD", "\xC3\xA9\xE4\xB8\xAD"},
};
enum { N_HOSTILE = sizeof hostile / sizeof *hostile };

START_TEST(markup_in_texts_is_escaped)
{
    swg_strbuf out = {0};
    swg_markup_text(&out, hostile[_i].text);
    ck_assert_str_eq(out.text, hostile[_i].markup);
    out.length = 0;
    swg_markup_markdown(&out, hostile[_i].text);
    ck_assert_str_eq(out.text, hostile[_i].markdown);
    swg_strbuf_deinit(&out);
}
END_TEST

START_TEST(texts_are_cut_between_characters)
{
    swg_strbuf out = {0};
    swg_markup_short(&out, "\xC3\xA9\xC3\xA9\xC3\xA9", 2);
    ck_assert_str_eq(out.text, "\xC3\xA9\xC3\xA9\xE2\x80\xA6");
    out.length = 0;
    swg_markup_short(&out, "abc", 3);
    ck_assert_str_eq(out.text, "abc");
    swg_strbuf_deinit(&out);
}
END_TEST

START_TEST(recipes_are_laid_out)
{
    swg_strbuf out = {0};
    swg_markup_json(&out, "{\"a\":1, \"b\":[{\"m\":\"x:,{\\\"\",\"n\":[]},{}]}", SIZE_MAX);
    ck_assert_str_eq(out.text, "{\n  &quot;a&quot;: 1,\n  &quot;b&quot;: [\n    {\n      "
                               "&quot;m&quot;: &quot;x:,{\\&quot;&quot;,\n      &quot;n&quot;: "
                               "[]\n    },\n    {}\n  ]\n}");
    out.length = 0;
    swg_markup_json(&out, "[1,2]", 3);
    ck_assert_str_eq(out.text, "[1, \n\xE2\x80\xA6 2 bytes more");
    swg_strbuf_deinit(&out);
}
END_TEST

/* --- Pareto front ----------------------------------------------------------------------------- */

START_TEST(the_front_is_what_nothing_beats)
{
    enum { N = 60 };
    swg_result results[N];
    bool is_on_front[N];
    uint32_t state = (uint32_t)swg_test_seed();
    for (size_t i = 0; i < N; i++) {
        results[i] = swg_result_default();
        state = state * 1664525 + 1013904223;
        results[i].file_bytes = state >> 28; /* few values: ties */
        state = state * 1664525 + 1013904223;
        results[i].decode_tokens_per_s = state >> 28;
        if (i % 10 == 9)
            results[i].file_bytes = -1;
        if (i % 10 == 8)
            results[i].status = "failed";
    }
    ck_ok(swg_pareto_front(results, N, SWG_METRIC_file_bytes, SWG_METRIC_decode_tokens_per_s,
                           is_on_front));
    for (size_t i = 0; i < N; i++) {
        bool wanted = i % 10 < 8;
        for (size_t k = 0; k < N && wanted; k++)
            wanted = k % 10 >= 8 || results[k].file_bytes > results[i].file_bytes ||
                     results[k].decode_tokens_per_s < results[i].decode_tokens_per_s ||
                     (results[k].file_bytes == results[i].file_bytes &&
                      results[k].decode_tokens_per_s == results[i].decode_tokens_per_s);
        ck_assert_msg(is_on_front[i] == wanted, "record %zu", i);
    }
}
END_TEST

/* --- Axes and figures ------------------------------------------------------------------------- */

static const struct {
    size_t n;
    double values[5];
    bool is_log, has_zero;
} axes[] = {
    {2, {20, 55}, false, false},
    {3, {1e-6, 0.5, 30}, true, false},
    {3, {0, 1e-3, 30}, true, true},
    {1, {5}, false, false},
    {2, {0, 0}, false, false},
    {2, {1e-320, 1e308}, true, false},
    {3, {-1e-9, 0.1, 10}, true, true},
    {2, {NAN, INFINITY}, false, false},
    {2, {1, 1.0000000000000002}, false, false},
};
enum { N_AXES = sizeof axes / sizeof *axes };

START_TEST(axes_hold_their_values)
{
    double ticks[SWG_AXIS_MAX_TICKS];
    const swg_axis axis = swg_axis_fit(axes[_i].values, axes[_i].n, 10, 110);
    ck_assert(axis.is_log == axes[_i].is_log && axis.has_zero == axes[_i].has_zero);
    for (size_t i = 0; i < axes[_i].n; i++)
        if (!isnan(axes[_i].values[i])) {
            const double at = swg_axis_at(&axis, axes[_i].values[i]);
            ck_assert_msg(at >= 10 && at <= 110, "%g is at %g", axes[_i].values[i], at);
        }
    for (size_t most = 2; most <= SWG_AXIS_MAX_TICKS; most++) {
        const size_t n = swg_axis_ticks(&axis, most, ticks);
        ck_assert_uint_le(n, most);
        for (size_t i = 1; i < n; i++)
            ck_assert_double_ge(ticks[i], ticks[i - 1]);
    }
}
END_TEST

START_TEST(figures_are_written_with_their_units)
{
    static const struct {
        swg_metric_id metric;
        double value;
        const char *words;
    } cases[] = {{SWG_METRIC_file_bytes, 80590974, "80.6 MB"},
                 {SWG_METRIC_file_bytes, 999, "999 B"},
                 {SWG_METRIC_kld_mean, 0.03502, "0.0350"},
                 {SWG_METRIC_kld_mean, 0, "0"},
                 {SWG_METRIC_kld_mean, 4e-7, "4.00e-07"},
                 {SWG_METRIC_top1_agreement, 0.9654, "96.5 %"},
                 {SWG_METRIC_perplexity, 23.5951, "23.60"},
                 {SWG_METRIC_decode_tokens_per_s, 101.26, "101.3 tokens/s"},
                 {SWG_METRIC_ttft_ms_p50, NAN, ""}};
    char words[48];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(swg_metric_format(cases[i].metric, cases[i].value, words), cases[i].words);
}
END_TEST

START_TEST(intervals_come_from_standard_errors_where_there_are_none)
{
    swg_result r = swg_result_default();
    double low, high;
    r.kld_mean = 0.1;
    ck_assert(!swg_metric_interval(SWG_METRIC_kld_mean, &r, &low, &high));
    r.kld_mean_standard_error = 0.01;
    ck_assert(swg_metric_interval(SWG_METRIC_kld_mean, &r, &low, &high));
    ck_assert_double_eq_tol(low, 0.0804, 1e-12);
    r.kld_mean_low = 0.09;
    r.kld_mean_high = 0.12;
    ck_assert(swg_metric_interval(SWG_METRIC_kld_mean, &r, &low, &high));
    ck_assert_double_eq(low, 0.09);
    ck_assert_double_eq(high, 0.12);
}
END_TEST

/* --- Colours ---------------------------------------------------------------------------------- */

static const swg_colour *colour_named(const char *name)
{
    for (size_t i = 0; i < swg_n_colours; i++)
        if (strcmp(swg_colours[i].name, name) == 0)
            return &swg_colours[i];
    ck_abort_msg("no colour %s", name);
    return NULL;
}

START_TEST(colours_can_be_read)
{
    ck_assert_double_eq_tol(swg_contrast(0x000000, 0xffffff), 21, 1e-9);
    ck_assert_double_eq_tol(swg_contrast(0x777777, 0xffffff), 4.478, 1e-3);
    for (size_t i = 0; i < swg_n_colour_pairs; i++) {
        const swg_colour_pair *p = &swg_colour_pairs[i];
        const swg_colour *front = colour_named(p->front), *behind = colour_named(p->behind);
        ck_assert_msg(swg_contrast(front->light, behind->light) >= p->least, "%s on %s, light",
                      p->front, p->behind);
        ck_assert_msg(swg_contrast(front->dark, behind->dark) >= p->least, "%s on %s, dark",
                      p->front, p->behind);
    }
    for (int step = 0; step < SWG_HEAT_STEPS; step++) {
        char name[8];
        snprintf(name, sizeof name, "h%d", step);
        const swg_colour *heat = colour_named(name);
        ck_assert_double_ge(fmax(swg_contrast(heat->light, 0), swg_contrast(heat->light, 0xffffff)),
                            4.5);
        ck_assert_double_ge(fmax(swg_contrast(heat->dark, 0), swg_contrast(heat->dark, 0xffffff)),
                            4.5);
    }
}
END_TEST

/* --- Pages ------------------------------------------------------------------------------------ */

static const char evil[] = "</script></style></title><script>x</script>\"'&|\n`<svg onload=y>";

/* Records of `n` models with everything a record can have, all texts hostile. */
static swg_results many(size_t n)
{
    swg_results results = {0};
    static const double edges[] = {1, 2, 3};
    static const int64_t counts[] = {5, 1};
    ck_ok(SWG_NEW(results.items, n));
    for (size_t i = 0; i < n; i++) {
        swg_result r = swg_result_default();
        char id[128];
        snprintf(id, sizeof id, "%zu %s", i, evil);
        r.id = swg_arena_strndup(&results.arena, id, strlen(id));
        r.series = r.base_model = r.command = r.cpu = r.text = r.protocol = r.reason = evil;
        r.recipe = "{\"</pre><script>\": \"x\"}";
        r.file_bytes = (int64_t)(1000 * (i + 1));
        r.kld_mean = 1 / (double)(1 + i / 2);
        r.perplexity = 2 + r.kld_mean;
        r.decode_tokens_per_s = 100 - (double)(i % 50);
        r.tpot_ms_p50 = 1;
        r.tpot_ms_p99 = 2;
        if (i % 7 == 3)
            r.status = "failed";
        swg_result_tensor *tensors = swg_arena_calloc(&results.arena, 3, sizeof *tensors);
        swg_result_histogram *histogram = swg_arena_calloc(&results.arena, 1, sizeof *histogram);
        for (int t = 0; t < 3; t++) {
            tensors[t] = swg_result_tensor_default();
            tensors[t].name = tensors[t].kind = tensors[t].scheme = evil;
            tensors[t].layer = t - 1;
            tensors[t].sensitivity_kld = 0.1 * (t + 1);
            tensors[t].bits_per_weight = 4;
            tensors[t].sparsity = 0.5;
        }
        *histogram = (swg_result_histogram){evil, edges, counts, 2};
        r.tensors = tensors;
        r.n_tensors = 3;
        r.histograms = histogram;
        r.n_histograms = 1;
        results.items[results.count++] = r;
    }
    return results;
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        n++;
    return n;
}

/* Every tag of a page or figure that opens is closed, in order; void elements of HTML aside. */
static void check_nesting(const char *text)
{
    enum { MOST = 64 };
    char stack[MOST][24];
    size_t depth = 0;
    for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
        char name[24] = "";
        if (at[1] == '!')
            continue;
        sscanf(at + 1, "%23[a-zA-Z0-9/]", name);
        const char *end = strchr(at, '>');
        ck_assert_ptr_nonnull(end);
        if (strcmp(name, "meta") == 0 || strcmp(name, "link") == 0 || strcmp(name, "br") == 0 ||
            (end[-1] == '/' && name[0] != '/'))
            continue;
        if (name[0] != '/') {
            ck_assert_msg(depth < MOST, "too deep at %.60s", at);
            strcpy(stack[depth++], name);
            if (strcmp(name, "script") == 0)
                at = strstr(at, "</script>") - 1; /* code holds < of its own */
        } else {
            ck_assert_msg(depth > 0 && strcmp(stack[depth - 1], name + 1) == 0,
                          "%s closes %s: %.80s", name, depth ? stack[depth - 1] : "nothing", at);
            depth--;
        }
    }
    ck_assert_uint_eq(depth, 0);
}

START_TEST(pages_hold_hostile_texts_as_text)
{
    swg_results results = many(20);
    swg_report report;
    swg_strbuf page = {0}, again = {0};
    ck_ok(swg_report_init(&results, &report));
    ck_ok(swg_report_html(&report, &page));
    ck_ok(swg_report_html(&report, &again));
    ck_assert_str_eq(page.text, again.text);
    check_nesting(page.text);
    ck_assert_uint_eq(count_of(page.text, "<script"), 1);
    ck_assert_uint_eq(count_of(page.text, "</style>"), 1);
    ck_assert_uint_eq(count_of(page.text, "<svg onload"), 0);
    ck_assert_uint_eq(count_of(page.text, "http://"), count_of(page.text, "http://www.w3.org/"));
    ck_assert_uint_eq(count_of(page.text, "https://"), 0);
    ck_assert_uint_gt(count_of(page.text, "role=\"img\" aria-labelledby"), 8);
    ck_assert_uint_eq(count_of(page.text, "role=\"img\""), count_of(page.text, "<desc"));
    ck_assert_uint_eq(report.n_failed, 3);
    swg_strbuf_deinit(&again);
    swg_strbuf_deinit(&page);
    swg_report_deinit(&report);
    swg_results_deinit(&results);
}
END_TEST

static swg_status check_figure(void *context, const char *name, const swg_strbuf *svg)
{
    size_t *n = context;
    ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-."), strlen(name));
    ck_assert_uint_eq(strncmp(svg->text, "<svg ", 5), 0);
    check_nesting(svg->text);
    ck_assert_uint_eq(count_of(svg->text, "<script"), 0);
    ++*n;
    return SWG_OK;
}

/* Vectors that no model compresses have no cells and do not stretch the scale, which is named. */
START_TEST(maps_of_bits_show_what_is_compressed)
{
    swg_results results = {0};
    swg_report report;
    swg_strbuf out = {0};
    ck_ok(SWG_NEW(results.items, 1));
    swg_result r = swg_result_default();
    swg_result_tensor tensors[4];
    static const struct {
        const char *kind;
        double bits, error;
    } given[] = {
        {"q_proj", 4.25, 0.1}, {"input_norm", 31, NAN}, {"k_proj", 4.75, 0.2}, {"bias", 33, 0}};
    for (size_t t = 0; t < 4; t++) {
        tensors[t] = swg_result_tensor_default();
        tensors[t].name = tensors[t].kind = given[t].kind;
        tensors[t].layer = 0;
        tensors[t].bits_per_weight = given[t].bits;
        tensors[t].relative_error = given[t].error;
    }
    r.id = "one";
    r.tensors = tensors;
    r.n_tensors = 4;
    results.items[results.count++] = r;
    ck_ok(swg_report_init(&results, &report));
    ck_ok(swg_heat_svg(&report, &results.items[0], SWG_HEAT_BITS, SWG_FIGURE_BOTH, "x", &out));
    const char *svg = swg_strbuf_text(&out);
    ck_assert_uint_eq(count_of(svg, "<g><title>"), 2);
    ck_assert_uint_eq(count_of(svg, "norm"), 0);
    ck_assert_uint_eq(count_of(svg, ">4.25<"), 2); /* the cell, and the least of the scale */
    ck_assert_uint_eq(count_of(svg, ">4.75<"), 2);
    ck_assert_uint_eq(count_of(svg, ">Bits per weight<"), 1);
    out.length = 0;
    ck_ok(swg_heat_svg(&report, &results.items[0], SWG_HEAT_ERROR, SWG_FIGURE_BOTH, "x", &out));
    ck_assert_uint_eq(count_of(swg_strbuf_text(&out), ">Error of weights, relative, logarithmic<"),
                      1);
    swg_strbuf_deinit(&out);
    swg_report_deinit(&report);
    swg_results_deinit(&results);
}
END_TEST

START_TEST(figures_are_files_of_their_own)
{
    swg_results results = many(4);
    swg_report report;
    size_t n = 0;
    ck_ok(swg_report_init(&results, &report));
    ck_ok(swg_report_figures(&report, check_figure, &n));
    ck_assert_uint_eq(n, 5 + 1 + 3 * 3); /* scatters, times, heat of three models */
    swg_report_deinit(&report);
    swg_results_deinit(&results);
}
END_TEST

START_TEST(large_inputs_give_bounded_pages)
{
    swg_results results = many(3000);
    swg_report report;
    swg_strbuf page = {0};
    ck_ok(swg_report_init(&results, &report));
    ck_assert_uint_eq(report.n_items, SWG_REPORT_MAX_SHOWN);
    ck_assert_uint_eq(report.n_items + report.n_left_out + report.n_failed, 3000);
    ck_assert_uint_eq(report.n_detailed, SWG_REPORT_MAX_DETAILED);
    ck_assert_uint_eq(report.n_series, 1);
    ck_ok(swg_report_html(&report, &page));
    ck_assert_uint_lt(page.length, 6u << 20);
    swg_strbuf_deinit(&page);
    swg_report_deinit(&report);
    swg_results_deinit(&results);
}
END_TEST

START_TEST(series_beyond_the_palette_are_others)
{
    swg_results results = many(30);
    swg_report report;
    char names[30][8];
    for (size_t i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        results.items[i].series = names[i];
    }
    ck_ok(swg_report_init(&results, &report));
    ck_assert_uint_eq(report.n_series, SWG_REPORT_MAX_SERIES);
    ck_assert_str_eq(report.series[SWG_REPORT_MAX_SERIES - 1], "other");
    for (size_t i = 0; i < report.n_items; i++)
        ck_assert_uint_lt(report.items[i].series, SWG_REPORT_MAX_SERIES);
    swg_report_deinit(&report);
    swg_results_deinit(&results);
}
END_TEST

static swg_status try_reporting(void *context)
{
    swg_report report = {0};
    swg_strbuf page = {0};
    swg_status status = swg_report_init(context, &report);
    if (status == SWG_OK)
        status = swg_report_html(&report, &page);
    if (status == SWG_OK)
        status = swg_report_markdown(&report, &page);
    swg_strbuf_deinit(&page);
    swg_report_deinit(&report);
    return status;
}

START_TEST(failed_allocations_are_reported)
{
    swg_results results = many(3);
    swg_test_each_allocation_fails(try_reporting, &results);
    swg_results_deinit(&results);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_loop_test(tests, markup_in_texts_is_escaped, 0, N_HOSTILE);
    tcase_add_test(tests, texts_are_cut_between_characters);
    tcase_add_test(tests, recipes_are_laid_out);
    tcase_add_test(tests, the_front_is_what_nothing_beats);
    tcase_add_loop_test(tests, axes_hold_their_values, 0, N_AXES);
    tcase_add_test(tests, figures_are_written_with_their_units);
    tcase_add_test(tests, intervals_come_from_standard_errors_where_there_are_none);
    tcase_add_test(tests, colours_can_be_read);
    tcase_add_test(tests, pages_hold_hostile_texts_as_text);
    tcase_add_test(tests, maps_of_bits_show_what_is_compressed);
    tcase_add_test(tests, figures_are_files_of_their_own);
    tcase_add_test(tests, large_inputs_give_bounded_pages);
    tcase_add_test(tests, series_beyond_the_palette_are_others);
    tcase_add_test(tests, failed_allocations_are_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
