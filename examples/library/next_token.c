/* The smallest useful program on libswage: which tokens a model expects after a text.
 *
 *     cc next_token.c -o next_token $(pkg-config --cflags --libs swage)
 *     ./next_token model.swg "Once upon a"
 *
 * swg_session opens a checkpoint, loads its model and makes its tokenizer; swg_exec reads the text
 * and gives a logit for every token of the vocabulary. */
#include "runtime/session.h"
#include "runtime/swage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static swg_status print_next(const swg_session *session, const char *text)
{
    const size_t vocab = (size_t)session->model->hparams.n_outputs;
    swg_exec *exec = NULL;
    swg_ids ids = {0};
    swg_strbuf next = {0};
    int32_t best = 0;
    float *logits = calloc(vocab, sizeof *logits);
    swg_status status = logits ? SWG_OK : SWG_NO_MEMORY;
    if (status == SWG_OK)
        status = swg_tokenizer_encode(session->tokenizer, text, strlen(text), NULL, &ids);
    if (status == SWG_OK)
        status = swg_exec_new(session->model, session->pool, NULL, &exec);
    if (status == SWG_OK)
        status = swg_exec_run(exec, ids.data, ids.count, ids.count - 1, logits);
    for (size_t i = 0; status == SWG_OK && i < vocab; i++)
        best = logits[i] > logits[best] ? (int32_t)i : best;
    if (status == SWG_OK)
        status = swg_tokenizer_decode(session->tokenizer, &best, 1, NULL, &next);
    if (status == SWG_OK)
        printf("%s|%s\n", text, next.text ? next.text : "");
    swg_strbuf_deinit(&next);
    swg_ids_deinit(&ids);
    swg_exec_free(&exec);
    free(logits);
    return status;
}

int main(int argc, char **argv)
{
    swg_session session = {0};
    if (argc != 3 || argv[2][0] == '\0') {
        fprintf(stderr, "usage: next_token MODEL TEXT\n");
        return 2;
    }
    swg_status status = swg_session_open(argv[1], NULL, true, 0, NULL, &session);
    if (status == SWG_OK)
        status = print_next(&session, argv[2]);
    if (status != SWG_OK)
        fprintf(stderr, "next_token: %s\n", swg_error_message());
    swg_session_close(&session);
    return status == SWG_OK ? 0 : 1;
}
