/* The head of a saved training. See run_state.h. */
#include "distill/run_state.h"

#include "runtime/base/clock.h"

swg_status swg_run_state_create(const swg_run_state *run, swg_state_writer **out)
{
    const double seconds = swg_clock_s() - *run->start;
    swg_state_writer *writer = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_state_create(run->options->state, &swg_state_of_training, &writer));
    SWG_GO(swg_state_put_text(writer, run->options->identity));
    SWG_GO(swg_state_put(writer, run->position, run->position_bytes));
    SWG_GO(swg_state_put(writer, &seconds, sizeof seconds));
    SWG_GO(swg_state_put(writer, run->result, sizeof *run->result));
    *out = writer;
    writer = NULL;
done:
    swg_state_abort(&writer);
    return status;
}

swg_status swg_run_state_open(const swg_run_state *run, swg_state_reader **out)
{
    const char *path = run->options->state;
    const swg_distill_record *first = &run->result->first;
    swg_state_reader *reader = NULL;
    swg_distill_result saved;
    double seconds;
    swg_status status = SWG_OK;
    SWG_GO(swg_state_open(path, &swg_state_of_training, &reader));
    SWG_GO(swg_state_expect_text(reader, run->options->identity, "settings"));
    SWG_GO(swg_state_get(reader, run->position, run->position_bytes));
    SWG_GO(swg_state_get(reader, &seconds, sizeof seconds));
    SWG_GO(swg_state_get(reader, &saved, sizeof saved));
    if (saved.first.nll != first->nll || saved.first.kld != first->kld ||
        saved.first.nll_teacher != first->nll_teacher)
        SWG_GO(swg_error(SWG_USAGE, "%s was saved with another model, teacher or text", path));
    *run->start = swg_clock_s() - seconds;
    *run->result = saved;
    *out = reader;
    reader = NULL;
done:
    swg_state_close(&reader);
    return status;
}
