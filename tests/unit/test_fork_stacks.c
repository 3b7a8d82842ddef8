/* Snapshots of stacks: which files are taken, which of like ones stay, what is never opened. */
#include "tests/unit/fold_fixture.h"
#include "tracer/fork_stacks.h"
#include "tracer/stack_offline.h"

enum { STACK = 64 };

struct made_snapshot {
    struct fsp_snapshot header;
    uint64_t stack[STACK / 8];
    struct fsp_module module[2];
};

static struct made_snapshot snapshot_of(uint64_t image, uint64_t site) {
    return (struct made_snapshot){.header = {.magic = FSP_SNAPSHOT_MAGIC,
                                             .version = FSP_SNAPSHOT_VERSION,
                                             .machine = FSP_MACHINE_X86_64,
                                             .image = image,
                                             .site = site,
                                             .pc = 0x1000,
                                             .sp = 0x7000,
                                             .stack_size = STACK,
                                             .modules = 2}};
}

static void write_snapshot(const struct made_snapshot *made, const char *name) {
    const int file = openat(fold.directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, made, sizeof *made), sizeof *made);
    close(file);
}

static bool is_there(const char *name) {
    return faccessat(fold.directory, name, F_OK, 0) == 0;
}

static void names_of_snapshots(void **state) {
    (void)state;
    static const char *const others[] = {"",       "-",        "1-2",   "1-2.seg",   "a1-2.stk",
                                         "1-.stk", "1-2.stk~", "1.stk", "../1-2.stk"};
    assert_true(fs_fork_stack_name("16313888183344286423-3205329226177.stk"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(fs_fork_stack_name(others[i]));
}

static void damaged_snapshot_is_refused(void **state) {
    (void)state;
    const struct made_snapshot good = snapshot_of(1, 2);
    struct made_snapshot bad;

    assert_true(fs_snapshot_sound(&good, sizeof good));
    assert_false(fs_snapshot_sound(&good, sizeof good - 1));
    assert_false(fs_snapshot_sound(&good, sizeof good.header - 1));
    assert_false(fs_snapshot_sound(&good, 0));
#define BAD(change)                                                                                \
    bad = good;                                                                                    \
    change;                                                                                        \
    assert_false(fs_snapshot_sound(&bad, sizeof bad))
    BAD(bad.header.magic = 0);
    BAD(bad.header.version++);
    BAD(bad.header.machine = 9);
    BAD(bad.header.stack_size = UINT32_MAX);
    BAD(bad.header.stack_size = STACK - 4);
    BAD(bad.header.modules = FSP_SNAPSHOT_MODULES + 1);
    BAD(bad.header.sp = UINT64_MAX);
    BAD(memset(bad.module[1].path, 'x', sizeof bad.module[1].path));
}

/* A pipe would make the reader wait, a device may do anything. */
static void only_regular_files_are_opened(void **state) {
    (void)state;
    struct made_snapshot made = snapshot_of(1, 2);
    char pipe_path[128], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    strcpy(made.module[0].path, pipe_path);
    strcpy(made.module[1].path, "/dev/zero");
    alarm(20);
    assert_int_equal(fs_offline_frames(&made, out, ""), 0);
    fs_offline_place(pipe_path, 16, out, "");
    fs_offline_place("/dev/zero", 16, out, "");
    fs_offline_place("relative", 16, out, "");
    fs_offline_place(folder, 16, out, "");
    alarm(0);
    fclose(out);
    assert_string_equal(text, "");
    free(text);
}

/* Two images of one program fork at one place: its stack is kept once. */
static void one_snapshot_of_each_place_stays(void **state) {
    (void)state;
    static const char *const names[] = {"77-10000000.stk", "77-20000000.stk", "78-10000000.stk"};
    for (int i = 1; i <= 2; i++) {
        char name[32];
        struct made_segment made = image(PARENT + i, 1, (uint64_t)i * 10 * MILLISECOND, "/bin/job");
        for (int site = 0; site < 2; site++)
            made.sites[site] = (struct fsp_site){.kind = FSP_SITE_CALL,
                                                 .key = 77 + (uint64_t)site,
                                                 .module = "/bin/job",
                                                 .offset = 5 + (uint64_t)site};
        snprintf(name, sizeof name, "%d-%d0000000.seg", PARENT + i, i);
        put(&made, name);
        free(made.bytes);
    }
    for (size_t i = 0; i < 3; i++) {
        const struct made_snapshot made =
            snapshot_of(i == 1 ? 20 * MILLISECOND : 10 * MILLISECOND, i == 2 ? 78 : 77);
        write_snapshot(&made, names[i]);
    }
    /* Of no image that is known (yet): it stays, too. */
    const struct made_snapshot early = snapshot_of(30 * MILLISECOND, 77);
    write_snapshot(&early, "77-30000000.stk");
    fs_fold_pass(&fold, now, false);
    assert_true(is_there(names[0]) != is_there(names[1]));
    assert_true(is_there(names[2]));
    assert_true(is_there("77-30000000.stk"));
    fs_fork_stacks_resolve(&fold);
    assert_null(fs_table_site(&table, (struct fs_site_key){10 * MILLISECOND, 77})->frames);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(names_of_snapshots),
        CASE(damaged_snapshot_is_refused),
        CASE(only_regular_files_are_opened),
        CASE(one_snapshot_of_each_place_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
