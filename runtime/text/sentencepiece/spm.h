/* SentencePiece models (tokenizer.model): what the file says, and the parts made of it. Source: the
 * sentencepiece library (sentencepiece_model.proto, normalizer.cc, bpe_model.cc, unigram_model.cc).
 * Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_SENTENCEPIECE_SPM_H
#define SWG_RUNTIME_TEXT_SENTENCEPIECE_SPM_H

#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/sentencepiece/trie.h"

typedef struct swg_spm_text {
    const char *text; /* no NUL after it */
    size_t length;
} swg_spm_text;

typedef enum swg_spm_type {
    SWG_SPM_NORMAL = 1,
    SWG_SPM_UNKNOWN = 2,
    SWG_SPM_CONTROL = 3,
    SWG_SPM_USER_DEFINED = 4,
    SWG_SPM_UNUSED = 5,
    SWG_SPM_BYTE = 6
} swg_spm_type;

typedef struct swg_spm_piece {
    swg_spm_text text; /* not empty, valid UTF-8 */
    float score;       /* finite */
    uint8_t type;      /* swg_spm_type */
} swg_spm_piece;

typedef enum swg_spm_kind {
    SWG_SPM_UNIGRAM = 1,
    SWG_SPM_BPE = 2,
    SWG_SPM_WORD = 3,
    SWG_SPM_CHAR = 4
} swg_spm_kind;

/* A file's content: views of its bytes, and a list of pieces that the file struct owns. */
typedef struct swg_spm_file {
    swg_spm_piece *pieces;
    size_t n_pieces, capacity;
    size_t text_bytes; /* of all pieces */
    uint64_t kind;     /* swg_spm_kind */
    bool byte_fallback, whitespace_is_suffix;
    bool adds_dummy_prefix, removes_extra_whitespace, escapes_whitespace;
    swg_spm_text bos, eos, unk_surface, charsmap, denormalizer;
} swg_spm_file;

/* SWG_CORRUPT, SWG_NO_MEMORY. Deinit in any case. */
swg_status swg_spm_parse(const char *data, size_t length, swg_spm_file *out);
void swg_spm_file_deinit(swg_spm_file *file);

/* Add the normalizer (spm_normalize.c) to the tokenizer. Without `legacy`, text that follows an
 * added token is not marked as the start of a word and keeps its leading space. */
swg_status swg_spm_add_normalizer(swg_tokenizer *tokenizer, const swg_spm_file *file,
                                  const swg_trie *user_defined, bool legacy);

/* Make byte-pair encoding by scores the tokenizer's model (spm_bpe.c). The vocabulary of
 * all pieces is complete. */
swg_status swg_spm_set_bpe(swg_tokenizer *tokenizer, const swg_spm_file *file,
                           const swg_trie *user_defined, int32_t unk);

/* A vocabulary with room for `n_more` ids beyond the file's, and with the texts of the pieces whose
 * types are in the set (1 << type | ...). Not indexed yet. */
swg_status swg_spm_vocab(swg_arena *arena, const swg_spm_file *file, unsigned types, size_t n_more,
                         size_t n_more_bytes, swg_vocab *out);

#endif
