/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's two functions: what it makes up is run like any other input. An EXPECT that fails
 * aborts, so that libFuzzer keeps the bytes. Refuses to know what they mean.
 */
#include <stdlib.h>

#include "input.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return setenv("CMOCKA_TEST_ABORT", "1", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct histogram ignored;

    input_run(bytes, size, &ignored, NULL);
    return 0;
}
