/* Students of a distillation. See student.h. */
#include "distill/student.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/hparams.h"
#include "runtime/initial_weights.h"
#include "runtime/layer_subset.h"

enum { MOST_CONFIG_BYTES = 16 << 20 };

static swg_status check_choice(const swg_student_choice *c)
{
    const int n = (c->input != NULL) + (c->config != NULL) + (c->layers != NULL);
    if (n == 1)
        return SWG_OK;
    return swg_error(SWG_USAGE, n ? "STUDENT, --student-config and --student-layers: more than one "
                                    "of them is given"
                                  : "which student? Give STUDENT, --student-config or "
                                    "--student-layers");
}

/* --- Outputs ---------------------------------------------------------------------------------- */

static swg_status read_hparams(const swg_source *source, swg_hparams *out)
{
    const swg_arch *arch;
    size_t length;
    const char *config = swg_source_config(source, &length);
    const swg_status status = swg_hparams_read(config, length, &arch, out);
    return status == SWG_OK ? SWG_OK : swg_error_context(status, "%s", swg_source_path(source));
}

static const char *outputs_of(const swg_hparams *h)
{
    return h->n_labels ? "labels" : "tokens";
}

static swg_status check_outputs(const swg_hparams *student, const swg_source *teacher)
{
    swg_hparams h;
    SWG_TRY(read_hparams(teacher, &h));
    if (h.task == SWG_OUTPUT_SEQUENCE_CLASS)
        return SWG_OK; /* the student gets a head for its labels */
    if (student->task == h.task && student->n_outputs == h.n_outputs)
        return SWG_OK;
    return swg_error(SWG_USAGE,
                     "the student predicts %lld %s and the teacher %lld %s: they must have the "
                     "same vocabulary",
                     (long long)student->n_outputs, outputs_of(student), (long long)h.n_outputs,
                     outputs_of(&h));
}

/* --- The three kinds -------------------------------------------------------------------------- */

static swg_status open_input(const char *path, swg_source *teacher, swg_source **out)
{
    swg_source *source = NULL;
    swg_hparams h;
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(path, NULL, &source));
    SWG_GO(read_hparams(source, &h));
    SWG_GO(check_outputs(&h, teacher));
    *out = source;
    source = NULL;
done:
    swg_source_close(&source);
    return status;
}

static swg_status of_config(const char *path, swg_source *teacher, uint64_t seed, swg_source **out)
{
    swg_status status = SWG_OK;
    char *config = NULL;
    size_t length;
    const swg_arch *arch;
    swg_hparams h;
    swg_file_view *files = NULL;
    const size_t n_files = swg_source_n_files(teacher);
    SWG_GO(SWG_NEW(files, n_files + 1));
    SWG_GO(swg_file_read(path, MOST_CONFIG_BYTES, &config, &length));
    status = swg_hparams_read(config, length, &arch, &h);
    if (status != SWG_OK)
        SWG_GO(swg_error_context(status, "%s", path));
    SWG_GO(check_outputs(&h, teacher));
    for (size_t i = 0; i < n_files; i++)
        SWG_GO(swg_source_file(teacher, i, &files[i]));
    SWG_GO(swg_initial_weights(config, length, files, n_files, seed, out));
done:
    swg_free(files);
    swg_free(config);
    return status;
}

/* The numbers of "0,2,4"; *layers is the caller's to free. */
static swg_status parse_layers(const char *text, size_t **layers, size_t *n)
{
    *n = 0;
    SWG_TRY(SWG_NEW(*layers, strlen(text) / 2 + 1));
    for (const char *at = text;; at++) {
        char *end;
        const unsigned long number = strtoul(at, &end, 10);
        if (*at < '0' || *at > '9' || (*end != ',' && *end != '\0'))
            return swg_error(SWG_USAGE,
                             "--student-layers %s: numbers of layers with commas between them were "
                             "expected",
                             text);
        (*layers)[(*n)++] = number;
        if (!*end)
            return SWG_OK;
        at = end;
    }
}

static swg_status of_layers(const char *text, swg_source *teacher, swg_source **out)
{
    size_t *layers = NULL, n;
    swg_status status = parse_layers(text, &layers, &n);
    if (status == SWG_OK)
        status = swg_layer_subset(teacher, layers, n, out);
    swg_free(layers);
    return status;
}

swg_status swg_student_open(const swg_student_choice *c, swg_source *teacher, uint64_t seed,
                            swg_source **out)
{
    SWG_TRY(check_choice(c));
    return c->input    ? open_input(c->input, teacher, out)
           : c->config ? of_config(c->config, teacher, seed, out)
                       : of_layers(c->layers, teacher, out);
}

void swg_student_write(const swg_student_choice *c, const swg_source *student,
                       swg_json_writer *json)
{
    char hash[SWG_SHA256_TEXT];
    size_t length;
    const char *config = swg_source_config(student, &length);
    if (c->layers)
        swg_json_string(json, "student_layers", c->layers);
    if (!c->config)
        return;
    swg_sha256_text(config, length, hash);
    swg_json_string(json, "student_config_sha256", hash);
}
