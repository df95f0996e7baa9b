/* See cmd_prune_report.h. */
#include "prune/cmd_prune_report.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/scheme_counts.h"
#include "runtime/base/words.h"

/* Of the matrices that were pruned. */
typedef struct totals {
    size_t n_matrices;
    uint64_t elems, zeros, raw_bytes, stored_bytes;
} totals;

static bool is_pruned(const swg_plan_entry *entry)
{
    return !swg_sparsity_is_dense(entry->sparsity);
}

/* Weights that become zero: counted, or in a dry run as planned. */
static uint64_t zeros_of(const swg_prune_result *r, size_t i)
{
    const swg_plan_entry *entry = &r->plan->entries[i];
    swg_prune_method method;
    if (r->reports)
        return r->reports[i].n_pruned;
    if (!is_pruned(entry) || swg_prune_method_find(entry->prune, &method) != SWG_OK)
        return 0;
    return swg_sparsity_zeros(entry->sparsity, swg_prune_method_scope(method), entry->desc.shape[0],
                              entry->desc.shape[1]);
}

static totals add_up(const swg_prune_result *r)
{
    totals sum = {0};
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const swg_plan_entry *entry = &r->plan->entries[i];
        if (!is_pruned(entry))
            continue;
        sum.n_matrices++;
        sum.elems += swg_tensor_elems(&entry->desc);
        sum.zeros += zeros_of(r, i);
        sum.raw_bytes += swg_tensor_bytes(&entry->desc);
        sum.stored_bytes += r->reports ? r->reports[i].stored_bytes : 0;
    }
    return sum;
}

static double share(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : 0;
}

/* --- Table ------------------------------------------------------------------------------------ */

static bool is_listed(const swg_prune_result *r, size_t i)
{
    return r->tensors && swg_pattern_matches(r->tensors, r->plan->entries[i].desc.name);
}

static int name_width(const swg_prune_result *r)
{
    size_t width = strlen("tensor");
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const size_t length = strlen(r->plan->entries[i].desc.name);
        width = is_listed(r, i) && length > width ? length : width;
    }
    return width < 64 ? (int)width : 64;
}

static void table_row(swg_strbuf *out, const swg_prune_result *r, size_t i, int width)
{
    const swg_tensor_desc *desc = &r->plan->entries[i].desc;
    char scheme[SWG_SCHEME_NAME_BYTES];
    const uint64_t elems = swg_tensor_elems(desc), raw = swg_tensor_bytes(desc);
    swg_strbuf_printf(out, "%-*s  %-28s  %8.4f  %7.3f  %12" PRIu64, width, desc->name,
                      swg_scheme_name(desc->scheme, scheme), share(zeros_of(r, i), elems),
                      8 * share(raw, elems), raw);
    if (r->reports)
        swg_strbuf_printf(out, "  %12" PRIu64, r->reports[i].stored_bytes);
    swg_strbuf_puts(out, "\n");
}

static void put_table(swg_strbuf *out, const swg_prune_result *r)
{
    const int width = name_width(r);
    swg_strbuf_printf(out, "%-*s  %-28s  %8s  %7s  %12s%s\n", width, "tensor", "scheme", "zeros",
                      "bits", "bytes", r->reports ? "        stored" : "");
    for (size_t i = 0; i < r->plan->n_entries; i++)
        if (is_listed(r, r->plan->order[i]))
            table_row(out, r, r->plan->order[i], width);
    swg_strbuf_puts(out, "\n");
}

static void put_schemes(swg_strbuf *out, const swg_prune_result *r)
{
    swg_scheme_counts schemes = {0};
    for (size_t i = 0; i < r->plan->n_entries; i++)
        swg_scheme_counts_add(&schemes, r->plan->entries[i].desc.scheme);
    swg_strbuf_puts(out, "schemes: ");
    swg_scheme_counts_put(&schemes, out);
    swg_strbuf_puts(out, r->tensors ? "\n" : " (one by one: --tensors '*')\n");
}

static swg_status print_text(const swg_prune_result *r)
{
    const totals sum = add_up(r);
    swg_strbuf out = {0};
    char bytes[32];
    if (r->tensors)
        put_table(&out, r);
    swg_strbuf_printf(
        &out, "%zu of %zu tensors pruned: %" PRIu64 " of %" PRIu64 " weights are zero (%.4f)\n",
        sum.n_matrices, r->plan->n_entries, sum.zeros, sum.elems, share(sum.zeros, sum.elems));
    put_schemes(&out, r);
    swg_strbuf_printf(&out, "pruned matrices: %.3f bits per weight",
                      8 * share(sum.raw_bytes, sum.elems));
    if (r->reports)
        swg_strbuf_printf(&out, ", %.3f in the file", 8 * share(sum.stored_bytes, sum.elems));
    swg_strbuf_printf(&out, "\nfile: %s, %s%" PRIu64 " bytes (%s)\n", r->output,
                      r->is_exact ? "" : "at most ", r->file_bytes,
                      swg_format_bytes(r->file_bytes, bytes));
    if (r->reports)
        swg_strbuf_printf(&out, "memory: %s at the peak\ntime: %.2f s\n",
                          swg_format_bytes(r->peak_memory_bytes, bytes), r->elapsed_s);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_tensor(swg_json_writer *json, const swg_prune_result *r, size_t i)
{
    const swg_plan_entry *entry = &r->plan->entries[i];
    char scheme[SWG_SCHEME_NAME_BYTES];
    swg_prune_method method;
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "name", entry->desc.name);
    swg_json_string(json, "role", swg_plan_class_name(entry->kind));
    swg_json_begin_array(json, "shape");
    for (uint32_t d = 0; d < entry->desc.rank; d++)
        swg_json_uint(json, NULL, entry->desc.shape[d]);
    swg_json_end_array(json);
    swg_json_string(json, "scheme_before", swg_scheme_name(r->inputs[i].scheme, scheme));
    swg_json_string(json, "scheme", swg_scheme_name(entry->desc.scheme, scheme));
    if (is_pruned(entry) && swg_prune_method_find(entry->prune, &method) == SWG_OK)
        swg_json_string(json, "prune", swg_prune_method_name(method));
    swg_json_uint(json, "zeros", zeros_of(r, i));
    swg_json_uint(json, "raw_bytes", swg_tensor_bytes(&entry->desc));
    if (r->reports)
        swg_json_uint(json, "stored_bytes", r->reports[i].stored_bytes);
    swg_json_end_object(json);
}

static swg_status print_json(const swg_cli *cli, const swg_prune_result *r)
{
    const totals sum = add_up(r);
    swg_json_writer json = {0};
    swg_cli_json_begin(cli, &json);
    swg_json_string(&json, "input", swg_source_path(r->source));
    swg_json_string(&json, "output", r->output);
    swg_json_bool(&json, "dry_run", !r->reports);
    swg_recipe_write(r->recipe, &json, "recipe");
    swg_json_begin_array(&json, "tensors");
    for (size_t i = 0; i < r->plan->n_entries; i++)
        json_tensor(&json, r, r->plan->order[i]);
    swg_json_end_array(&json);
    swg_json_uint(&json, "tensors_pruned", sum.n_matrices);
    swg_json_uint(&json, "pruned_weights", sum.elems);
    swg_json_uint(&json, "pruned_zeros", sum.zeros);
    swg_json_uint(&json, "pruned_raw_bytes", sum.raw_bytes);
    if (r->reports)
        swg_json_uint(&json, "pruned_stored_bytes", sum.stored_bytes);
    swg_json_uint(&json, "file_bytes", r->file_bytes);
    swg_json_bool(&json, "file_bytes_is_exact", r->is_exact);
    if (r->reports) {
        swg_json_uint(&json, "peak_memory_bytes", r->peak_memory_bytes);
        swg_json_double(&json, "elapsed_s", r->elapsed_s);
    }
    return swg_cli_json_print(&json);
}

swg_status swg_prune_print(const swg_cli *cli, const swg_prune_result *result)
{
    return cli->json ? print_json(cli, result) : print_text(result);
}
