/* Hashes: XXH3 for integrity (frames, inputs), SHA-256 where a result names the text it was
 * measured on. */
#ifndef SWG_RUNTIME_BASE_HASH_H
#define SWG_RUNTIME_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3, 64 bits, seed 0 (the xxHash specification). */
uint64_t swg_hash64(const void *data, size_t bytes);

/* XXH3, 128 bits, seed 0, as the canonical 32 lower-case hexadecimal digits. */
enum { SWG_HASH128_TEXT = 33 };
void swg_hash128_text(const void *data, size_t bytes, char out[SWG_HASH128_TEXT]);

/* The same for bytes that arrive in pieces. _new returns NULL when memory runs out; _text ends and
 * frees the stream. */
typedef struct swg_hash_stream swg_hash_stream;
swg_hash_stream *swg_hash_stream_new(void);
void swg_hash_stream_add(swg_hash_stream *stream, const void *data, size_t bytes);
void swg_hash_stream_text(swg_hash_stream **stream, char out[SWG_HASH128_TEXT]);
void swg_hash_stream_free(swg_hash_stream **stream); /* NULL inside is accepted */

/* SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits. */
enum { SWG_SHA256_TEXT = 65 };
void swg_sha256_text(const void *data, size_t bytes, char out[SWG_SHA256_TEXT]);

#endif
