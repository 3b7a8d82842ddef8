/* fuzz_report.c - whatever a digest says, it is judged, held against a gate, and told in every
 * form; JSON is JSON, and nothing comes out but printable ASCII, in XML printable UTF-8. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/gate.h"
#include "report/print/json.h"
#include "report/print/junit.h"
#include "report/print/text.h"
#include "tests/fuzz/digest_seeds.h"
#include "tracer/text_bytes.h"

struct told {
    char *text;
    size_t size;
    FILE *out;
};

/* The stream keeps the addresses of *told's members. */
static FILE *begin(struct told *told) {
    told->out = open_memstream(&told->text, &told->size);
    if (!told->out) abort();
    return told->out;
}

enum form { PAGE, JSON, XML };

static void end(struct told *told, int result, enum form form) {
    if (result || fclose(told->out)) abort();
    for (size_t i = 0; i < told->size; i++) {
        const unsigned char byte = (unsigned char)told->text[i];
        if (byte != '\n' && (byte < ' ' || byte == 0x7f || (byte > '~' && form != XML))) abort();
    }
    if (!fs_utf8_valid(told->text, told->size)) abort();
    json_t *report = form == JSON ? json_loads(told->text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (form == JSON && !report) abort();
    json_decref(report);
    free(told->text);
}

static void tell(const struct fs_job *job, const struct fs_verdict *verdict) {
    struct fs_arena arena = {0};
    struct fs_gate gate;
    struct fs_gate_result result;
    struct told told;
    end(&told, fs_text_print(job, verdict, begin(&told), &(struct fs_text_options){.rules = true}),
        PAGE);
    end(&told, fs_json_print(job, verdict, begin(&told)), JSON);
    fs_gate_init(&gate);
    gate.fail_on = FS_FAIL_ON_NOTE;
    fs_gate_hold(&gate, job, verdict, &arena, &result);
    if (!job->totals.complete && result.unknown == 0) abort(); /* no false green */
    const struct fs_junit junit = {
        .name = "job", .job = job, .verdict = verdict, .result = &result};
    end(&told, fs_junit_print(&junit, begin(&told)), XML);
    fs_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fs_digest *list;
    struct fs_job job;
    struct fs_verdict verdict;
    size_t count;
    char error[200];
    FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (!in) return 0;
    const int result = fs_digest_read(in, &list, &count, error, sizeof error);
    fclose(in);
    if (result) return 0;
    if (fs_job_build(&job, list, count) || fs_judge(&job, NULL, &verdict)) abort();
    tell(&job, &verdict);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
    fs_digest_list_free(list, count);
    return 0;
}
