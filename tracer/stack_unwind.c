/*
 * stack_unwind.c - libunwind on a copy (stack_native.h).
 *
 * The accessors that libunwind-ptrace brings stop nothing by themselves, but read memory
 * and registers by ptrace. Here both come from the copy; only the search for unwind
 * tables is its own, and that hands its own handle to the accessor for memory: so the
 * copy in use is known to this file.
 */
#include "tracer/stack_native.h"

#include <libunwind-ptrace.h>
#include <libunwind.h>
#include <string.h>
#include <unistd.h>

static const struct fs_snapshot *copy;
static int memory_file;

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                         void *context) {
    (void)space;
    (void)context;
    if (write) return -UNW_EINVAL;
    const uint64_t offset = address - copy->stack_from;
    if (address >= copy->stack_from && offset + sizeof *value <= copy->stack_size) {
        memcpy(value, copy->stack + offset, sizeof *value);
        return 0;
    }
    return pread(memory_file, value, sizeof *value, (off_t)address) == (ssize_t)sizeof *value
               ? 0
               : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value,
                           int write, void *context) {
    (void)space;
    (void)context;
    if (write || number < 0 || number >= FS_REGISTERS) return -UNW_EBADREG;
    *value = copy->reg[number];
    return 0;
}

static int no_float_register(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value,
                             int write, void *context) {
    (void)space;
    (void)number;
    (void)value;
    (void)write;
    (void)context;
    return -UNW_EBADREG;
}

static int no_generated_code(unw_addr_space_t space, unw_word_t *list, void *context) {
    (void)space;
    (void)list;
    (void)context;
    return -UNW_ENOINFO;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *context) {
    (void)space;
    (void)cursor;
    (void)context;
    return -UNW_EINVAL;
}

size_t fs_stack_unwind(int pid, int memory, const struct fs_snapshot *snapshot, uint64_t *counter,
                       size_t room) {
    unw_accessors_t accessors = {
        .find_proc_info = _UPT_find_proc_info,
        .put_unwind_info = _UPT_put_unwind_info,
        .get_dyn_info_list_addr = no_generated_code,
        .access_mem = access_memory,
        .access_reg = access_register,
        .access_fpreg = no_float_register,
        .resume = no_resume,
    };
    unw_addr_space_t space = unw_create_addr_space(&accessors, 0);
    void *tables = space ? _UPT_create(pid) : NULL;
    unw_cursor_t cursor;
    unw_word_t address;
    size_t count = 0;

    copy = snapshot;
    memory_file = memory;
    if (tables && unw_init_remote(&cursor, space, tables) == 0) {
        do {
            if (unw_get_reg(&cursor, UNW_REG_IP, &address) != 0 || address == 0) break;
            counter[count++] = address;
        } while (count < room && unw_step(&cursor) > 0);
    }
    if (tables) _UPT_destroy(tables);
    if (space) unw_destroy_addr_space(space);
    return count;
}
