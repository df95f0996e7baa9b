/* From a file of runs to the points of a sweep: see cmd_sweep_grid.h. A run's options are checked
 * by the table of its command, by parsing the command line that they make, so that this file knows
 * no option by name except those that belong to the sweep itself. */
#include "eval/cmd_sweep_grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json_copy.h"
#include "runtime/base/file.h"
#include "runtime/cli/options.h"

enum { VERSION = 1, MOST_AXES = 64, MOST_BYTES = 64 << 20, LONGEST_ID = 200 };

/* Commands that make a model, and the options of theirs that the sweep gives itself. */
static const char *const makers[] = {"quantize", "prune"};
static const char *const reserved[] = {"output", "force", "dry-run", "recipe", "calibration"};

/* One option of a run with the values that it takes. */
typedef struct axis {
    const swg_option *option;
    const swg_json *values; /* an array; or NULL: only `value` */
    const swg_json *value;
    bool is_common; /* to all runs: not part of ids */
} axis;

/* A run while it is being expanded. */
typedef struct run {
    swg_sweep_plan *plan;
    const char *where; /* "recipe.json: run 2" */
    const char *id;    /* NULL = not given */
    const char *series;
    const swg_command *command;
    const swg_json *recipe; /* an object, or NULL */
    bool is_calibrated;
    axis axes[MOST_AXES];
    size_t n_axes;
} run;

/* --- Words ------------------------------------------------------------------------------------ */

/* The shortest text that reads back as the same number. */
static void number_text(double number, char out[32])
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            return;
    }
}

/* A value as a word of a command line: the arena's copy. SWG_USAGE unless it is a number or a
 * string. */
static swg_status value_word(run *r, const swg_option *option, const swg_json *value,
                             const char **out)
{
    char number[32];
    const char *text = number;
    double as_number;
    if (swg_json_as_double(value, &as_number))
        number_text(as_number, number);
    else if (!swg_json_as_string(value, &text))
        return swg_error(
            SWG_USAGE, "%s: option \"%s\" takes %s, not a value of kind %s", r->where, option->name,
            option->kind == SWG_OPTION_IS_FLAG ? "true or false" : "a number or a string",
            swg_json_kind_name(swg_json_kind_of(value)));
    *out = swg_arena_strndup(&r->plan->arena, text, strlen(text));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

/* The command line of a point while it grows. */
typedef struct line {
    const char **words;
    size_t n, capacity;
} line;

static swg_status add_word(line *to, const char *word)
{
    SWG_TRY(swg_reserve((void **)&to->words, &to->capacity, to->n + 1, sizeof *to->words));
    to->words[to->n++] = word;
    return SWG_OK;
}

static swg_status add_option(run *r, const swg_option *option, const swg_json *value, line *to)
{
    char dashed[80];
    bool is_given = true;
    const char *word = NULL;
    snprintf(dashed, sizeof dashed, "--%.70s", option->name);
    if (swg_json_is_null(value) || (swg_json_as_bool(value, &is_given) && !is_given))
        return SWG_OK;
    const char *const name = swg_arena_strndup(&r->plan->arena, dashed, strlen(dashed));
    if (!name)
        return SWG_NO_MEMORY;
    if (option->kind == SWG_OPTION_IS_LIST && swg_json_kind_of(value) == SWG_JSON_ARRAY) {
        for (const swg_json *v = swg_json_first(value); v; v = swg_json_next(v))
            SWG_TRY(add_option(r, option, v, to));
        return SWG_OK;
    }
    SWG_TRY(add_word(to, name));
    if (option->kind == SWG_OPTION_IS_FLAG && swg_json_kind_of(value) == SWG_JSON_BOOL)
        return SWG_OK;
    SWG_TRY(value_word(r, option, value, &word));
    return add_word(to, word);
}

/* --- Points ----------------------------------------------------------------------------------- */

/* "-bits=4" for a value, "-asymmetric" for a flag; nothing for null and false. Characters that are
 * awkward in the name of a folder become "_". */
static void add_to_id(const axis *of, const swg_json *value, swg_strbuf *id)
{
    char number[32] = "";
    const char *text = number;
    double as_number;
    bool flag = true;
    if (swg_json_is_null(value) || (swg_json_as_bool(value, &flag) && !flag))
        return;
    swg_strbuf_printf(id, "%s%s", id->length ? "-" : "", of->option->name);
    if (swg_json_as_double(value, &as_number))
        number_text(as_number, number);
    else
        swg_json_as_string(value, &text);
    if (*text)
        swg_strbuf_puts(id, "=");
    for (const char *c = text; *c; c++) {
        const bool is_plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                              (*c >= 'A' && *c <= 'Z') || strchr(".:_+", *c);
        swg_strbuf_append(id, is_plain ? c : "_", 1);
    }
}

/* Which value of each axis a point has: the digits of `index`, the last axis the lowest. */
static const swg_json *value_at(const run *r, size_t a, size_t index)
{
    if (!r->axes[a].values)
        return r->axes[a].value;
    for (size_t later = r->n_axes - 1; later > a; later--)
        if (r->axes[later].values)
            index /= swg_json_count(r->axes[later].values);
    return swg_json_at(r->axes[a].values, index % swg_json_count(r->axes[a].values));
}

static swg_status make_id(run *r, size_t index, const char **out)
{
    swg_strbuf id = {0};
    swg_strbuf_puts(&id, r->id ? r->id : r->command->name);
    for (size_t a = 0; a < r->n_axes; a++)
        if (r->axes[a].values || (!r->id && !r->axes[a].is_common))
            add_to_id(&r->axes[a], value_at(r, a, index), &id);
    swg_status status = swg_strbuf_status(&id);
    if (status == SWG_OK && id.length > LONGEST_ID)
        status = swg_error(SWG_USAGE,
                           "%s: the id \"%.40s...\" has %zu bytes, more than %d; give the run an "
                           "\"id\"",
                           r->where, id.text, id.length, LONGEST_ID);
    if (status == SWG_OK) {
        *out = swg_arena_strndup(&r->plan->arena, id.text, id.length);
        status = *out ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_strbuf_deinit(&id);
    return status;
}

static swg_status check_id(const run *r, const char *id)
{
    if (strcmp(id, SWG_SWEEP_BASE_ID) == 0)
        return swg_error(SWG_USAGE,
                         "%s: \"%s\" is the name of the model itself; give the run another "
                         "\"id\"",
                         r->where, id);
    for (const char *c = id; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f ||
            (c[0] == '\xc2' && (unsigned char)c[1] < 0xa0))
            return swg_error(SWG_USAGE, "%s: the id has a control character", r->where);
    for (size_t i = 0; i < r->plan->n_points; i++)
        if (strcmp(r->plan->points[i].id, id) == 0)
            return swg_error(SWG_USAGE,
                             "%s: points %zu and %zu are both called %s; give one run an \"id\"",
                             r->where, i + 1, r->plan->n_points + 1, id);
    return SWG_OK;
}

/* What the command itself says of its options. */
static swg_status check_line(const run *r, const char *id, const line *given)
{
    line whole = {0};
    swg_parsed parsed = {0};
    static const char *const rest[] = {"--output", "output.swg", "--", "model"};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < given->n; i++)
        SWG_GO(add_word(&whole, given->words[i]));
    if (r->is_calibrated)
        SWG_GO(add_word(&whole, "--calibration=text"));
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        SWG_GO(add_word(&whole, rest[i]));
    status = swg_options_parse(r->command, whole.words, whole.n, &parsed);
    if (status == SWG_OK)
        swg_parsed_deinit(&parsed);
    else
        swg_error_context(status, "%s (%s)", r->where, id);
done:
    swg_free(whole.words);
    return status;
}

static swg_status recipe_text(run *r, const char **out)
{
    swg_json_writer json = {.compact = true};
    swg_status status = swg_json_copy(r->recipe, &json, NULL);
    if (status == SWG_OK)
        status = swg_strbuf_status(&json.out);
    if (status == SWG_OK) {
        *out = swg_arena_strndup(&r->plan->arena, json.out.text, json.out.length);
        status = *out ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_json_deinit(&json);
    return status;
}

static swg_status add_point(run *r, size_t index)
{
    swg_sweep_plan *const plan = r->plan;
    swg_sweep_point point = {.command = r->command, .is_calibrated = r->is_calibrated};
    line words = {0};
    swg_status status = SWG_OK;
    if (plan->n_points == SWG_SWEEP_MAX_POINTS)
        return swg_error(SWG_LIMIT, "%s: more than %d points", r->where, SWG_SWEEP_MAX_POINTS);
    SWG_GO(make_id(r, index, &point.id));
    SWG_GO(check_id(r, point.id));
    point.series = r->series;
    for (size_t a = 0; a < r->n_axes; a++)
        SWG_GO(add_option(r, r->axes[a].option, value_at(r, a, index), &words));
    SWG_GO(check_line(r, point.id, &words));
    if (r->recipe)
        SWG_GO(recipe_text(r, &point.recipe));
    const char **const kept = swg_arena_calloc(&plan->arena, words.n, sizeof *kept);
    SWG_GO(kept ? SWG_OK : SWG_NO_MEMORY);
    if (words.n)
        memcpy(kept, words.words, words.n * sizeof *kept);
    point.words = kept;
    point.n_words = words.n;
    SWG_GO(swg_reserve((void **)&plan->points, &plan->capacity, plan->n_points + 1,
                       sizeof *plan->points));
    plan->points[plan->n_points++] = point;
done:
    swg_free(words.words);
    return status;
}

static swg_status expand(run *r)
{
    size_t n = 1;
    for (size_t a = 0; a < r->n_axes; a++)
        if (r->axes[a].values && !swg_size_mul(n, swg_json_count(r->axes[a].values), &n))
            n = SIZE_MAX;
    if (n > SWG_SWEEP_MAX_POINTS)
        return swg_error(SWG_LIMIT, "%s: a grid of %zu points is more than %d", r->where, n,
                         SWG_SWEEP_MAX_POINTS);
    for (size_t i = 0; i < n; i++)
        SWG_TRY(add_point(r, i));
    return SWG_OK;
}

/* --- Runs ------------------------------------------------------------------------------------- */

static const swg_option *find_option(const swg_command *command, const char *name)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return &command->options[i];
    return NULL;
}

static swg_status refuse_option(const run *r, const char *name)
{
    const char *names[128];
    size_t n = 0;
    for (size_t i = 0; i < r->command->n_options && n < 128; i++)
        names[n++] = r->command->options[i].name;
    const char *const near = swg_nearest_word(name, names, n);
    return swg_error(SWG_USAGE, "%s: %s has no option \"%.80s\"%s%s%s", r->where, r->command->name,
                     name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Whether one of the commands that a run can name has the option: then it is not misspelt. */
static bool any_maker_has(const char *name)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
            if (strcmp((*c)->name, makers[i]) == 0 && find_option(*c, name))
                return true;
    return false;
}

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], name) == 0)
            return true;
    return false;
}

/* An option that is given again takes the place of the earlier one, which was common to all runs.
 */
static swg_status set_axis(run *r, const axis *given)
{
    for (size_t a = 0; a < r->n_axes; a++)
        if (r->axes[a].option == given->option) {
            r->axes[a] = *given;
            return SWG_OK;
        }
    if (r->n_axes == MOST_AXES)
        return swg_error(SWG_LIMIT, "%s: more than %d options", r->where, MOST_AXES);
    r->axes[r->n_axes++] = *given;
    return SWG_OK;
}

/* Members of an object as options; those common to all runs that this command does not have are
 * passed over. */
static swg_status add_axes(run *r, const swg_json *options, bool is_common)
{
    if (!swg_json_is_null(options) && swg_json_kind_of(options) != SWG_JSON_OBJECT)
        return swg_error(SWG_USAGE, "%s: \"options\" is an object, not a value of kind %s",
                         r->where, swg_json_kind_name(swg_json_kind_of(options)));
    for (const swg_json *v = swg_json_first(options); v; v = swg_json_next(v)) {
        const char *const name = swg_json_key(v);
        if (strcmp(name, "calibration") == 0 && swg_json_as_bool(v, &r->is_calibrated))
            continue;
        if (is_reserved(name))
            return swg_error(SWG_USAGE, "%s: \"%s\" is given by the sweep itself", r->where, name);
        axis given = {.option = find_option(r->command, name), .value = v, .is_common = is_common};
        if (!given.option && is_common && any_maker_has(name))
            continue;
        if (!given.option)
            return refuse_option(r, name);
        const bool is_list = given.option->kind == SWG_OPTION_IS_LIST;
        const swg_json *const first = swg_json_first(v);
        if (swg_json_kind_of(v) == SWG_JSON_ARRAY &&
            (!is_list || (first && swg_json_kind_of(first) == SWG_JSON_ARRAY)))
            given.values = v;
        if (given.values && !first)
            return swg_error(SWG_USAGE, "%s: option \"%s\" has an empty list of values", r->where,
                             name);
        SWG_TRY(set_axis(r, &given));
    }
    return SWG_OK;
}

/* Whether the option that this one needs is given to the run. */
static bool is_of_use(const run *r, const axis *given)
{
    for (size_t i = 0; i < r->command->n_needs; i++) {
        const swg_option_need *const need = &r->command->needs[i];
        bool has = strcmp(need->needs, "calibration") == 0 && r->is_calibrated;
        if (strcmp(need->option, given->option->name) != 0)
            continue;
        for (size_t a = 0; a < r->n_axes; a++)
            has = has || strcmp(r->axes[a].option->name, need->needs) == 0;
        if (!has)
            return false;
    }
    return true;
}

/* Options common to all runs that are of no use to this one are passed over. */
static void pass_over_useless(run *r)
{
    size_t n = 0;
    for (size_t a = 0; a < r->n_axes; a++)
        if (!r->axes[a].is_common || is_of_use(r, &r->axes[a]))
            r->axes[n++] = r->axes[a];
    r->n_axes = n;
}

static swg_status find_command(run *r, const swg_json *value)
{
    const char *name = NULL;
    if (!swg_json_as_string(value, &name))
        return swg_error(SWG_USAGE, "%s has no \"command\": quantize or prune", r->where);
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
            if (strcmp((*c)->name, name) == 0 && strcmp(name, makers[i]) == 0)
                r->command = *c;
    return r->command ? SWG_OK
                      : swg_error(SWG_USAGE, "%s: \"command\" is quantize or prune, not \"%.80s\"",
                                  r->where, name);
}

static swg_status check_keys(const char *where, const swg_json *object, const char *const *keys,
                             size_t n)
{
    for (const swg_json *v = swg_json_first(object); v; v = swg_json_next(v)) {
        bool is_known = false;
        for (size_t i = 0; i < n; i++)
            is_known |= strcmp(keys[i], swg_json_key(v)) == 0;
        if (is_known)
            continue;
        const char *const near = swg_nearest_word(swg_json_key(v), keys, n);
        return swg_error(SWG_USAGE, "%s has no key \"%.80s\"%s%s%s", where, swg_json_key(v),
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    return SWG_OK;
}

static swg_status read_run(swg_sweep_plan *plan, const char *where, bool has_calibration,
                           const swg_json *common, const swg_json *value)
{
    static const char *const keys[] = {"id", "command", "options", "recipe"};
    run r = {.plan = plan, .where = where, .is_calibrated = has_calibration};
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return swg_error(SWG_USAGE, "%s is not an object", where);
    SWG_TRY(check_keys(where, value, keys, sizeof keys / sizeof *keys));
    SWG_TRY(find_command(&r, swg_json_get(value, "command")));
    const swg_json *const id = swg_json_get(value, "id");
    r.series = r.command->name;
    if (!swg_json_is_null(id) &&
        (!swg_json_as_string(id, &r.id) || !*r.id || *r.id == '.' || strchr(r.id, '/')))
        return swg_error(SWG_USAGE,
                         "%s: \"id\" is a string that can be the name of a folder, without \"/\" "
                         "and \".\" in front",
                         where);
    if (r.id) {
        r.series = swg_arena_strndup(&plan->arena, r.id, strlen(r.id));
        SWG_TRY(r.series ? SWG_OK : SWG_NO_MEMORY);
    }
    const swg_json *const recipe = swg_json_get(value, "recipe");
    if (!swg_json_is_null(recipe) && swg_json_kind_of(recipe) != SWG_JSON_OBJECT)
        return swg_error(SWG_USAGE, "%s: \"recipe\" is an object (docs/recipes.md)", where);
    r.recipe = swg_json_is_null(recipe) ? NULL : recipe;
    SWG_TRY(add_axes(&r, common, true));
    SWG_TRY(add_axes(&r, swg_json_get(value, "options"), false));
    r.is_calibrated = r.is_calibrated && has_calibration;
    pass_over_useless(&r);
    return expand(&r);
}

/* --- The file --------------------------------------------------------------------------------- */

static swg_status read_document(swg_sweep_plan *plan, const char *path, bool has_calibration,
                                const swg_json *root)
{
    static const char *const keys[] = {"sweep", "options", "runs"};
    int64_t version = 0;
    size_t number = 0;
    if (!swg_json_as_int(swg_json_get(root, "sweep"), &version) || version != VERSION)
        return swg_error(SWG_USAGE, "%s: \"sweep\" is the version of such files, %d", path,
                         VERSION);
    SWG_TRY(check_keys(path, root, keys, sizeof keys / sizeof *keys));
    const swg_json *const runs = swg_json_get(root, "runs");
    if (swg_json_kind_of(runs) != SWG_JSON_ARRAY || swg_json_count(runs) == 0)
        return swg_error(SWG_USAGE, "%s: \"runs\" is a list of at least one run", path);
    for (const swg_json *v = swg_json_first(runs); v; v = swg_json_next(v)) {
        char where[256];
        snprintf(where, sizeof where, "%.200s: run %zu", path, ++number);
        SWG_TRY(read_run(plan, where, has_calibration, swg_json_get(root, "options"), v));
    }
    return SWG_OK;
}

swg_status swg_sweep_plan_read(const char *path, bool has_calibration, swg_sweep_plan *plan)
{
    char *text = NULL;
    size_t length = 0;
    swg_json_doc *document = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_file_read(path, MOST_BYTES, &text, &length));
    SWG_GO(swg_json_parse(text, length, path, &document));
    SWG_GO(read_document(plan, path, has_calibration, swg_json_root(document)));
done:
    swg_json_free(&document);
    swg_free(text);
    return status;
}

void swg_sweep_plan_deinit(swg_sweep_plan *plan)
{
    swg_free(plan->points);
    swg_arena_deinit(&plan->arena);
    *plan = (swg_sweep_plan){0};
}
