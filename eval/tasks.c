/* Choosing an evaluation task: see task.h. */
#include "eval/task.h"

#include <string.h>

#define SWG_EVAL_TASK(name, text) extern const swg_eval_task swg_eval_task_##name;
#include "eval/tasks.def"
#undef SWG_EVAL_TASK

static const swg_eval_task *const tasks[] = {
#define SWG_EVAL_TASK(name, text) &swg_eval_task_##name,
#include "eval/tasks.def"
#undef SWG_EVAL_TASK
};
enum { N_TASKS = sizeof tasks / sizeof tasks[0] };

/* What models of each output kind do. */
static const char *const doings[SWG_OUTPUT_COUNT] = {
    [SWG_OUTPUT_NEXT_TOKEN] = "predict the next token",
    [SWG_OUTPUT_MASKED_TOKEN] = "fill in masked tokens",
    [SWG_OUTPUT_SEQUENCE_CLASS] = "classify texts",
    [SWG_OUTPUT_TOKEN_CLASS] = "label tokens",
    [SWG_OUTPUT_ANSWER_SPAN] = "find answers in a text",
    [SWG_OUTPUT_HIDDEN_STATE] = "turn texts into vectors",
};

static const char *option_of(swg_eval_source source)
{
    return source == SWG_EVAL_TEXT ? "--text" : "--data";
}

/* The name of the task or protocol at `index`, if it is one for models of `output`. */
typedef const char *name_at(int index, swg_output_kind output);

static const char *task_at(int index, swg_output_kind output)
{
    return tasks[index]->output == output ? tasks[index]->name : NULL;
}

static const char *protocol_at(int index, swg_output_kind output)
{
    const swg_protocol protocol = (swg_protocol)index;
    return swg_protocol_output(protocol) == output ? swg_protocol_name(protocol) : NULL;
}

/* `kind` "protocol" or "task" of that name is for another output than the model's. */
static swg_status is_for_others(const char *kind, const char *name, swg_output_kind wanted,
                                swg_output_kind output, name_at *at, int n)
{
    swg_strbuf instead = {0};
    for (int i = 0; i < n; i++) {
        const char *fitting = at(i, output);
        if (fitting)
            swg_strbuf_printf(&instead, "%s%s", instead.length ? " or " : "", fitting);
    }
    const swg_status status =
        instead.length
            ? swg_error(SWG_UNSUPPORTED,
                        "%s %s is for models that %s; this is one of those that %s: use %s %s",
                        kind, name, doings[wanted], doings[output], kind, instead.text)
            : swg_error(SWG_UNSUPPORTED,
                        "%s %s is for models that %s; no %s is for those that %s, as this one",
                        kind, name, doings[wanted], kind, doings[output]);
    swg_strbuf_deinit(&instead);
    return status;
}

static swg_status named_task(const char *name, swg_eval_source source, swg_output_kind output,
                             const swg_eval_task **out)
{
    for (int i = 0; i < N_TASKS; i++) {
        const swg_eval_task *task = tasks[i];
        if (strcmp(task->name, name) != 0)
            continue;
        if (task->output != output)
            return is_for_others("task", name, task->output, output, task_at, N_TASKS);
        if (task->source != source)
            return swg_error(SWG_USAGE, "task %s reads %s, not %s", name, option_of(task->source),
                             option_of(source));
        *out = task;
        return SWG_OK;
    }
    return swg_error(SWG_USAGE, "unknown evaluation task \"%s\"", name);
}

static bool takes(const swg_eval_task *task, bool has_reference)
{
    return task->takes_reference || task->needs_reference == has_reference;
}

static swg_status fitting_task(swg_eval_source source, bool has_reference, swg_output_kind output,
                               const swg_eval_task **out)
{
    const swg_eval_task *other = NULL;
    for (int i = N_TASKS - 1; i >= 0; i--) {
        if (tasks[i]->output != output || !takes(tasks[i], has_reference))
            continue;
        if (tasks[i]->source == source)
            *out = tasks[i];
        else
            other = tasks[i];
    }
    if (*out)
        return SWG_OK;
    if (other)
        return swg_error(SWG_UNSUPPORTED, "models that %s are measured by task %s, which reads %s",
                         doings[output], other->name, option_of(other->source));
    return swg_error(SWG_UNSUPPORTED, "there is no evaluation task for models that %s",
                     doings[output]);
}

static swg_status choose_protocol(const char *name, swg_output_kind output, swg_protocol *out)
{
    if (name) {
        swg_protocol named;
        SWG_TRY(swg_protocol_parse(name, &named));
        if (swg_protocol_output(named) != output)
            return is_for_others("protocol", name, swg_protocol_output(named), output, protocol_at,
                                 SWG_PROTOCOL_COUNT);
        *out = named;
        return SWG_OK;
    }
    for (int i = SWG_PROTOCOL_COUNT - 1; i >= 0; i--)
        if (swg_protocol_output((swg_protocol)i) == output)
            *out = (swg_protocol)i;
    return SWG_OK;
}

swg_status swg_eval_choose(const char *task_name, const char *protocol_name, swg_eval_source source,
                           bool has_reference, swg_output_kind output, const swg_eval_task **task,
                           swg_protocol *protocol)
{
    const swg_eval_task *chosen = NULL;
    if (protocol_name && source != SWG_EVAL_TEXT)
        return swg_error(SWG_USAGE, "--protocol says how a --text is cut; --data is not");
    /* A protocol that does not fit is the more helpful error than the lack of a task. */
    if (protocol_name && !task_name)
        SWG_TRY(choose_protocol(protocol_name, output, protocol));
    SWG_TRY(task_name ? named_task(task_name, source, output, &chosen)
                      : fitting_task(source, has_reference, output, &chosen));
    if (!takes(chosen, has_reference))
        return swg_error(SWG_USAGE,
                         has_reference ? "task %s does not compare with another model: --ref is "
                                         "for tasks divergence, choice and cosine"
                                       : "task %s compares with another model: give it as --ref",
                         chosen->name);
    if (source == SWG_EVAL_TEXT)
        SWG_TRY(choose_protocol(protocol_name, output, protocol));
    *task = chosen;
    return SWG_OK;
}
