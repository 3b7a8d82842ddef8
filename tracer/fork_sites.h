/*
 * fork_sites.h - the places that fork, and which threads were alive beside them.
 *
 * A tally sums up the forks of one place of one program, in whatever process or image
 * they were made.
 */
#ifndef FS_FORK_SITES_H
#define FS_FORK_SITES_H

#include "tracer/process_table.h"

#include <stdbool.h>
#include <stddef.h>

struct fs_place_tally; /* uthash table (place_tally.h); NULL: empty */

/* Adds the birth of a record that is over; any but a fork is left out. */
void fs_fork_tally_add(struct fs_table *table, struct fs_place_tally **tallies,
                       const struct fs_record *record);

/* C places that forked beside threads, or that started these: at most room of them. For
 * records that are known now; returns their number. */
size_t fs_fork_tally_places(struct fs_table *table, struct fs_site **places, size_t room);
/* Adds one place to the count that are there; nothing if it is no C place without a line, or
 * there is no room. Returns the new count. */
size_t fs_fork_place_add(struct fs_table *table, struct fs_site_key id, struct fs_site **places,
                         size_t count, size_t room);

/* Was it born as a copy of its parent? Did it exec, or try to, within a second? */
bool fs_is_fork(const struct fs_record *record);
bool fs_tried_exec(const struct fs_record *record);

#endif
