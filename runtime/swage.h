/* swage: everything a program needs to read, run and write compressed models.
 *
 * Run a model (errors left out):
 *
 *     swg_pool *pool;            swg_pool_new(0, &pool);
 *     swg_source *source;        swg_source_open("model.swg", NULL, &source);
 *     swg_model *model;          swg_model_load(source, NULL, &model);
 *     swg_exec *exec;            swg_exec_new(model, pool, NULL, &exec);
 *     swg_exec_run(exec, ids, n, n - 1, logits);
 *
 * Each header documents arguments, results and ownership of its functions. Functions return
 * swg_status; swg_error_message() is the sentence that explains a failure. */
#ifndef SWG_RUNTIME_SWAGE_H
#define SWG_RUNTIME_SWAGE_H

#include "formats/formats.h"
#include "kernels/kernels.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"
#include "runtime/exec.h"
#include "runtime/model.h"
#include "runtime/text/chat.h"
#include "runtime/text/sampler.h"
#include "runtime/text/tokenizer.h"

#endif
