/* From a target to a recipe and its file. Candidates for every matrix are estimated once
 * (search.h); a choice is quantized, and the file measured: its bytes, and its divergence on text
 * that was held out. What came out corrects the estimates until the target is met. Matrices that
 * keep their setting between two tries are taken from the journal. */
#include "quantize/cmd_quantize_search.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "eval/model_identity.h"
#include "eval/results.h"
#include "formats/swg/frame.h"
#include "quantize/cmd_quantize_verify.h"
#include "quantize/search.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/words.h"

enum {
    MAX_TRIES = 5,
    FILE_FRAME = 1 << 20, /* carried files are compressed in such pieces, at least at this level */
    FILE_LEVEL = 12,
    ITEM_BYTES = 62, /* of the directory, about: a name, two frames and their hashes */
    KEPT_BYTES = 35, /* the same of a tensor that stays */
    RESERVE = 256    /* for what the history says in the end */
};

/* The first try aims below the budget by the error that estimates usually have, and any file above
 * the least part of the budget will do. */
static const double first_aim = 0.996, least_part = 0.99;

/* What is aimed at while bytes are followed, and when only matrices outside layers still change. */
static const double steered_aim = 0.9975, outside_aim = 0.998;

/* Of a divergence: the least part of the limit that a file should use, and what is aimed at. */
static const double least_kld_part = 0.9, kld_aim = 0.96;

/* Weights that an alternative may have quantized anew, of all: so that a search takes little time
 * beside quantizing. (A limit of time would make files depend on the machine.) */
static const double most_changed = 0.25;

typedef struct hunt {
    swg_quantize_state *j;
    swg_search search;
    swg_quantize_search_report *report;
    double overhead; /* bytes of the file beside the matrices */
    uint64_t bytes;  /* of the last file */
    swg_steering steering;
    bool is_steered;     /* the choice follows the bytes of what is written (steer) */
    bool keeps_finished; /* what the journal has holds for the next try */
    swg_verifier verifier;
    char *history;   /* JSON text */
    char *try_path;  /* of the file of a try, beside the output */
} hunt;

/* --- The choice as a recipe and a history ------------------------------------------------------
 */

/* The recipe of the choice, and its plan. */
static swg_status take_recipe(hunt *h)
{
    swg_quantize_state *j = h->j;
    swg_recipe *recipe = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_quantize_recipe_make(j->a, &recipe));
    SWG_GO(swg_search_add_rules(&h->search, recipe));
    SWG_GO(swg_quantize_recipe_add_patterns(j->a, recipe));
    swg_recipe_free(&j->recipe);
    j->recipe = recipe;
    recipe = NULL;
    SWG_GO(swg_quantize_plan_again(j));
done:
    swg_recipe_free(&recipe);
    return status;
}

double swg_quantize_search_expected(const swg_quantize_search_report *r)
{
    return r->measured_per_estimate > 0 ? r->measured_per_estimate * r->loss : r->loss;
}

void swg_quantize_search_write(const swg_quantize_search_report *r, const char *decisions,
                               swg_json_writer *json)
{
    if (r->target_bytes > 0)
        swg_json_uint(json, "target_bytes", (uint64_t)r->target_bytes);
    if (r->max_kld > 0)
        swg_json_double(json, "max_kld", r->max_kld);
    swg_json_double(json, "estimated_kld", r->loss);
    if (r->measured_per_estimate > 0)
        swg_json_double(json, "measured_per_estimate", r->measured_per_estimate);
    swg_json_double(json, "predicted_kld", swg_quantize_search_expected(r));
    if (r->tokens_scored) {
        swg_json_double(json, "held_out_kld", r->kld);
        swg_json_double(json, "held_out_kld_standard_error", r->kld_standard_error);
        swg_json_uint(json, "held_out_tokens_scored", r->tokens_scored);
    }
    if (r->n_verified) {
        swg_json_begin_array(json, "verified");
        for (size_t i = 0; i < r->n_verified; i++) {
            swg_json_begin_object(json, NULL);
            swg_json_string(json, "what", r->verified[i].what);
            swg_json_double(json, "held_out_kld", r->verified[i].kld);
            swg_json_uint(json, "bytes", r->verified[i].bytes);
            swg_json_end_object(json);
        }
        swg_json_end_array(json);
    }
    swg_json_raw(json, "decisions", decisions, strlen(decisions));
}

/* The table of decisions as text, which the caller frees. */
static swg_status write_decisions(const hunt *h, bool all, char **out)
{
    swg_json_writer json = {.compact = true};
    swg_search_write(&h->search, all, &json, NULL);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK) {
        *out = swg_strdup(json.out.text);
        status = *out ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_json_deinit(&json);
    return status;
}

/* What the history says of the search so far. */
static swg_status make_history(hunt *h)
{
    swg_json_writer json = {.compact = true};
    char *decisions = NULL;
    swg_status status = SWG_OK;
    SWG_GO(write_decisions(h, false, &decisions));
    swg_json_begin_object(&json, NULL);
    swg_quantize_search_write(h->report, decisions, &json);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    swg_free(h->history);
    h->history = swg_strdup(json.out.text);
    SWG_GO(h->history ? SWG_OK : SWG_NO_MEMORY);
done:
    swg_free(decisions);
    swg_json_deinit(&json);
    return status;
}

/* Write a file by the choice, with the figures so far in its history. */
static swg_status write_file(hunt *h, const char *path, bool force)
{
    SWG_TRY(make_history(h));
    return swg_quantize_write(h->j, path, h->history, force, &h->bytes);
}

/* --- What the file takes beside the matrices ----------------------------------------------------
 */

/* Compressed bytes of a text or of numbers of that width. */
static swg_status add_bytes(const void *data, size_t length, uint32_t elem_bytes, double *bytes)
{
    swg_status status = SWG_OK;
    swg_frame_encoder *encoder = NULL;
    uint8_t *out = NULL;
    SWG_GO(swg_frame_encoder_new(&encoder));
    SWG_GO(SWG_NEW_UNINIT(out, FILE_FRAME));
    for (size_t at = 0; at < length; at += FILE_FRAME) {
        const size_t left = length - at, n = left < FILE_FRAME ? left : FILE_FRAME;
        const swg_frame_shape shape = {.bytes = n, .elem_bytes = elem_bytes};
        uint32_t stored;
        swg_codec codec;
        SWG_GO(swg_frame_encode(encoder, FILE_LEVEL, shape, (const uint8_t *)data + at, out,
                                &stored, &codec));
        *bytes += stored;
    }
done:
    swg_free(out);
    swg_frame_encoder_free(&encoder);
    return status;
}

/* A tensor that stays: small ones as they compress. */
static swg_status add_kept(const swg_quantize_state *j, size_t tensor, double *bytes)
{
    const swg_tensor_desc *desc = &j->plan.entries[tensor].desc;
    const uint64_t size = swg_tensor_bytes(desc);
    swg_plane planes[SWG_PLANE_KINDS];
    uint8_t *data;
    if (swg_tensor_planes(desc, planes) != 1 || size > FILE_FRAME) {
        *bytes += (double)size;
        return SWG_OK;
    }
    SWG_TRY(SWG_NEW_UNINIT(data, (size_t)size));
    swg_status status =
        swg_source_read(j->transformed, tensor, planes[0].kind, 0, planes[0].rows, data);
    if (status == SWG_OK)
        status = add_bytes(data, (size_t)size, planes[0].elem_bytes, bytes);
    swg_free(data);
    return status;
}

/* Configuration and history, as they would be with the present choice. */
static swg_status add_texts(hunt *h, double *bytes)
{
    swg_quantize_state *j = h->j;
    SWG_TRY(take_recipe(h));
    SWG_TRY(make_history(h));
    SWG_TRY(swg_quantize_add_provenance(j, h->history, true));
    SWG_TRY(add_bytes(j->provenance, strlen(j->provenance), 1, bytes));
    return add_bytes(j->meta.config, j->meta.config_length, 1, bytes);
}

/* Tensors that stay, carried files, configuration and directory. */
static swg_status estimate_overhead(hunt *h)
{
    const swg_quantize_state *j = h->j;
    double bytes = ITEM_BYTES * (double)h->search.n_items;
    for (size_t i = 0; i < j->plan.n_entries; i++) {
        if (h->search.item_of[i] != SIZE_MAX || swg_source_same_as(j->source, i) != i)
            continue;
        bytes += KEPT_BYTES;
        SWG_TRY(add_kept(j, i, &bytes));
    }
    for (size_t i = 0; i < j->meta.n_files; i++)
        SWG_TRY(add_bytes(j->meta.files[i].data, j->meta.files[i].length, 1, &bytes));
    if (h->report->target_bytes > 0)
        (void)swg_search_fit_bytes(&h->search, h->report->target_bytes - bytes);
    else
        (void)swg_search_fit_loss(&h->search, h->report->max_kld);
    SWG_TRY(add_texts(h, &bytes));
    h->overhead = bytes;
    return SWG_OK;
}

/* What it was in the last file. */
static void correct_overhead(hunt *h)
{
    h->overhead = (double)h->bytes;
    for (size_t i = 0; i < h->search.n_items; i++)
        h->overhead -= (double)h->j->reports[h->search.items[i].entry].stored_bytes;
}

/* Bytes that matrices may take. */
static double room(const hunt *h, double part)
{
    return part * (h->report->target_bytes - RESERVE) - h->overhead;
}

/* --- Quantizing by a choice ------------------------------------------------------------------- */

/* Whether a matrix depends on the settings of others: then the journal is of one recipe. */
static bool is_entangled(const hunt *h)
{
    return swg_quantize_is_sequential(h->j) || h->j->transforms;
}

/* Before a layer: choose for the rest what fits beside the bytes that are written by now. */
static swg_status steer(void *context)
{
    hunt *h = context;
    bool is_within;
    swg_search_settle(&h->search, h->j->reports);
    SWG_TRY(swg_search_fit_open(&h->search, room(h, steered_aim), &is_within));
    return take_recipe(h);
}

/* Quantize by the choice and write the file. */
static swg_status try_choice(hunt *h)
{
    const double start = swg_clock_s();
    h->report->tokens_scored = 0;
    SWG_TRY(take_recipe(h));
    if (is_entangled(h) && !h->keeps_finished)
        swg_journal_finish(&h->j->journal);
    swg_search_begin(&h->search);
    h->j->steering = h->is_steered && !h->keeps_finished ? &h->steering : NULL;
    const swg_status status = write_file(h, h->try_path, true);
    h->j->steering = NULL;
    SWG_TRY(status);
    h->report->loss = swg_search_loss(&h->search);
    *(h->report->n_tries++ ? &h->report->search_s : &h->report->quantize_s) +=
        swg_clock_s() - start;
    swg_cli_say(h->j->cli, "try %zu: %llu bytes, %.4f nats per token estimated, %.4f expected",
                h->report->n_tries, (unsigned long long)h->bytes, h->report->loss,
                swg_quantize_search_expected(h->report));
    swg_search_settle(&h->search, h->j->reports);
    correct_overhead(h);
    return SWG_OK;
}

/* --- Verifying -------------------------------------------------------------------------------- */

/* Divergence of the file from the source on the text that was held out. */
static swg_status verify(hunt *h)
{
    swg_divergence divergence;
    const double start = swg_clock_s();
    SWG_TRY(swg_verifier_measure(&h->verifier, h->j, h->try_path, &divergence));
    h->report->kld = divergence.kld_mean;
    h->report->kld_standard_error = divergence.kld_standard_error;
    h->report->tokens_scored = divergence.tokens_scored;
    if (h->report->measured_per_estimate == 0 && h->report->loss > 0)
        h->report->measured_per_estimate = divergence.kld_mean / h->report->loss;
    h->report->search_s += swg_clock_s() - start;
    swg_cli_say(h->j->cli, "try %zu: %.4f +- %.4f nats per token on the text held out",
                h->report->n_tries, divergence.kld_mean, divergence.kld_standard_error);
    return SWG_OK;
}

/* --- Towards the target ----------------------------------------------------------------------- */

static swg_status refuse_budget(const hunt *h)
{
    return swg_error(SWG_FAILED,
                     "%s: at most %.0f bytes are asked for, and the smallest file that the "
                     "candidates give takes about %.0f",
                     h->j->a->output, h->report->target_bytes,
                     swg_search_bytes(&h->search) + h->overhead);
}

/* Change the choice towards the budget, if it can be: of a steered try, what is outside layers, for
 * which nothing else has to be quantized anew; else anything. */
static swg_status improve(hunt *h, bool *has_changed)
{
    const double before = swg_search_bytes(&h->search);
    const size_t n = h->search.n_items;
    if (h->is_steered && !h->keeps_finished) {
        bool is_within;
        size_t *choice;
        SWG_TRY(SWG_NEW(choice, n));
        memcpy(choice, h->search.choice, n * sizeof *choice);
        for (size_t i = 0; i < n; i++)
            h->search.is_open[i] = h->search.items[i].is_outside;
        const swg_status status = swg_search_fit_open(&h->search, room(h, outside_aim), &is_within);
        h->keeps_finished = is_within && swg_search_bytes(&h->search) != before;
        if (!h->keeps_finished)
            memcpy(h->search.choice, choice, n * sizeof *choice);
        swg_free(choice);
        *has_changed = h->keeps_finished;
        if (status != SWG_OK || h->keeps_finished)
            return status;
    }
    h->keeps_finished = false;
    *has_changed = swg_search_repair_bytes(&h->search, room(h, 0.999)) &&
                   swg_search_bytes(&h->search) != before;
    return SWG_OK;
}

/* Try until the file is within the budget and uses it, or nothing is left to improve; when tries
 * are over, by the choice whose file used most of the budget. */
static swg_status fit_budget(hunt *h)
{
    size_t *best = NULL;
    const size_t n = h->search.n_items;
    uint64_t best_bytes = 0;
    swg_status status = SWG_OK;
    if (!swg_search_fit_bytes(&h->search, room(h, 1)))
        return refuse_budget(h);
    (void)swg_search_fit_bytes(&h->search, room(h, first_aim));
    h->is_steered = swg_quantize_is_sequential(h->j) && !h->j->transforms;
    SWG_TRY(SWG_NEW(best, n));
    for (;;) {
        bool has_changed;
        SWG_GO(try_choice(h));
        const bool is_last = h->report->n_tries == MAX_TRIES;
        const bool is_within = (double)h->bytes <= h->report->target_bytes - RESERVE;
        if (is_within && ((double)h->bytes >= least_part * h->report->target_bytes || is_last))
            break;
        if (is_within && h->bytes > best_bytes) {
            best_bytes = h->bytes;
            memcpy(best, h->search.choice, n * sizeof *best);
        }
        SWG_GO(improve(h, &has_changed));
        if (is_within && !has_changed)
            break; /* the best candidates leave some of it over */
        if (has_changed && !is_last)
            continue;
        SWG_GO(best_bytes ? SWG_OK : refuse_budget(h));
        memcpy(h->search.choice, best, n * sizeof *best);
        h->is_steered = h->keeps_finished = false;
        SWG_GO(try_choice(h));
        break;
    }
done:
    swg_free(best);
    return status;
}

/* Weights of the matrices whose choice differs, of all that are chosen for. */
static double changed_part(const hunt *h, const size_t *before)
{
    double changed = 0, all = 0;
    for (size_t i = 0; i < h->search.n_items; i++) {
        const double n =
            (double)swg_tensor_elems(&h->j->plan.entries[h->search.items[i].entry].desc);
        all += n;
        changed += h->search.choice[i] != before[i] ? n : 0;
    }
    return changed / all;
}

/* The choice with the largest matrix a step further from or closer to the checkpoint, and others
 * in its place, within the same bytes: verified, too, if little of it has to be quantized anew.
 * What was quantized must be in the journal. *is_better: it replaces `best`. */
static swg_status try_alternative(hunt *h, bool is_finer, size_t *best, bool *is_better)
{
    swg_quantize_search_report *r = h->report;
    const size_t n = h->search.n_items;
    const swg_quantize_search_report before = *r;
    *is_better = false;
    memcpy(h->search.choice, best, n * sizeof *best);
    if (!swg_search_shift(&h->search, is_finer, room(h, first_aim)) ||
        changed_part(h, best) > most_changed)
        return SWG_OK;
    SWG_TRY(try_choice(h));
    SWG_TRY(verify(h));
    r->verified[r->n_verified++] = (swg_verified_choice){
        .what = is_finer ? "the largest matrix finer" : "the largest matrix coarser",
        .kld = r->kld,
        .bytes = h->bytes};
    *is_better = r->kld < before.kld && (double)h->bytes <= r->target_bytes - RESERVE;
    if (*is_better) {
        memcpy(best, h->search.choice, n * sizeof *best);
        return SWG_OK;
    }
    r->kld = before.kld;
    r->kld_standard_error = before.kld_standard_error;
    r->loss = before.loss;
    return SWG_OK;
}

/* Verify the choice that fits the budget and, where that costs little, its neighbours; take the
 * closest. */
static swg_status verify_best(hunt *h)
{
    const size_t n = h->search.n_items;
    bool is_better = false;
    size_t *best = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(best, n));
    memcpy(best, h->search.choice, n * sizeof *best);
    SWG_GO(verify(h));
    h->report->verified[h->report->n_verified++] = (swg_verified_choice){
        .what = "the search's choice", .kld = h->report->kld, .bytes = h->bytes};
    if (is_entangled(h))
        goto done;
    SWG_GO(try_alternative(h, true, best, &is_better));
    if (!is_better)
        SWG_GO(try_alternative(h, false, best, &is_better));
    memcpy(h->search.choice, best, n * sizeof *best);
    SWG_GO(take_recipe(h));
done:
    swg_free(best);
    return status;
}

/* The smallest file whose divergence on the text held out is within the limit. */
static swg_status fit_divergence(hunt *h)
{
    double aim = kld_aim * h->report->max_kld;
    size_t *best = NULL;
    const size_t n = h->search.n_items;
    uint64_t best_bytes = UINT64_MAX;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(best, n));
    while (h->report->n_tries < MAX_TRIES) {
        const bool is_reached = swg_search_fit_loss(&h->search, aim);
        SWG_GO(try_choice(h));
        SWG_GO(verify(h));
        const bool is_good = h->report->kld <= h->report->max_kld;
        if (is_good && h->bytes < best_bytes) {
            best_bytes = h->bytes;
            memcpy(best, h->search.choice, n * sizeof *best);
        }
        if ((is_good && h->report->kld >= least_kld_part * h->report->max_kld) || !is_reached)
            break;
        aim *= kld_aim * h->report->max_kld / h->report->kld;
    }
    if (best_bytes == UINT64_MAX)
        SWG_GO(swg_error(SWG_FAILED,
                         "%s: a divergence of at most %g is asked for; the closest try has %g",
                         h->j->a->output, h->report->max_kld, h->report->kld));
    if (memcmp(best, h->search.choice, n * sizeof *best) != 0) {
        memcpy(h->search.choice, best, n * sizeof *best);
        SWG_GO(try_choice(h));
        SWG_GO(verify(h));
    }
done:
    swg_free(best);
    return status;
}

/* --- What was measured of single matrices ----------------------------------------------------- */

/* The last record of `swage eval --sensitivity` in the file, which must be of this checkpoint. */
static swg_status find_record(const hunt *h, const swg_results *results, const swg_result **out)
{
    const char *path = h->j->a->sensitivity;
    swg_model_identity identity;
    *out = NULL;
    for (size_t i = 0; i < results->count; i++)
        for (size_t t = 0; t < results->items[i].n_tensors; t++)
            if (!isnan(results->items[i].tensors[t].sensitivity_kld))
                *out = &results->items[i];
    if (!*out)
        return swg_error(SWG_USAGE,
                         "%s: no record has the sensitivity of tensors: swage eval MODEL "
                         "--ref BASE --sensitivity --results FILE writes one",
                         path);
    SWG_TRY(swg_model_identify(h->j->cli->positionals[0], h->j->cli->n_threads, &identity));
    if (!(*out)->base_hash || strcmp((*out)->base_hash, identity.hash) != 0)
        return swg_error(SWG_USAGE,
                         "%s: sensitivities were measured in %s, whose hash is %s; that "
                         "of %s is %s",
                         path, (*out)->base_model ? (*out)->base_model : "another model",
                         (*out)->base_hash ? (*out)->base_hash : "not known",
                         h->j->cli->positionals[0], identity.hash);
    return SWG_OK;
}

/* Scale the estimates by the sensitivities that were measured. */
static swg_status weigh(hunt *h)
{
    swg_results results = {0};
    const swg_result *record;
    swg_measured_matrix *measured = NULL;
    swg_status status = SWG_OK;
    size_t n = 0, n_scaled;
    if (!h->j->a->sensitivity)
        return SWG_OK;
    SWG_GO(swg_results_read(h->j->a->sensitivity, &results));
    SWG_GO(find_record(h, &results, &record));
    SWG_GO(SWG_NEW(measured, record->n_tensors));
    for (size_t t = 0; t < record->n_tensors; t++)
        if (!isnan(record->tensors[t].sensitivity_kld))
            measured[n++] = (swg_measured_matrix){.name = record->tensors[t].name,
                                                  .scheme = record->tensors[t].scheme,
                                                  .kld = record->tensors[t].sensitivity_kld};
    SWG_GO(swg_search_weigh(&h->search, measured, n, &n_scaled));
    swg_cli_say(h->j->cli, "%s: %zu of %zu matrices weighed by their measured sensitivities",
                h->j->a->sensitivity, n_scaled, h->search.n_items);
done:
    swg_free(measured);
    swg_results_deinit(&results);
    return status;
}

/* --- The search ------------------------------------------------------------------------------- */

/* Elements of tensors of numbers, tied ones once. */
static double n_parameters(const swg_quantize_state *j)
{
    double sum = 0;
    for (size_t i = 0; i < j->plan.n_entries; i++) {
        const swg_dtype dtype = j->inputs[i].scheme.dtype;
        if (swg_source_same_as(j->source, i) == i && swg_dtype_is_float(dtype))
            sum += (double)swg_tensor_elems(&j->inputs[i]);
    }
    return sum;
}

static swg_status read_target(hunt *h)
{
    const swg_quantize_arguments *a = h->j->a;
    uint64_t bytes = 0;
    if ((a->target_bytes != NULL) + (a->target_bits > 0) + (a->max_kld > 0) > 1)
        return swg_error(SWG_USAGE,
                         "--target-bytes, --target-bits and --max-kld exclude each other");
    if (a->recipe || a->format || a->bits || a->embedding_bits || a->group_size ||
        a->embedding_group_size || a->asymmetric || a->scale_type)
        return swg_error(SWG_USAGE, "a target makes the recipe: bits, groups, scale types and "
                                    "--recipe cannot be given with it");
    if (!a->calibration)
        return swg_error(SWG_USAGE, "a target needs a text to measure divergence on: "
                                    "--calibration FILE");
    if (a->target_bytes)
        SWG_TRY(swg_parse_bytes("target-bytes", a->target_bytes, &bytes));
    h->report->target_bytes =
        a->target_bits > 0 ? a->target_bits / 8 * n_parameters(h->j) : (double)bytes;
    h->report->max_kld = a->max_kld;
    return SWG_OK;
}

static swg_status estimate(hunt *h)
{
    swg_quantize_state *j = h->j;
    const double start = swg_clock_s();
    const swg_search_subject subject = {.source = j->transformed,
                                        .transforms = j->transforms,
                                        .plan = &j->plan,
                                        .statistics = j->statistics,
                                        .sensitivity = j->sensitivity,
                                        .pool = j->pool,
                                        .progress = j->cli->progress};
    SWG_TRY(swg_search_init(&h->search, &subject, j->a->method));
    for (size_t i = 0; i < h->search.n_items; i++)
        h->search.items[i].is_outside = !j->uses[h->search.items[i].entry].is_per_layer;
    SWG_TRY(weigh(h));
    SWG_TRY(estimate_overhead(h));
    h->report->search_s += swg_clock_s() - start;
    return SWG_OK;
}

/* The choice without quantizing by it. */
static swg_status plan_only(hunt *h)
{
    const bool is_reached = h->report->target_bytes > 0
                                ? swg_search_fit_bytes(&h->search, room(h, first_aim))
                                : swg_search_fit_loss(&h->search, h->report->max_kld);
    if (!is_reached && h->report->target_bytes > 0)
        return refuse_budget(h);
    h->report->loss = swg_search_loss(&h->search);
    h->bytes = (uint64_t)(swg_search_bytes(&h->search) + h->overhead);
    return take_recipe(h);
}

/* Tries go to a file of their own, so that the output appears when the target is met. */
static swg_status name_tries(hunt *h)
{
    static const char ending[] = ".swg";
    const char *output = h->j->a->output;
    swg_strbuf path = {0};
    if (!swg_path_ends_with(output, ending, sizeof ending - 1))
        return swg_error(SWG_USAGE, "%s: a target is of the bytes of a .swg", output);
    swg_strbuf_printf(&path, "%s.try.swg", output);
    SWG_TRY(swg_strbuf_status(&path));
    h->try_path = path.text; /* freed as any block */
    return SWG_OK;
}

static swg_status meet_target(hunt *h)
{
    if (h->report->max_kld > 0) {
        SWG_TRY(fit_divergence(h));
    } else {
        SWG_TRY(fit_budget(h));
        SWG_TRY(verify_best(h));
    }
    const double start = swg_clock_s();
    SWG_TRY(write_file(h, h->j->a->output, h->j->a->force));
    h->report->search_s += swg_clock_s() - start;
    return SWG_OK;
}

swg_status swg_quantize_search(swg_quantize_state *j, swg_quantize_search_report *report,
                               uint64_t *bytes)
{
    hunt h = {.j = j, .report = report, .steering.steer = steer};
    swg_status status = SWG_OK;
    *report = (swg_quantize_search_report){0};
    h.steering.context = &h;
    SWG_GO(read_target(&h));
    SWG_GO(name_tries(&h));
    const double start = swg_clock_s();
    SWG_GO(swg_quantize_open_statistics(j));
    report->quantize_s = swg_clock_s() - start;
    SWG_GO(estimate(&h));
    SWG_GO(j->a->dry_run ? plan_only(&h) : meet_target(&h));
    SWG_GO(write_decisions(&h, true, &report->decisions));
    *bytes = h.bytes;
done:
    if (status == SWG_FAILED)
        swg_journal_finish(&j->journal); /* going on would not help */
    if (h.try_path)
        (void)unlink(h.try_path);
    swg_free(h.try_path);
    swg_free(h.history);
    swg_verifier_deinit(&h.verifier);
    swg_search_deinit(&h.search);
    return status;
}
