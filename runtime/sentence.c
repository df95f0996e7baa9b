/* The files of a sentence-transformers folder: see sentence.h. */
#include "runtime/sentence.h"

#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/strbuf.h"
#include "runtime/hparams.h"

const char swg_pooling_choices[] = ""
#define SWG_POOLING(name, key, meaning) "|" #name
#include "runtime/poolings.def"
#undef SWG_POOLING
    ;

static const struct {
    const char *name, *key;
} poolings[SWG_POOLING_COUNT] = {
#define SWG_POOLING(name, key, meaning) {#name, key},
#include "runtime/poolings.def"
#undef SWG_POOLING
};

const char *swg_pooling_name(swg_pooling pooling)
{
    return poolings[pooling].name;
}

static bool carries(const swg_source *source, const char *name)
{
    for (size_t i = 0; i < swg_source_n_files(source); i++)
        if (strcmp(swg_source_file_name(source, i), name) == 0)
            return true;
    return false;
}

swg_status swg_sentence_is_declared(const swg_source *source, bool *out)
{
    size_t length;
    swg_hparams hparams;
    const swg_arch *arch;
    const char *config = swg_source_config(source, &length);
    *out = false;
    if (!carries(source, "modules.json"))
        return SWG_OK;
    const swg_status status = swg_hparams_read(config, length, &arch, &hparams);
    *out = status == SWG_OK && hparams.is_encoder;
    return status == SWG_NO_MEMORY ? status : SWG_OK;
}

/* Read one of the files into the settings. */
typedef swg_status reader(const swg_json *root, const char *name, swg_sentence *out);

/* --- modules.json ----------------------------------------------------------------------------- */

/* Stages in their order, with the only path at which a checkpoint carries their settings. */
static const struct {
    const char *type, *path;
} stages[] = {{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Normalize", NULL}};
enum { N_STAGES = sizeof stages / sizeof *stages, POOLING_STAGE = 1, NORMALIZE_STAGE = 2 };

static swg_status read_module(const swg_json *module, const char *name, size_t *next)
{
    const char *type, *path = "";
    if (!swg_json_as_string(swg_json_get(module, "type"), &type))
        return swg_error(SWG_CORRUPT, "%s: a module has no \"type\"", name);
    const char *dot = strrchr(type, '.');
    const char *kind = dot ? dot + 1 : type;
    swg_json_as_string(swg_json_get(module, "path"), &path);
    size_t stage = *next;
    while (stage < N_STAGES && strcmp(stages[stage].type, kind) != 0)
        stage++;
    if (stage == N_STAGES || (stage != *next && *next <= POOLING_STAGE))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: module \"%s\" of type %s is not supported here; supported are a "
                         "Transformer, then a Pooling and perhaps a Normalize",
                         name, path, kind);
    if (stages[stage].path && strcmp(path, stages[stage].path) != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: the module of type %s is in \"%s\"; only \"%s\" is supported", name,
                         kind, path, stages[stage].path);
    *next = stage + 1;
    return SWG_OK;
}

static swg_status read_modules(const swg_json *root, const char *name, swg_sentence *out)
{
    size_t next = 0;
    if (swg_json_kind_of(root) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s is not a list of modules", name);
    for (const swg_json *module = swg_json_first(root); module; module = swg_json_next(module))
        SWG_TRY(read_module(module, name, &next));
    if (next <= POOLING_STAGE)
        return swg_error(SWG_UNSUPPORTED, "%s has no Pooling: it does not give a vector per text",
                         name);
    out->normalizes = next > NORMALIZE_STAGE;
    return SWG_OK;
}

/* --- The modules' settings -------------------------------------------------------------------- */

static swg_status read_flag(const swg_json *root, const char *name, const char *key, bool *out)
{
    const swg_json *value = swg_json_get(root, key);
    if (swg_json_is_null(value) || swg_json_as_bool(value, out))
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: \"%s\" is not true or false", name, key);
}

/* Newer files name the kinds in one key: a string, or a list of them. "mean_sqrt_len" has an ending
 * there. */
static swg_status read_pooling_name(const swg_json *value, const char *name, unsigned *out)
{
    const char *text = "";
    if (!swg_json_as_string(value, &text))
        return swg_error(SWG_CORRUPT, "%s: \"pooling_mode\" is not a name or a list of names",
                         name);
    for (unsigned i = 0; i < SWG_POOLING_COUNT; i++) {
        const size_t length = strlen(poolings[i].name);
        if (strncmp(poolings[i].name, text, length) == 0 &&
            (text[length] == '\0' || strcmp(text + length, "_tokens") == 0)) {
            *out |= 1u << i;
            return SWG_OK;
        }
    }
    return swg_error(SWG_UNSUPPORTED, "%s: \"pooling_mode\" is %.80s; supported are %s", name, text,
                     SWG_POOLING_CHOICES);
}

static swg_status read_pooling_names(const swg_json *value, const char *name, unsigned *out)
{
    if (swg_json_kind_of(value) != SWG_JSON_ARRAY)
        return read_pooling_name(value, name, out);
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        const unsigned before = *out;
        SWG_TRY(read_pooling_name(item, name, out));
        if (*out < 2 * before || *out == before)
            return swg_error(SWG_UNSUPPORTED,
                             "%s: the kinds of \"pooling_mode\" are not in the order that is "
                             "supported, %s",
                             name, SWG_POOLING_CHOICES);
    }
    return SWG_OK;
}

/* Older files have a flag per kind. */
static swg_status read_pooling_flags(const swg_json *root, const char *name, unsigned *out)
{
    static const char prefix[] = "pooling_mode_";
    for (const swg_json *member = swg_json_first(root); member; member = swg_json_next(member)) {
        const char *key = swg_json_key(member);
        bool is_on = false;
        unsigned i = 0;
        if (!key || strncmp(key, prefix, sizeof prefix - 1) != 0)
            continue;
        SWG_TRY(read_flag(root, name, key, &is_on));
        while (i < SWG_POOLING_COUNT && strcmp(poolings[i].key, key) != 0)
            i++;
        if (is_on && i == SWG_POOLING_COUNT)
            return swg_error(SWG_UNSUPPORTED, "%s: \"%.80s\" is not supported", name, key);
        *out |= is_on ? 1u << i : 0;
    }
    return SWG_OK;
}

static swg_status read_pooling(const swg_json *root, const char *name, swg_sentence *out)
{
    bool includes_prompt = true;
    unsigned found = 0;
    const swg_json *names = swg_json_get(root, "pooling_mode");
    SWG_TRY(read_flag(root, name, "include_prompt", &includes_prompt));
    SWG_TRY(swg_json_is_null(names) ? read_pooling_flags(root, name, &found)
                                    : read_pooling_names(names, name, &found));
    if (!found)
        return swg_error(SWG_CORRUPT, "%s names no kind of pooling", name);
    out->leaves_prompt = !includes_prompt;
    out->poolings = found;
    return SWG_OK;
}

static swg_status read_transformer(const swg_json *root, const char *name, swg_sentence *out)
{
    const swg_json *most = swg_json_get(root, "max_seq_length");
    int64_t n = 0;
    SWG_TRY(read_flag(root, name, "do_lower_case", &out->lowers_case));
    if (swg_json_is_null(most))
        return SWG_OK;
    if (!swg_json_as_int(most, &n) || n < 1 || n > 1 << 24)
        return swg_error(SWG_CORRUPT, "%s: \"max_seq_length\" is not a number of tokens", name);
    out->max_tokens = (size_t)n;
    return SWG_OK;
}

/* Newer folders keep the longest text with the tokenizer. What is no number of tokens (1e30 stands
 * for none) says nothing. */
static swg_status read_tokenizer(const swg_json *root, const char *name, swg_sentence *out)
{
    int64_t n;
    (void)name;
    if (out->max_tokens == 0 && swg_json_as_int(swg_json_get(root, "model_max_length"), &n) &&
        n >= 1 && n <= 1 << 24)
        out->max_tokens = (size_t)n;
    return SWG_OK;
}

static swg_status copy_text(swg_sentence *out, const char *text, const char **copy)
{
    *copy = swg_arena_strndup(&out->arena, text, strlen(text));
    return *copy ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status read_prompts(const swg_json *root, const char *name, swg_sentence *out)
{
    const swg_json *prompts = swg_json_get(root, "prompts");
    const char *text;
    if (swg_json_as_string(swg_json_get(root, "default_prompt_name"), &text))
        SWG_TRY(copy_text(out, text, &out->default_prompt));
    if (swg_json_is_null(prompts))
        return SWG_OK;
    if (swg_json_kind_of(prompts) != SWG_JSON_OBJECT)
        return swg_error(SWG_CORRUPT, "%s: \"prompts\" is not an object", name);
    out->prompts = swg_arena_calloc(&out->arena, swg_json_count(prompts) + 1, sizeof *out->prompts);
    if (!out->prompts)
        return SWG_NO_MEMORY;
    for (const swg_json *item = swg_json_first(prompts); item; item = swg_json_next(item)) {
        swg_prompt *prompt = &out->prompts[out->n_prompts++];
        if (!swg_json_as_string(item, &text))
            return swg_error(SWG_CORRUPT, "%s: prompt \"%.80s\" is not a string", name,
                             swg_json_key(item));
        SWG_TRY(copy_text(out, swg_json_key(item), &prompt->name));
        SWG_TRY(copy_text(out, text, &prompt->text));
    }
    return SWG_OK;
}

static const struct {
    const char *name;
    reader *read;
} readers[] = {{"modules.json", read_modules},
               {"1_Pooling/config.json", read_pooling},
               {"sentence_bert_config.json", read_transformer},
               {"tokenizer_config.json", read_tokenizer}, /* after the file that goes before it */
               {"config_sentence_transformers.json", read_prompts}};
enum { N_READERS = sizeof readers / sizeof *readers };

static swg_status read_file(size_t which, const swg_file_view *file, swg_sentence *out)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(file->data, file->length, readers[which].name, &doc));
    const swg_status status = readers[which].read(swg_json_root(doc), readers[which].name, out);
    swg_json_free(&doc);
    return status;
}

swg_status swg_sentence_read_files(const swg_file_view *files, size_t n, swg_sentence *out)
{
    const char *text;
    out->poolings = 1u << SWG_POOLING_mean;
    for (size_t which = 0; which < N_READERS; which++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(files[i].name, readers[which].name) == 0)
                SWG_TRY(read_file(which, &files[i], out));
    return out->default_prompt ? swg_sentence_prompt(out, NULL, &text) : SWG_OK;
}

swg_status swg_sentence_read(swg_source *source, swg_sentence *out)
{
    swg_file_view files[N_READERS];
    size_t n = 0;
    for (size_t which = 0; which < N_READERS; which++)
        if (carries(source, readers[which].name))
            SWG_TRY(swg_source_find_file(source, readers[which].name, &files[n++]));
    const swg_status status = swg_sentence_read_files(files, n, out);
    return status == SWG_OK ? SWG_OK : swg_error_context(status, "%s", swg_source_path(source));
}

void swg_sentence_deinit(swg_sentence *sentence)
{
    swg_arena_deinit(&sentence->arena);
    *sentence = (swg_sentence){0};
}

swg_status swg_sentence_prompt(const swg_sentence *sentence, const char *name, const char **text)
{
    const char *wanted = name ? name : sentence->default_prompt;
    *text = "";
    if (!wanted)
        return SWG_OK;
    for (size_t i = 0; i < sentence->n_prompts; i++)
        if (strcmp(sentence->prompts[i].name, wanted) == 0) {
            *text = sentence->prompts[i].text;
            return SWG_OK;
        }
    swg_strbuf names = {0};
    for (size_t i = 0; i < sentence->n_prompts; i++)
        swg_strbuf_printf(&names, "%s%.80s", i ? ", " : "", sentence->prompts[i].name);
    const swg_status status = swg_error(name ? SWG_USAGE : SWG_CORRUPT,
                                        "the model has no prompt called \"%.80s\"; it has %s",
                                        wanted, names.length ? swg_strbuf_text(&names) : "none");
    swg_strbuf_deinit(&names);
    return status;
}
