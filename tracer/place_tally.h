/*
 * place_tally.h - sums over what was born at one place of one program.
 *
 * Whoever sums up births by place embeds struct fs_place_tally as the first member of its own
 * struct. Records come and go; their share of a tally stays.
 */
#ifndef FS_PLACE_TALLY_H
#define FS_PLACE_TALLY_H

#include "tracer/process_table.h"

#include <stddef.h>
#include <stdint.h>

/* Interned texts: equal ones have one address. */
struct fs_place_key {
    const char *executable, *stack, *module;
    uint64_t offset;
};

struct fs_place_tally {
    UT_hash_handle hh;
    struct fs_place_key key;
    struct fs_site_key site;
};

/*
 * The tally of the place where the record was born, in a program (interned; NULL: unknown). A
 * new one is `size` bytes, zeros behind its struct fs_place_tally; *fresh says so. NULL: no
 * memory, which the table counts as a loss.
 */
struct fs_place_tally *fs_place_tally_of(struct fs_table *table, struct fs_place_tally **tallies,
                                         const struct fs_record *record, const char *executable,
                                         size_t size, bool *fresh);

/* Adds copies of tallies of `size` bytes, as they are, to another table, which is empty. Returns
 * 0, or -1: no memory; then some are missing. */
int fs_place_tallies_copy(const struct fs_place_tally *from, size_t size,
                          struct fs_place_tally **to);
void fs_place_tallies_free(struct fs_place_tally **tallies);

#endif
