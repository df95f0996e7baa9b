/* swage inspect: what a checkpoint is and holds, from its header alone. */
#include <string.h>
#include <sys/stat.h>

#include "formats/entropy_bound.h"
#include "formats/formats.h"
#include "formats/json/json.h"
#include "formats/provenance.h"
#include "kernels/kernels.h"
#include "kernels/linalg.h"
#include "runtime/base/scheme_counts.h"
#include "runtime/base/utf8.h"
#include "runtime/cli/cli.h"
#include "runtime/verdict.h"

typedef struct arguments {
    const char *tensors;
    bool kernels, recipe, config, entropy;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, tensors, 0, "tensors", "PATTERN",
                      "list the tensors with such names, '*' all; in JSON only these"),
    SWG_OPTION_FLAG(arguments, config, 0, "config", "print the configuration's values too"),
    SWG_OPTION_FLAG(arguments, recipe, 0, "recipe",
                    "print only the recipe that the model was compressed by, as --recipe reads it"),
    SWG_OPTION_FLAG(arguments, entropy, 0, "entropy",
                    "compare the bytes of codes and masks, which are then read, with their "
                    "order-0 entropy"),
    SWG_OPTION_FLAG(arguments, kernels, 0, "kernels",
                    "show which instruction set serves each operation on this machine"),
};

typedef struct totals {
    uint64_t parameters, bytes, stored_bytes;
} totals;

/* Codes and masks as stored and as an ideal order-0 coder would have them, and all else. */
typedef struct entropy {
    swg_entropy_bound coded;
    uint64_t other_bytes; /* of the file; 0 where the checkpoint is not one file */
} entropy;

static bool is_shared(const swg_source *source, size_t tensor)
{
    return swg_source_same_as(source, tensor) != tensor;
}

static totals add_up(const swg_source *source)
{
    totals sum = {0};
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        sum.parameters += swg_tensor_elems(desc);
        sum.bytes += swg_tensor_bytes(desc);
        sum.stored_bytes += is_shared(source, i) ? 0 : swg_source_stored_bytes(source, i);
    }
    return sum;
}

static double bits_per_weight(const totals *sum)
{
    return sum->parameters ? 8.0 * (double)sum->stored_bytes / (double)sum->parameters : 0.0;
}

static double ratio(const totals *sum)
{
    return sum->bytes ? (double)sum->stored_bytes / (double)sum->bytes : 1.0;
}

/* By how much a size is above another, as a fraction. */
static double above(double stored, double bound)
{
    return bound > 0 ? stored / bound - 1 : 0;
}

static double stored_above(const entropy *e)
{
    return above((double)e->coded.stored_bytes, e->coded.bytes);
}

/* Of the whole file, whose other bytes are taken as they are. */
static double file_above(const entropy *e)
{
    const double others = (double)e->other_bytes;
    return above((double)e->coded.stored_bytes + others, e->coded.bytes + others);
}

static swg_status measure_entropy(swg_source *source, entropy *out)
{
    struct stat info;
    *out = (entropy){0};
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        if (!is_shared(source, i))
            SWG_TRY(swg_entropy_bound_add(source, i, &out->coded));
        swg_source_release(source, i);
    }
    /* The first of several files has fewer bytes than all. */
    if (stat(swg_source_path(source), &info) == 0 && S_ISREG(info.st_mode) &&
        (uint64_t)info.st_size >= out->coded.stored_bytes)
        out->other_bytes = (uint64_t)info.st_size - out->coded.stored_bytes;
    return SWG_OK;
}

/* Tensors of the list: all, or those that match; a pattern without any is the user's mistake. */
static bool is_listed(const arguments *a, const swg_source *source, size_t tensor)
{
    return !a->tensors || swg_pattern_matches(a->tensors, swg_source_tensor(source, tensor)->name);
}

static swg_status check_pattern(const arguments *a, const swg_source *source)
{
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        if (is_listed(a, source, i))
            return SWG_OK;
    return a->tensors ? swg_error(SWG_USAGE, "--tensors %s matches none of the %zu tensors",
                                  a->tensors, swg_source_n_tensors(source))
                      : SWG_OK;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* The single values of the configuration, as they are there. */
static swg_status put_config(const swg_source *source, swg_strbuf *out)
{
    swg_json_doc *doc = NULL;
    size_t length = 0;
    const char *text = swg_source_config(source, &length);
    SWG_TRY(swg_json_parse(text, length, "config", &doc));
    const swg_json *root = swg_json_root(doc);
    for (const swg_json *item = swg_json_first(root); item; item = swg_json_next(item)) {
        const char *key = swg_json_key(item), *string;
        double number;
        bool flag;
        if (!key || !swg_name_is_printable(key, strlen(key)))
            continue;
        if (swg_json_as_double(item, &number))
            swg_strbuf_printf(out, "  %-28s %.12g\n", key, number);
        else if (swg_json_as_bool(item, &flag))
            swg_strbuf_printf(out, "  %-28s %s\n", key, flag ? "true" : "false");
        else if (swg_json_as_string(item, &string) && swg_name_is_printable(string, strlen(string)))
            swg_strbuf_printf(out, "  %-28s %s\n", key, string);
    }
    swg_json_free(&doc);
    return SWG_OK;
}

/* Cells of the table. Not by printf: its %*s is most of the time that a list of 100,000 takes. */
enum { MAX_CELL = 96, DIGITS = 20 };

static void put_blanks(swg_strbuf *out, size_t count)
{
    static const char blanks[] = "                                ";
    for (size_t step; count > 0; count -= step) {
        step = count < sizeof blanks - 1 ? count : sizeof blanks - 1;
        swg_strbuf_append(out, blanks, step);
    }
}

/* Text and blanks up to `width`; one blank at least. */
static void put_left(swg_strbuf *out, const char *text, size_t width)
{
    const size_t length = strlen(text);
    swg_strbuf_append(out, text, length);
    put_blanks(out, length < width ? width - length : 1);
}

/* Decimal digits; returns how many. */
static size_t write_number(uint64_t number, char out[DIGITS])
{
    char reversed[DIGITS];
    size_t n = 0;
    do
        reversed[n++] = (char)('0' + number % 10);
    while (number /= 10);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

static void put_right(swg_strbuf *out, uint64_t number, size_t width)
{
    char text[DIGITS];
    const size_t length = write_number(number, text);
    put_blanks(out, length < width ? width - length : 0);
    swg_strbuf_append(out, text, length);
}

static void write_shape(const swg_tensor_desc *desc, char out[MAX_CELL])
{
    size_t used = 0;
    out[used++] = '[';
    for (uint32_t i = 0; i < desc->rank; i++) {
        if (i > 0) {
            out[used++] = ',';
            out[used++] = ' ';
        }
        used += write_number(desc->shape[i], out + used);
    }
    out[used++] = ']';
    out[used] = '\0';
}

static void put_tensors(const swg_cli *cli, const arguments *a, const swg_source *source,
                        swg_strbuf *out)
{
    int width = 6;
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const int length = (int)strlen(swg_source_tensor(source, i)->name);
        width = is_listed(a, source, i) && length > width ? length : width;
    }
    swg_strbuf_printf(out, "\n%s%-*s  %-16s %-18s %14s %14s%s\n",
                      swg_cli_style(cli, SWG_STYLE_HEADING), width, "tensor", "shape", "scheme",
                      "bytes", "stored", swg_cli_style(cli, SWG_STYLE_NONE));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        char shape[MAX_CELL], scheme[SWG_SCHEME_NAME_BYTES];
        if (!is_listed(a, source, i))
            continue;
        write_shape(desc, shape);
        put_left(out, desc->name, (size_t)width + 2);
        put_left(out, shape, 17);
        put_left(out, swg_scheme_name(desc->scheme, scheme), 19);
        put_right(out, swg_tensor_bytes(desc), 14);
        if (is_shared(source, i)) {
            swg_strbuf_puts(out, "   as ");
            swg_strbuf_puts(out, swg_source_tensor(source, swg_source_same_as(source, i))->name);
        } else {
            put_right(out, swg_source_stored_bytes(source, i), 15);
        }
        swg_strbuf_puts(out, "\n");
    }
}

static void put_extras(const arguments *a, const swg_source *source, swg_strbuf *out)
{
    enum { FEW = 4 };
    for (size_t i = 0; i < swg_source_n_files(source); i++)
        swg_strbuf_printf(out, "%s%s%s", i ? ", " : "files: ", swg_source_file_name(source, i),
                          i + 1 == swg_source_n_files(source) ? "\n" : "");
    if (swg_source_n_metadata(source) > FEW && !a->config) {
        swg_strbuf_printf(out, "metadata: %zu entries\n", swg_source_n_metadata(source));
        return;
    }
    for (size_t i = 0; i < swg_source_n_metadata(source); i++) {
        const char *key, *value;
        swg_source_metadata(source, i, &key, &value);
        const bool is_shown =
            swg_name_is_printable(key, strlen(key)) && swg_name_is_printable(value, strlen(value));
        if (is_shown)
            swg_strbuf_printf(out, "metadata: %s = %s\n", key, value);
        else
            swg_strbuf_puts(out, "metadata: (an entry that is not printable; see --json)\n");
    }
}

/* The steps that made the file, and with --config the recipe of the last that has one. */
static swg_status put_history(const arguments *a, const swg_source *source, swg_strbuf *out)
{
    const char *provenance = swg_source_provenance(source);
    if (!swg_name_is_printable(provenance, strlen(provenance))) {
        swg_strbuf_puts(out, "provenance: (not printable; see --json)\n");
        return SWG_OK;
    }
    if (strcmp(provenance, "[]") == 0)
        return SWG_OK;
    swg_json_writer recipe = {.compact = true};
    bool has_recipe = false;
    swg_status status = SWG_OK;
    swg_strbuf_puts(out, "history:\n");
    SWG_GO(swg_provenance_describe(source, out));
    if (a->config)
        SWG_GO(swg_provenance_write_recipe(source, &recipe, NULL, &has_recipe));
    SWG_GO(swg_strbuf_status(&recipe.out));
    if (has_recipe)
        swg_strbuf_printf(out, "recipe: %s\n", swg_strbuf_text(&recipe.out));
done:
    swg_json_deinit(&recipe);
    return status;
}

/* Whether swage can run it, and what else the checks found. */
static void put_verdict(const swg_cli *cli, const swg_verdict *verdict, swg_strbuf *out)
{
    const char *const plain = swg_cli_style(cli, SWG_STYLE_NONE);
    if (verdict->runs)
        swg_strbuf_printf(out, "runs here: %syes%s, as %s\n", swg_cli_style(cli, SWG_STYLE_GOOD),
                          plain, verdict->architecture);
    else
        swg_strbuf_printf(out, "runs here: %sno%s\n", swg_cli_style(cli, SWG_STYLE_BAD), plain);
    for (size_t i = 0; i < verdict->n_findings; i++)
        swg_strbuf_printf(out, "  %s: %s\n", verdict->findings[i].subject,
                          verdict->findings[i].sentence);
}

/* Counts and bytes, and what the tensors consist of. */
static void put_sizes(const swg_source *source, swg_strbuf *out)
{
    const totals sum = add_up(source);
    swg_scheme_counts schemes = {0};
    char raw[32], stored[32];
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        swg_scheme_counts_add(&schemes, swg_source_tensor(source, i)->scheme);
    swg_strbuf_printf(out, "%zu tensors, %llu parameters, %s", swg_source_n_tensors(source),
                      (unsigned long long)sum.parameters, swg_format_bytes(sum.bytes, raw));
    if (sum.stored_bytes != sum.bytes)
        swg_strbuf_printf(out, " in %s of the file (%.1f %%)",
                          swg_format_bytes(sum.stored_bytes, stored), 100 * ratio(&sum));
    swg_strbuf_printf(out, ", %.3f bits per weight\n", bits_per_weight(&sum));
    if (schemes.n > 0) {
        swg_strbuf_puts(out, "schemes: ");
        swg_scheme_counts_put(&schemes, out);
        swg_strbuf_puts(out, "\n");
    }
}

static void put_entropy(const entropy *e, swg_strbuf *out)
{
    swg_strbuf_printf(out,
                      "entropy: codes and masks have %.0f bytes of order 0, and are stored in %llu "
                      "(%+.1f %%); with the other %llu bytes of the file %+.1f %%\n",
                      e->coded.bytes, (unsigned long long)e->coded.stored_bytes,
                      100 * stored_above(e), (unsigned long long)e->other_bytes,
                      100 * file_above(e));
}

static swg_status print_text(const swg_cli *cli, const arguments *a, const swg_source *source,
                             const swg_verdict *verdict, const entropy *bound)
{
    swg_strbuf out = {0};
    swg_strbuf_printf(&out, "%s: %s\n", swg_source_path(source), swg_source_format(source));
    put_verdict(cli, verdict, &out);
    put_sizes(source, &out);
    if (bound)
        put_entropy(bound, &out);
    swg_status status = a->config ? put_config(source, &out) : SWG_OK;
    put_extras(a, source, &out);
    if (status == SWG_OK)
        status = put_history(a, source, &out);
    if (a->tensors)
        put_tensors(cli, a, source, &out);
    else if (!a->config)
        swg_strbuf_puts(&out, "more: --config, --tensors '*', --recipe, --json\n");
    if (status == SWG_OK)
        status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_tensor(swg_json_writer *json, const swg_source *source, size_t tensor)
{
    const swg_tensor_desc *desc = swg_source_tensor(source, tensor);
    char scheme[SWG_SCHEME_NAME_BYTES];
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "name", desc->name);
    swg_json_begin_array(json, "shape");
    for (uint32_t i = 0; i < desc->rank; i++)
        swg_json_uint(json, NULL, desc->shape[i]);
    swg_json_end_array(json);
    swg_json_string(json, "scheme", swg_scheme_name(desc->scheme, scheme));
    swg_json_uint(json, "raw_bytes", swg_tensor_bytes(desc));
    if (is_shared(source, tensor)) {
        swg_json_uint(json, "stored_bytes", 0);
        swg_json_string(json, "same_as",
                        swg_source_tensor(source, swg_source_same_as(source, tensor))->name);
    } else {
        swg_json_uint(json, "stored_bytes", swg_source_stored_bytes(source, tensor));
    }
    swg_json_end_object(json);
}

static void json_verdict(const swg_verdict *verdict, swg_json_writer *json)
{
    swg_json_begin_object(json, "verdict");
    swg_json_bool(json, "runs", verdict->runs);
    if (verdict->architecture)
        swg_json_string(json, "architecture", verdict->architecture);
    else
        swg_json_null(json, "architecture");
    swg_json_begin_array(json, "findings");
    for (size_t i = 0; i < verdict->n_findings; i++) {
        const swg_finding *finding = &verdict->findings[i];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "subject", finding->subject);
        swg_json_bool(json, "prevents_running", finding->status != SWG_OK);
        swg_json_string(json, "sentence", finding->sentence);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
    swg_json_end_object(json);
}

static void json_entropy(const entropy *e, swg_json_writer *json)
{
    swg_json_begin_object(json, "entropy");
    swg_json_double(json, "order0_bytes", e->coded.bytes);
    swg_json_uint(json, "stored_bytes", e->coded.stored_bytes);
    swg_json_double(json, "stored_above", stored_above(e));
    swg_json_uint(json, "other_bytes", e->other_bytes);
    swg_json_double(json, "file_above", file_above(e));
    swg_json_end_object(json);
}

static swg_status print_json(const swg_cli *cli, const arguments *a, const swg_source *source,
                             const swg_verdict *verdict, const entropy *bound)
{
    swg_json_writer json = {0};
    const totals sum = add_up(source);
    struct stat info;
    swg_cli_json_begin(cli, &json);
    swg_json_string(&json, "path", swg_source_path(source));
    swg_json_string(&json, "format", swg_source_format(source));
    if (stat(swg_source_path(source), &info) == 0 && S_ISREG(info.st_mode))
        swg_json_uint(&json, "file_bytes", (uint64_t)info.st_size);
    else
        swg_json_null(&json, "file_bytes");
    json_verdict(verdict, &json);
    swg_json_uint(&json, "tensor_count", swg_source_n_tensors(source));
    swg_json_uint(&json, "parameters", sum.parameters);
    swg_json_uint(&json, "raw_bytes", sum.bytes);
    swg_json_uint(&json, "stored_bytes", sum.stored_bytes);
    swg_json_double(&json, "stored_ratio", ratio(&sum));
    swg_json_double(&json, "bits_per_weight", bits_per_weight(&sum));
    if (bound)
        json_entropy(bound, &json);
    size_t length = 0;
    const char *config = swg_source_config(source, &length);
    swg_json_raw(&json, "config", config, length);
    swg_json_begin_array(&json, "files");
    for (size_t i = 0; i < swg_source_n_files(source); i++)
        swg_json_string(&json, NULL, swg_source_file_name(source, i));
    swg_json_end_array(&json);
    swg_json_begin_object(&json, "metadata");
    for (size_t i = 0; i < swg_source_n_metadata(source); i++) {
        const char *key, *value;
        swg_source_metadata(source, i, &key, &value);
        swg_json_string(&json, key, value);
    }
    swg_json_end_object(&json);
    const char *provenance = swg_source_provenance(source);
    swg_json_raw(&json, "provenance", provenance, strlen(provenance));
    bool has_recipe = false;
    const swg_status status = swg_provenance_write_recipe(source, &json, "recipe", &has_recipe);
    if (status != SWG_OK) {
        swg_json_deinit(&json);
        return status;
    }
    if (!has_recipe)
        swg_json_null(&json, "recipe");
    swg_json_begin_array(&json, "tensors");
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        if (is_listed(a, source, i))
            json_tensor(&json, source, i);
    swg_json_end_array(&json);
    return swg_cli_json_print(&json);
}

/* The recipe alone: what --recipe of other commands reads. */
static swg_status print_recipe(const swg_source *source)
{
    swg_json_writer json = {0};
    bool has_recipe = false;
    swg_status status = SWG_OK;
    SWG_GO(swg_provenance_write_recipe(source, &json, NULL, &has_recipe));
    if (!has_recipe)
        SWG_GO(swg_error(SWG_FAILED, "%s: no step of its history has a recipe",
                         swg_source_path(source)));
    swg_strbuf_puts(&json.out, "\n");
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_cli_print(swg_strbuf_text(&json.out), json.out.length));
done:
    swg_json_deinit(&json);
    return status;
}

/* --- Kernels ---------------------------------------------------------------------------------- */

static swg_status print_kernels(const swg_cli *cli)
{
    const swg_kernels *kernels;
    SWG_TRY(swg_kernels_best(&kernels));
    if (cli->json) {
        swg_json_writer json = {0};
        swg_cli_json_begin(cli, &json);
        swg_json_begin_object(&json, "kernels");
        for (int op = 0; op < SWG_OP_COUNT; op++)
            swg_json_string(&json, swg_op_name((swg_op_id)op),
                            swg_isa_name(swg_kernels_isa_of(kernels, (swg_op_id)op)));
        swg_json_end_object(&json);
        swg_json_string(&json, "linalg", swg_linalg_name());
        return swg_cli_json_print(&json);
    }
    swg_strbuf out = {0};
    for (int isa = 0; isa < SWG_ISA_COUNT; isa++)
        swg_strbuf_printf(&out, "%-10s %-9s (%s)\n", swg_isa_name((swg_isa)isa),
                          swg_isa_is_available((swg_isa)isa) ? "available" : "absent",
                          swg_isa_needs((swg_isa)isa));
    swg_strbuf_puts(&out, "\n");
    for (int op = 0; op < SWG_OP_COUNT; op++)
        swg_strbuf_printf(&out, "%-18s %s\n", swg_op_name((swg_op_id)op),
                          swg_isa_name(swg_kernels_isa_of(kernels, (swg_op_id)op)));
    swg_strbuf_printf(&out, "%-18s %s\n", "f32 products", swg_linalg_name());
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    if (a->kernels)
        return cli->n_positionals == 0
                   ? print_kernels(cli)
                   : swg_error(SWG_USAGE, "--kernels is about this machine and takes no MODEL");
    if (cli->n_positionals == 0)
        return swg_error(SWG_USAGE, "inspect needs a MODEL (or --kernels)");
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(cli->positionals[0], NULL, &source));
    swg_verdict verdict;
    swg_status status = SWG_OK;
    SWG_GO(check_pattern(a, source));
    if (a->recipe) {
        SWG_GO(print_recipe(source));
        goto done;
    }
    SWG_GO(swg_verdict_make(source, &verdict));
    entropy measured;
    if (a->entropy)
        SWG_GO(measure_entropy(source, &measured));
    const entropy *bound = a->entropy ? &measured : NULL;
    SWG_GO(cli->json ? print_json(cli, a, source, &verdict, bound)
                     : print_text(cli, a, source, &verdict, bound));
done:
    swg_source_close(&source);
    return status;
}

static const swg_example examples[] = {
    {"swage inspect model.swg", "what it is, how large, and whether it runs here"},
    {"swage inspect model.swg --tensors '*'", "every tensor, with shape, scheme and bytes"},
    {"swage inspect model --tensors 'model.layers.0.*' --json", "one layer, for programs"},
    {"swage inspect model.swg --entropy", "how close its bytes are to the entropy of its codes"},
    {"swage inspect quantized.swg --recipe >recipe.json", "how it was made, to make another so"},
    {"swage inspect --kernels", "which instruction sets are used here"},
};

const swg_command swg_command_inspect = {
    .name = "inspect",
    .synopsis = "MODEL [--config] [--entropy] [--tensors PATTERN | --recipe] | --kernels",
    .summary = "show what a checkpoint is and holds",
    .description =
        "Prints format, totals, the schemes in use, carried files, metadata and the history; with "
        "--config also the configuration's values and the recipe of the last compression; with "
        "--tensors a table of tensors: shape, scheme (element type, or bits, group and scale type "
        "of quantized tensors), bytes as numbers and bytes as stored. --json has all of it. Reads "
        "no weights, whatever the size of the model, unless --entropy asks for what an ideal coder "
        "would make of codes and masks that knows how often each of them occurs in a tensor.\n\n"
        "`runs here` says whether swage can run the model, and if not, why: quantize refuses such "
        "a model. Numbers are not read; `swage verify` looks for damage and NaN.\n\n"
        "A PATTERN with * and ? matches whole tensor names; without them it names one or more "
        "dot-separated parts of a name.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 0,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
