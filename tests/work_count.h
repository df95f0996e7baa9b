/* How much work a piece of code does, counted instead of timed: the same on an idle machine and a
 * busy one. Programs that use it are linked so that strcmp, strncmp and memcmp go through here
 * (see tests/CMakeLists.txt). */
#ifndef SWG_TESTS_WORK_COUNT_H
#define SWG_TESTS_WORK_COUNT_H

#include <stdint.h>

typedef struct swg_test_work_count {
    uint64_t comparisons; /* of strings and memory */
    uint64_t allocations;
} swg_test_work_count;

/* Begin counting; what was counted since. */
void swg_test_count_work(void);
swg_test_work_count swg_test_counted_work(void);

/* Fail unless `times` as many items took about `times` as much work: quadratic work would be
 * times * times as much. */
void swg_test_compare_work(swg_test_work_count few, swg_test_work_count many, uint64_t times);

#endif
