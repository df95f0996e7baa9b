/* What fuzz targets share. A target is one LLVMFuzzerTestOneInput: built with libFuzzer when
 * SWAGE_FUZZ is on (clang), and with replay.c, which runs it over its corpus, in the ordinary
 * tests. */
#ifndef SWG_TESTS_FUZZ_FUZZ_H
#define SWG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
