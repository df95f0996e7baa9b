/* Weights that Hugging Face stores the other way round. Its Conv1D layers (GPT-2 and kin) hold
 * [in, out] where all other linear layers hold [out, in]. The readers and writers of Hugging Face
 * files transpose them, so that everybody above - quantizers, containers, models - sees [out, in]
 * and nothing else; a checkpoint that is read and written again has the bytes it had. */
#ifndef SWG_FORMATS_HUGGINGFACE_CONV1D_H
#define SWG_FORMATS_HUGGINGFACE_CONV1D_H

#include "formats/reader.h"

/* Whether models of this configuration have Conv1D layers. SWG_CORRUPT when it is not JSON. */
swg_status swg_conv1d_in_config(const char *config, size_t length, bool *out);

/* Whether, in such a model, a tensor of that description is a Conv1D's weight. */
bool swg_conv1d_is_weight(const swg_tensor_desc *desc);

/* Present the Conv1D weights of a source that has its tensors and its configuration as [out, in]:
 * sets is_transposed, which reading from the map honours. */
swg_status swg_conv1d_transpose(swg_source *source);

/* Rows [row_begin, row_begin + n_rows) of the transpose of a matrix [rows][columns] of elements of
 * 1, 2, 4 or 8 bytes, to `out` [n_rows][rows]. Any alignment. */
void swg_transposed_rows(const void *matrix, size_t rows, size_t columns, size_t elem_bytes,
                         size_t row_begin, size_t n_rows, void *out);

#endif
