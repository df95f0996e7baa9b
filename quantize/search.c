/* See search.h. */
#include "quantize/search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quantize/budget.h"
#include "runtime/base/mem.h"

/* --- Items ------------------------------------------------------------------------------------ */

static swg_status make_items(swg_search *s, const swg_source *source, const swg_plan *plan)
{
    const size_t n = plan->n_entries;
    s->n_entries = n;
    SWG_TRY(SWG_NEW(s->item_of, n));
    SWG_TRY(SWG_NEW(s->names, n));
    SWG_TRY(SWG_NEW(s->items, n));
    for (size_t i = 0; i < n; i++)
        s->item_of[i] = SIZE_MAX;
    for (size_t place = 0; place < n; place++) {
        const size_t i = plan->order[place], first = swg_source_same_as(source, i);
        s->names[i] = plan->entries[i].desc.name;
        if (!plan->entries[i].is_quantized || s->item_of[i] != SIZE_MAX)
            continue;
        if (plan->entries[first].is_quantized && s->item_of[first] != SIZE_MAX) {
            s->item_of[i] = s->item_of[first];
            continue;
        }
        s->item_of[i] = s->item_of[first] = s->n_items;
        s->items[s->n_items++] =
            (swg_search_item){.name = plan->entries[i].desc.name, .entry = i, .correction = 1};
    }
    SWG_TRY(SWG_NEW(s->loss, s->n_items * s->n_candidates));
    SWG_TRY(SWG_NEW(s->bytes, s->n_items * s->n_candidates));
    SWG_TRY(SWG_NEW(s->is_open, s->n_items));
    return SWG_NEW(s->choice, s->n_items);
}

/* --- Estimates -------------------------------------------------------------------------------- */

/* What the estimates of one tensor after the other need. */
typedef struct estimator {
    const swg_search_subject *subject;
    const swg_candidate *candidates;
    size_t n_candidates;
    size_t tensor;
    const char *input;         /* whose weights these are; NULL = none */
    float *weights;            /* [k] */
    swg_candidate_cost *costs; /* [n_candidates] */
} estimator;

static swg_status read_rows(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const estimator *e = context;
    return swg_source_read_f32(e->subject->source, e->tensor, row_begin, n_rows, out);
}

/* Weights of the columns of a tensor's input, kept for the tensors that share it. */
static swg_status find_weights(estimator *e, const swg_layer_stats *stats)
{
    if (e->input && strcmp(e->input, stats->name) == 0)
        return SWG_OK;
    SWG_FREE(e->weights);
    e->input = NULL;
    SWG_TRY(SWG_NEW_UNINIT(e->weights, stats->k));
    SWG_TRY(swg_candidate_weights(stats, e->weights));
    e->input = stats->name;
    return SWG_OK;
}

static swg_status estimate(estimator *e, const swg_plan_entry *entry, size_t index)
{
    const swg_layer_stats *stats;
    const swg_row_sensitivity *of_rows =
        swg_sensitivity_find(e->subject->sensitivity, entry->desc.name);
    const swg_row_sensitivity none = {.tensor = entry->desc.name};
    e->tensor = index;
    SWG_TRY(swg_model_stats_get(e->subject->statistics, entry->desc.name, &stats));
    if (stats && e->subject->transforms)
        SWG_TRY(swg_transforms_adapt(e->subject->transforms, entry->desc.name, &stats));
    if (stats)
        SWG_TRY(find_weights(e, stats));
    const swg_quantize_job job = {.name = entry->desc.name,
                                  .rows = swg_tensor_rows(&entry->desc),
                                  .cols = swg_tensor_cols(&entry->desc),
                                  .stats = stats,
                                  .read_rows = read_rows,
                                  .context = e,
                                  .pool = e->subject->pool};
    const swg_candidate_matrix matrix = {.job = &job,
                                         .sensitivity = of_rows ? of_rows : &none,
                                         .weights = stats ? e->weights : NULL};
    SWG_TRY(swg_candidates_cost(&matrix, e->candidates, e->n_candidates, e->costs));
    swg_source_release(e->subject->source, index);
    return SWG_OK;
}

/* Estimates of all tensors in the plan's order, so that the statistics of an input are read once.
 */
static swg_status estimate_all(swg_search *s, estimator *e)
{
    const swg_plan *plan = e->subject->plan;
    const swg_progress *progress = e->subject->progress;
    for (size_t place = 0; place < plan->n_entries; place++) {
        const size_t i = plan->order[place], item = s->item_of[i];
        SWG_TRY(swg_progress_step(progress, "estimating candidates", "tensors", place,
                                  plan->n_entries));
        if (item == SIZE_MAX)
            continue;
        SWG_TRY(estimate(e, &plan->entries[i], i));
        for (size_t c = 0; c < s->n_candidates; c++) {
            s->loss[item * s->n_candidates + c] += e->costs[c].loss;
            s->bytes[item * s->n_candidates + c] = e->costs[c].bytes;
        }
    }
    return swg_progress_step(progress, "estimating candidates", "tensors", plan->n_entries,
                             plan->n_entries);
}

swg_status swg_search_init(swg_search *out, const swg_search_subject *subject, const char *method)
{
    swg_status status = SWG_OK;
    swg_search s = {0};
    estimator e = {.subject = subject};
    SWG_GO(swg_candidates(method, &s.candidates, &s.n_candidates));
    SWG_GO(make_items(&s, subject->source, subject->plan));
    SWG_GO(SWG_NEW(e.costs, s.n_candidates));
    e.candidates = s.candidates;
    e.n_candidates = s.n_candidates;
    SWG_GO(estimate_all(&s, &e));
    *out = s;
    s = (swg_search){0};
done:
    swg_free(e.costs);
    swg_free(e.weights);
    swg_search_deinit(&s);
    return status;
}

void swg_search_deinit(swg_search *s)
{
    swg_free(s->items);
    swg_free(s->candidates);
    swg_free(s->item_of);
    swg_free(s->names);
    swg_free(s->loss);
    swg_free(s->bytes);
    swg_free(s->choice);
    swg_free(s->is_open);
    *s = (swg_search){0};
}

/* --- What was measured ------------------------------------------------------------------------ */

/* The beginning of a scheme's name: what a candidate without steps of its own is called, too. */
static void name_codes(const swg_candidate *candidate, char name[32])
{
    char group[16];
    snprintf(group, sizeof group, candidate->group ? "g%u" : "row", candidate->group);
    snprintf(name, 32, "int%u-%s-%s", candidate->bits, group,
             candidate->zero_points ? "asym" : "sym");
}

static bool is_scheme(const swg_candidate *candidate, const char *scheme)
{
    char name[32];
    name_codes(candidate, name);
    const size_t length = strlen(name);
    return strncmp(scheme, name, length) == 0 && (scheme[length] == '-' || scheme[length] == '\0');
}

/* Whether all but its groups are those of the scheme. */
static bool is_width(const swg_candidate *candidate, const char *scheme)
{
    char name[16];
    const int length = snprintf(name, sizeof name, "int%u-", candidate->bits);
    return strncmp(scheme, name, (size_t)length) == 0 &&
           (strstr(scheme, "-asym") != NULL) == candidate->zero_points;
}

/* The candidate of that scheme, or else of its width; n_candidates = none. */
static size_t find_scheme(const swg_search *s, const char *scheme)
{
    size_t like = s->n_candidates;
    for (size_t c = 0; c < s->n_candidates; c++) {
        if (s->candidates[c].step_loss > 0)
            continue;
        if (is_scheme(&s->candidates[c], scheme))
            return c;
        if (like == s->n_candidates && is_width(&s->candidates[c], scheme))
            like = c;
    }
    return like;
}

static size_t find_item(const swg_search *s, const char *name)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->item_of[i] != SIZE_MAX && strcmp(s->names[i], name) == 0)
            return s->item_of[i];
    return SIZE_MAX;
}

/* Measured over estimated of a matrix; 0 where one of them is not there. */
static double ratio_of(const swg_search *s, size_t item, const swg_measured_matrix *measured)
{
    const size_t c = find_scheme(s, measured->scheme ? measured->scheme : "");
    const double loss = c < s->n_candidates ? s->loss[item * s->n_candidates + c] : 0;
    return loss > 0 && measured->kld > 0 ? measured->kld / loss : 0;
}

swg_status swg_search_weigh(swg_search *s, const swg_measured_matrix *measured, size_t n,
                            size_t *n_scaled)
{
    const double most = log(16);
    double mean = 0;
    *n_scaled = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t item = find_item(s, measured[i].name);
        if (item == SIZE_MAX)
            return swg_error(SWG_USAGE,
                             "tensor %s was measured, but is not among the %zu matrices "
                             "that a recipe is searched for",
                             measured[i].name, s->n_items);
        const double ratio = ratio_of(s, item, &measured[i]);
        if (ratio > 0) {
            mean += log(ratio);
            ++*n_scaled;
        }
    }
    mean /= (double)(*n_scaled ? *n_scaled : 1);
    for (size_t i = 0; i < n; i++) {
        const size_t item = find_item(s, measured[i].name);
        const double ratio = ratio_of(s, item, &measured[i]);
        if (!(ratio > 0))
            continue;
        const double factor = exp(fmin(fmax(log(ratio) - mean, -most), most));
        for (size_t c = 0; c < s->n_candidates; c++)
            s->loss[item * s->n_candidates + c] *= factor;
    }
    return SWG_OK;
}

/* --- Choice ----------------------------------------------------------------------------------- */

static swg_allocation within_bytes(const swg_search *s)
{
    return (swg_allocation){.n_items = s->n_items,
                            .n_candidates = s->n_candidates,
                            .costs = s->loss,
                            .sizes = s->bytes};
}

bool swg_search_fit_bytes(swg_search *s, double bytes)
{
    const swg_allocation a = within_bytes(s);
    return swg_allocate(&a, bytes, s->choice);
}

bool swg_search_repair_bytes(swg_search *s, double bytes)
{
    const swg_allocation a = within_bytes(s);
    return swg_allocation_repair(&a, bytes, SIZE_MAX, s->choice);
}

bool swg_search_fit_loss(swg_search *s, double loss)
{
    const swg_allocation a = {.n_items = s->n_items,
                              .n_candidates = s->n_candidates,
                              .costs = s->bytes,
                              .sizes = s->loss};
    return swg_allocate(&a, loss, s->choice);
}

/* Whether no candidate of the item has both fewer bytes and less loss. */
static bool is_unbeaten(const double *loss, const double *bytes, size_t n, size_t c)
{
    for (size_t other = 0; other < n; other++)
        if (other != c && loss[other] <= loss[c] && bytes[other] <= bytes[c])
            return false;
    return true;
}

/* The unbeaten candidate with the most bytes below the chosen one's, or the fewest above. SIZE_MAX
 * = none. */
static size_t neighbour(const swg_search *s, size_t item, bool above)
{
    const double *loss = s->loss + item * s->n_candidates;
    const double *bytes = s->bytes + item * s->n_candidates;
    const double chosen = bytes[s->choice[item]];
    size_t best = SIZE_MAX;
    for (size_t c = 0; c < s->n_candidates; c++) {
        if (!is_unbeaten(loss, bytes, s->n_candidates, c) ||
            (above ? bytes[c] <= chosen : bytes[c] >= chosen))
            continue;
        if (best == SIZE_MAX || (above ? bytes[c] < bytes[best] : bytes[c] > bytes[best]))
            best = c;
    }
    return best;
}

bool swg_search_shift(swg_search *s, bool is_finer, double bytes)
{
    size_t largest = 0;
    for (size_t i = 1; i < s->n_items; i++)
        if (s->bytes[i * s->n_candidates + s->choice[i]] >
            s->bytes[largest * s->n_candidates + s->choice[largest]])
            largest = i;
    const size_t to = s->n_items ? neighbour(s, largest, is_finer) : SIZE_MAX;
    if (to == SIZE_MAX)
        return false;
    s->choice[largest] = to;
    const swg_allocation all = within_bytes(s);
    return swg_allocation_repair(&all, bytes, largest, s->choice);
}

static double sum(const swg_search *s, const double *of)
{
    double total = 0;
    for (size_t i = 0; i < s->n_items; i++)
        total += of[i * s->n_candidates + s->choice[i]];
    return total;
}

double swg_search_bytes(const swg_search *s)
{
    return sum(s, s->bytes);
}

double swg_search_loss(const swg_search *s)
{
    return sum(s, s->loss);
}

/* --- While quantizing ------------------------------------------------------------------------- */

void swg_search_begin(swg_search *s)
{
    for (size_t i = 0; i < s->n_items; i++)
        s->is_open[i] = true;
    s->expected = s->stored = 0;
    s->carried = 1;
}

static void scale_bytes(swg_search *s, size_t item, double factor)
{
    for (size_t c = 0; c < s->n_candidates; c++)
        s->bytes[item * s->n_candidates + c] *= factor;
    s->items[item].correction *= factor;
}

void swg_search_settle(swg_search *s, const swg_tensor_report *reports)
{
    for (size_t i = 0; i < s->n_items; i++) {
        const swg_tensor_report *report = &reports[s->items[i].entry];
        const double expected = s->bytes[i * s->n_candidates + s->choice[i]];
        if (!s->is_open[i] || report->stats.elems == 0)
            continue;
        s->is_open[i] = false;
        if (report->stored_bytes == 0) /* stored once with an equal tensor */
            continue;
        s->expected += s->items[i].is_outside ? expected : expected / s->carried;
        s->stored += (double)report->stored_bytes;
        scale_bytes(s, i, (double)report->stored_bytes / expected);
    }
    const double carried = s->expected > 0 ? s->stored / s->expected : 1;
    for (size_t i = 0; i < s->n_items; i++)
        if (s->is_open[i] && !s->items[i].is_outside)
            scale_bytes(s, i, carried / s->carried);
    s->carried = carried;
}

swg_status swg_search_fit_open(swg_search *s, double bytes, bool *is_within)
{
    const size_t n = s->n_candidates;
    double *costs = NULL, *sizes = NULL;
    size_t *choice = NULL, n_open = 0;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(costs, s->n_items * n));
    SWG_GO(SWG_NEW(sizes, s->n_items * n));
    SWG_GO(SWG_NEW(choice, s->n_items));
    for (size_t i = 0; i < s->n_items; i++) {
        if (!s->is_open[i]) {
            bytes -= s->bytes[i * n + s->choice[i]];
            continue;
        }
        memcpy(costs + n_open * n, s->loss + i * n, n * sizeof *costs);
        memcpy(sizes + n_open * n, s->bytes + i * n, n * sizeof *sizes);
        n_open++;
    }
    const swg_allocation a = {.n_items = n_open, .n_candidates = n, .costs = costs, .sizes = sizes};
    *is_within = swg_allocate(&a, bytes, choice);
    for (size_t i = 0, at = 0; i < s->n_items; i++)
        if (s->is_open[i])
            s->choice[i] = choice[at++];
done:
    swg_free(costs);
    swg_free(sizes);
    swg_free(choice);
    return status;
}

/* --- Rules and table -------------------------------------------------------------------------- */

static swg_status add_rule(const swg_search *s, size_t candidate, const char **names,
                           swg_recipe *recipe)
{
    swg_parameter parameter;
    swg_recipe_rule rule = {.tensors = names, .origin = "the search"};
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->item_of[i] != SIZE_MAX && s->choice[s->item_of[i]] == candidate)
            names[rule.n_tensors++] = s->names[i];
    if (rule.n_tensors == 0)
        return SWG_OK;
    swg_candidate_setting(&s->candidates[candidate], &parameter, &rule.setting);
    return swg_recipe_add_rule(recipe, &rule);
}

swg_status swg_search_add_rules(const swg_search *s, swg_recipe *recipe)
{
    const char **names;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW(names, s->n_entries));
    for (size_t c = 0; c < s->n_candidates && status == SWG_OK; c++)
        status = add_rule(s, c, names, recipe);
    swg_free(names);
    return status;
}

/* ["gptq int4-g64-sym-f16", loss, bytes] */
static void write_candidate(const swg_search *s, size_t item, size_t c, swg_json_writer *json,
                            const char *key)
{
    const swg_candidate *candidate = &s->candidates[c];
    const size_t at = item * s->n_candidates + c;
    char name[96], loss[32], codes[32];
    if (candidate->step_loss > 0)
        snprintf(name, sizeof name, "%s %.3g", candidate->method, candidate->step_loss);
    else {
        name_codes(candidate, codes);
        snprintf(name, sizeof name, "%s %s", candidate->method, codes);
    }
    const int length = snprintf(loss, sizeof loss, "%.4g", s->loss[at]);
    swg_json_begin_array(json, key);
    swg_json_string(json, NULL, name);
    swg_json_raw(json, NULL, loss, (size_t)length);
    swg_json_uint(json, NULL, (uint64_t)(s->bytes[at] + 0.5));
    swg_json_end_array(json);
}

static void write_alternatives(const swg_search *s, size_t item, bool all, swg_json_writer *json)
{
    const double *loss = s->loss + item * s->n_candidates;
    const double *bytes = s->bytes + item * s->n_candidates;
    swg_json_begin_array(json, "alternatives");
    for (size_t c = 0; all && c < s->n_candidates; c++)
        if (c != s->choice[item] && is_unbeaten(loss, bytes, s->n_candidates, c))
            write_candidate(s, item, c, json, NULL);
    for (int above = 0; !all && above < 2; above++) {
        const size_t c = neighbour(s, item, above);
        if (c != SIZE_MAX && !(s->candidates[c].step_loss > 0))
            write_candidate(s, item, c, json, NULL);
    }
    swg_json_end_array(json);
}

void swg_search_write(const swg_search *s, bool all, swg_json_writer *json, const char *key)
{
    swg_json_begin_array(json, key);
    for (size_t i = 0; i < s->n_items; i++) {
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "tensor", s->items[i].name);
        write_candidate(s, i, s->choice[i], json, "chosen");
        write_alternatives(s, i, all, json);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}
