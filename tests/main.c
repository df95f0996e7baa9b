/* main() of every test program. Tests run in this process (CK_NOFORK) so that sanitizers and
 * debuggers see them; a crash therefore fails the whole program, which ctest reports. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"

int main(void)
{
    printf("seed %llu\n", (unsigned long long)swg_test_seed());
    SRunner *runner = srunner_create(swg_test_suite());
    srunner_set_fork_status(runner, CK_NOFORK);
    swg_test_set_runner(runner);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    const int run = srunner_ntests_run(runner), skipped = swg_test_n_skipped();
    srunner_free(runner);
    swg_test_remove_folder();
    printf("RESULT %d %d %d\n", run - failed - skipped, failed, skipped);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
