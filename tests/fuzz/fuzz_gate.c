/* fuzz_gate.c - files of expectations, of known findings and of a site's rules: each is read
 * whole, or refused with a message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report/gate.h"
#include "tests/fuzz/fuzz.h"

static void check_error(int result, const char *error) {
    if (result && !*error) abort();
}

static void read_policy(const char *path) {
    struct fs_gate gate;
    char error[600] = "";
    struct fs_thresholds *thresholds = fs_thresholds_new();
    if (!thresholds) abort();
    fs_gate_init(&gate);
    const int result = fs_policy_read(&gate, thresholds, path, error, sizeof error);
    check_error(result, error);
    fs_thresholds_free(thresholds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fs_expectation expectation;
    struct fs_baseline baseline;
    char path[64], error[600] = "";
    const int file = memfd_create("input", MFD_CLOEXEC);
    if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    check_error(fs_expectation_read(&expectation, path, "a", error, sizeof error), error);
    check_error(fs_expectation_read(&expectation, path, NULL, error, sizeof error), error);
    check_error(fs_baseline_read(&baseline, path, error, sizeof error), error);
    fs_baseline_free(&baseline);
    read_policy(path);
    close(file);
    return 0;
}

uint8_t *fuzz_seed(unsigned number, size_t *size) {
    static const char *const texts[] = {
        "{\"variants\": [{\"name\": \"b\"}, {\"name\": \"a\", \"must\": [\"AFF-01\"],"
        " \"must_not\": [\"PRC-03\"], \"later\": [\"XYZ-99\"], \"guards\": 3}]}",
        "{\"variants\": [{\"name\": \"a\", \"must\": [], \"must_not\": \"any other\"}]}",
        "{\"variants\": [{\"name\": \"a\", \"must\": [\"AFF-01\"], \"pass\": [\"OVS-02\"],"
        " \"not_applicable\": [\"MPI-01\", \"MPI-02\"]}]}",
        "{\"schema\": \"forksight.report/1\", \"findings\": [{\"fingerprint\": \"AFF-01-0\"},"
        " {\"fingerprint\": \"AFF-01-1\"}]}",
        "# a site\nfail-on = note\ndisable AFF-01 = small cpusets\nallow-incomplete = static\n"
        "AFF-01.wait = 0.5\n",
    };
    if (number >= sizeof texts / sizeof texts[0]) return NULL;
    *size = strlen(texts[number]);
    return (uint8_t *)strdup(texts[number]);
}
