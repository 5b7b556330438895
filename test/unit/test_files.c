/* test_files.c - runs the groups of the files room's tests. */
#include "test_files.h"

int main(void)
{
    return test_files_format() + test_files_fetch() + test_files_serve() != 0;
}
