/* What fuzz targets share: inputs as files, and asking a checkpoint all that can be asked.
 * libFuzzer (https://llvm.org/docs/LibFuzzer.html) calls the LLVM... functions; replay.c does in
 * ordinary builds. */
#ifndef SWG_TESTS_FUZZ_FUZZ_H
#define SWG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Of the target: put one input through; returns 0. May not crash, hang or fill the memory. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the target, where it has one: change `data` in place, at most to `max_size` bytes; returns the
 * new size. The same seed makes the same change. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Of the driver: some change that knows nothing of the input. Returns the new size, at most
 * `max_size`. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Write a file of the target's own temporary folder (in memory where the system has such, removed
 * at exit) and return its path: a static buffer, valid until the next call. Aborts when it cannot:
 * that is no finding. */
const char *fuzz_put(const char *name, const void *data, size_t size);

/* Open a checkpoint, verify it and read every plane, file, number and hash of it. A refusal must
 * come with a sentence; aborts when it does not. */
void fuzz_read_checkpoint(const char *path);

/* End the process with a finding: what a target does when a promise is broken. */
_Noreturn void fuzz_fail(const char *promise);

#endif
