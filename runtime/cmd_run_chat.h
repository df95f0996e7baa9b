/* swage run --chat: a conversation with a chat model. Private to runtime/cmd_run*.c. */
#ifndef SWG_RUNTIME_CMD_RUN_CHAT_H
#define SWG_RUNTIME_CMD_RUN_CHAT_H

#include "runtime/cli/cli.h"
#include "runtime/generation.h"

typedef struct swg_chat_run {
    const swg_cli *cli;
    const swg_session *loaded; /* with tokenizer and chat template */
    const char *system;        /* first message; NULL = none */
} swg_chat_run;

/* The ids after which the model answers `prompt` as the first message of a user. */
swg_status swg_run_chat_prompt(const swg_chat_run *run, const char *prompt, swg_ids *out);

/* Read messages from standard input, a line each, and print the answers, until the input ends. */
swg_status swg_run_conversation(const swg_chat_run *run, const swg_generation_options *options);

#endif
