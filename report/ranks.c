#include "report/ranks.h"

#include "report/remedy.h"
#include "tracer/launch_options.h"
#include "tracer/text.h"

#include <string.h>

static bool is(const char *word, const char *name) {
    return word && strcmp(word, name) == 0;
}

const char *fs_mpi_name(struct fs_arena *arena, const struct fs_mpi_ranks *ranks) {
    const char *version = ranks->version ? ranks->version : "";
    const size_t until = strcspn(version, ",");

    if (is(ranks->library, "mpich") && fs_begins(version, "MPICH Version: "))
        return fs_arena_printf(arena, "MPICH %.20s", version + 15);
    if (until > 0) return fs_arena_printf(arena, "%.*s", (int)(until < 40 ? until : 40), version);
    if (is(ranks->library, "openmpi")) return "Open MPI";
    return is(ranks->library, "mpich") ? "MPICH" : "MPI";
}

const char *fs_mpi_launcher_text(struct fs_arena *arena, const struct fs_mpi_ranks *ranks) {
    if (!ranks->launcher) return "no launcher";
    if (is(ranks->launcher, "openmpi")) return "mpirun of Open MPI";
    if (is(ranks->launcher, "hydra")) return "mpiexec.hydra of MPICH";
    if (is(ranks->launcher, "srun"))
        return fs_arena_printf(arena, "srun --mpi=%.20s", ranks->plugin ? ranks->plugin : "none");
    return "a launcher that speaks PMI";
}

/* Slurm's word for what the library speaks. */
static const char *plugin_for(const struct fs_mpi_ranks *ranks) {
    return is(ranks->library, "openmpi") ? "pmix" : "pmi2";
}

/* srun as it was called, with the other plugin. */
static const char *with_plugin(struct fs_arena *arena, const struct fs_digest *digest,
                               const char *plugin) {
    const char *text = fs_arena_printf(arena, "srun --mpi=%s", plugin);
    struct fs_launch_options options;

    fs_launch_options_read(FS_LAUNCHER_SRUN, digest->command, digest->command_count, &options);
    for (size_t i = 1; i < digest->command_count; i++) {
        const char *word = digest->command[i];
        /* Of several srun takes the last; the program may have such an option, too. */
        if (i < options.program && fs_begins(word, "--mpi=")) continue;
        if (i + 1 < options.program && strcmp(word, "--mpi") == 0)
            i++;
        else
            text = fs_arena_printf(arena, "%s %s", text, fs_quote_word(arena, word));
    }
    return text;
}

/* Length of the path to the folder that has the library's "lib" or "lib64" in it (of several the
 * last); 0: there is none, or it is the system's. */
static size_t prefix_length(const char *path) {
    static const char *const names[] = {"/lib/", "/lib64/"};
    const char *last = NULL;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (const char *at = path; (at = strstr(at, names[i])) != NULL; at++)
            if (!last || at > last) last = at;
    const size_t length = last ? (size_t)(last - path) : 0;
    const bool of_system = fs_begins(path, "/usr/lib/") || fs_begins(path, "/usr/lib64/") ||
                           fs_begins(path, "/lib/") || fs_begins(path, "/lib64/");
    return of_system ? 0 : length;
}

/* The mpirun that came with the library. */
static const char *own_launcher(struct fs_arena *arena, const struct fs_mpi_ranks *ranks) {
    const size_t prefix = ranks->file ? prefix_length(ranks->file) : 0;

    if (prefix > 0)
        return fs_quote_word(arena,
                             fs_arena_printf(arena, "%.*s/bin/mpirun", (int)prefix, ranks->file));
    if (is(ranks->library, "openmpi"))
        return ranks->version && strstr(ranks->version, " v4.") ? "orterun" : "mpirun";
    return is(ranks->library, "mpich") ? "mpiexec.hydra" : "mpirun";
}

static const char *srun_line(struct fs_arena *arena, const struct fs_mpi_ranks *ranks, int tasks,
                             const char *command) {
    return fs_arena_printf(arena, "srun --mpi=%s -n %d %s", plugin_for(ranks), tasks, command);
}

const char *fs_mpi_launch_line(struct fs_arena *arena, const struct fs_mpi_ranks *ranks, int tasks,
                               const char *command) {
    if (is(ranks->launcher, "srun")) return srun_line(arena, ranks, tasks, command);
    return fs_arena_printf(arena, "%s -n %d %s", own_launcher(arena, ranks), tasks, command);
}

const char *fs_mpi_start_command(struct fs_arena *arena, const struct fs_node *node,
                                 const struct fs_mpi_ranks *ranks, int tasks, bool slurm) {
    const struct fs_digest *digest = node->digest;
    const char *command = ranks->command ? ranks->command : fs_base_name(ranks->executable);

    if (is(digest->launcher, "srun") && is(ranks->launcher, "srun"))
        return with_plugin(arena, digest, plugin_for(ranks));
    return slurm ? srun_line(arena, ranks, tasks, command)
                 : fs_mpi_launch_line(arena, ranks, tasks, command);
}

bool fs_mpi_is_absent(const struct fs_node *node, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;

    if (digest->mpi_count > 0) return false;
    if (digest->mpi_silent > 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "an MPI library was loaded, but nobody was seen to initialise it");
    else
        fs_vote(outcome, digest->mpi_silent == 0 ? FS_NOT_APPLICABLE : FS_STATUS_UNKNOWN,
                digest->mpi_silent == 0 ? "no process initialised MPI" : "MPI was not recorded");
    return true;
}
