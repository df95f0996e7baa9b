/* The verdict about a checkpoint: a table of checks, each of which leaves at most one finding.
 * Every check asks the code that running the model would ask, so the two cannot disagree. */
#include "runtime/verdict.h"

#include <stdio.h>
#include <string.h>

#include "formats/huggingface/quantization_config.h"
#include "formats/json/json.h"
#include "runtime/arch/arch.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/sentence.h"
#include "runtime/text/tokenizer.h"

typedef struct examination {
    swg_source *source;
    const swg_arch *arch; /* NULL where it is not known */
    swg_hparams hparams;
    swg_tokenizer *tokenizer; /* NULL when there is none */
    const char *remark;       /* what a check says of a model that runs; NULL = nothing */
    char text[SWG_FINDING_BYTES];
} examination;

/* --- The checks ------------------------------------------------------------------------------- */

/* A status other than SWG_OK: the model does not run, as the error's sentence says. */
static swg_status check_configuration(examination *x)
{
    size_t length;
    swg_json_doc *doc = NULL;
    const char *config = swg_source_config(x->source, &length);
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const bool is_empty = swg_json_count(swg_json_root(doc)) == 0;
    swg_json_free(&doc);
    return is_empty ? swg_error(SWG_UNSUPPORTED,
                                "%s has no configuration (config.json), so nothing says what its "
                                "tensors are for",
                                swg_source_path(x->source))
                    : SWG_OK;
}

static swg_status check_quantization(examination *x)
{
    return swg_foreign_quantization_refuse(x->source);
}

static swg_status check_architecture(examination *x)
{
    size_t length;
    const swg_arch *arch = NULL;
    const char *config = swg_source_config(x->source, &length);
    const swg_status status = swg_hparams_read(config, length, &arch, &x->hparams);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", swg_source_path(x->source));
    x->arch = arch;
    return SWG_OK;
}

static swg_status check_names(examination *x)
{
    const char *prefix = swg_source_removed_prefix(x->source);
    if (*prefix) {
        snprintf(x->text, sizeof x->text,
                 "every tensor's name began with \"%s\", a wrapper's prefix, which is left out",
                 prefix);
        x->remark = x->text;
    }
    return SWG_OK;
}

static swg_status check_files(examination *x)
{
    const char *left_out = swg_source_left_out(x->source);
    if (*left_out) {
        snprintf(x->text, sizeof x->text, "not carried along, since swage does not read it: %s",
                 left_out);
        x->remark = x->text;
    }
    return SWG_OK;
}

/* The configuration against the tensors: names and shapes both ways, and types. */
static swg_status check_tensors(examination *x)
{
    swg_model *model = NULL;
    bool is_declared;
    SWG_TRY(swg_sentence_is_declared(x->source, &is_declared));
    const swg_model_options options = {.size = sizeof options, .without_head = is_declared};
    const swg_status status = swg_model_open(x->source, &options, &model);
    swg_model_free(&model);
    return status;
}

/* What makes vectors of an encoder's rows. */
static swg_status check_sentence(examination *x)
{
    swg_sentence sentence = {0};
    bool is_declared;
    SWG_TRY(swg_sentence_is_declared(x->source, &is_declared));
    if (!is_declared)
        return SWG_OK;
    const swg_status status = swg_sentence_read(x->source, &sentence);
    swg_sentence_deinit(&sentence);
    return status;
}

static swg_status check_tokenizer(examination *x)
{
    swg_status status = swg_tokenizer_from_source(x->source, &x->tokenizer);
    if (status == SWG_FAILED) {
        x->remark = "none is carried: the model runs on token ids, not on text";
        return SWG_OK;
    }
    SWG_TRY(status);
    status = swg_tokenizer_limit_ids(x->tokenizer, (size_t)x->hparams.vocab);
    return status == SWG_OK ? SWG_OK : swg_error_context(status, "%s", swg_source_path(x->source));
}

static swg_status check_ends(examination *x)
{
    if (x->tokenizer && !x->hparams.is_encoder && swg_tokenizer_eos(x->tokenizer) < 0)
        x->remark = "no token ends a text: generation stops at the number of tokens asked for";
    return SWG_OK;
}

static const struct {
    const char *subject;
    swg_status (*check)(examination *x);
    bool is_fundamental; /* what fails here leaves nothing for the others to check */
    bool is_change;      /* remarks are about what reading has changed */
    bool is_final;       /* compression cannot work on what fails here at all */
} checks[] = {
    {"files", check_files, false, true, false},
    {"names", check_names, false, true, false},
    {"configuration", check_configuration, true, false, false},
    {"quantization", check_quantization, true, false, true},
    {"architecture", check_architecture, true, false, false},
    {"tensors", check_tensors, false, false, false},
    {"vectors of texts", check_sentence, false, false, false},
    {"tokenizer", check_tokenizer, false, false, false},
    {"ends of text", check_ends, false, false, false},
};
#define N_CHECKS (sizeof checks / sizeof *checks)
_Static_assert(N_CHECKS <= SWG_MAX_FINDINGS, "every check may leave a finding");

/* --- The verdict ------------------------------------------------------------------------------ */

static void add_finding(swg_verdict *verdict, size_t check, swg_status status, const char *sentence)
{
    swg_finding *finding = &verdict->findings[verdict->n_findings++];
    *finding = (swg_finding){.subject = checks[check].subject,
                             .status = status,
                             .is_final = status != SWG_OK && checks[check].is_final,
                             .is_change = status == SWG_OK && checks[check].is_change};
    snprintf(finding->sentence, sizeof finding->sentence, "%s", sentence);
}

swg_status swg_verdict_make(swg_source *source, swg_verdict *out)
{
    swg_status status = SWG_OK;
    examination x = {.source = source};
    swg_verdict verdict = {.runs = true};
    for (size_t i = 0; i < N_CHECKS; i++) {
        x.remark = NULL;
        const swg_status found = checks[i].check(&x);
        if (found == SWG_NO_MEMORY)
            SWG_GO(found);
        verdict.runs = verdict.runs && found == SWG_OK;
        if (found != SWG_OK)
            add_finding(&verdict, i, found, swg_error_message());
        else if (x.remark)
            add_finding(&verdict, i, SWG_OK, x.remark);
        if (found != SWG_OK && checks[i].is_fundamental)
            break;
    }
    verdict.architecture = x.arch ? x.arch->name : NULL;
    *out = verdict;
done:
    swg_tokenizer_free(&x.tokenizer);
    return status;
}

const swg_finding *swg_verdict_obstacle(const swg_verdict *verdict)
{
    for (size_t i = 0; i < verdict->n_findings; i++)
        if (verdict->findings[i].status != SWG_OK)
            return &verdict->findings[i];
    return NULL;
}

void swg_verdict_notify(const swg_verdict *verdict)
{
    for (size_t i = 0; i < verdict->n_findings; i++) {
        const swg_finding *finding = &verdict->findings[i];
        if (finding->status != SWG_OK)
            swg_notice("swage cannot run this model: %s", finding->sentence);
        else if (finding->is_change)
            swg_notice("%s", finding->sentence);
    }
}

swg_status swg_verdict_admit(swg_source *source, bool allow_unrunnable)
{
    swg_verdict verdict;
    SWG_TRY(swg_verdict_make(source, &verdict));
    const swg_finding *obstacle = swg_verdict_obstacle(&verdict);
    if (obstacle && (obstacle->is_final || !allow_unrunnable))
        return swg_error(obstacle->status, "swage cannot run this model: %s%s", obstacle->sentence,
                         obstacle->is_final ? "" : "; --allow-unrunnable works on it anyway");
    swg_verdict_notify(&verdict);
    return SWG_OK;
}
