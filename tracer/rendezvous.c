/* rendezvous.c - see rendezvous.h. */
#include "tracer/rendezvous.h"

#include "tracer/clock.h"
#include "tracer/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOIN_TRIES = 5, ANSWER_MS = 30000 };

static int lock_path(const char *place, char *path, size_t size) {
    return snprintf(path, size, "%s/forksight-%u.lock", place, (unsigned)geteuid()) < (int)size
               ? 0
               : (errno = ENAMETOOLONG, -1);
}

/* Whether the file that is open is ours, and still the one of that name. */
static bool is_lock(int descriptor, const char *path, bool *gone) {
    struct stat opened, named;

    if (fstat(descriptor, &opened) != 0 || !S_ISREG(opened.st_mode) || opened.st_uid != geteuid()) {
        errno = EPERM;
        return *gone = false;
    }
    *gone =
        lstat(path, &named) != 0 || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev;
    return !*gone;
}

int fs_lock(const char *place, char *error, size_t error_size) {
    char path[PATH_MAX];
    int descriptor = -1;
    bool gone = true;

    if (lock_path(place, path, sizeof path) != 0) goto failed;
    while (gone) {
        descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (descriptor < 0) goto failed;
        while (flock(descriptor, LOCK_EX) != 0 && errno == EINTR) {}
        if (is_lock(descriptor, path, &gone)) return descriptor;
        const int saved = errno;
        close(descriptor);
        errno = saved;
    }
failed:
    snprintf(error, error_size,
             "cannot lock %s: %s; name a node-local directory of your own in FORKSIGHT_LOCAL_DIR",
             path, strerror(errno));
    return -1;
}

void fs_unlock(int lock, const char *place) {
    char path[PATH_MAX];

    if (lock < 0) return;
    /* Those who wait for it see that it has gone, and make another one. */
    if (lock_path(place, path, sizeof path) == 0) unlink(path);
    close(lock);
}

void fs_message_mask(struct fs_message *message) {
    if (sched_getaffinity(0, sizeof message->mask, (cpu_set_t *)(void *)message->mask) != 0)
        memset(message->mask, 0, sizeof message->mask);
}

/* --- finding --- */

struct search {
    const struct fs_jobdir *job;
    bool with_door;
    char *folder;
    size_t size;
};

static int is_wanted(void *context, const char *folder) {
    struct search *search = context;
    struct fs_owner owner;

    if (fs_folder_owner(folder, &owner) != 0 || strcmp(owner.job, search->job->path) != 0) return 0;
    /* That of `run` itself is there for all steps. */
    if (owner.step[0] && strcmp(owner.step, search->job->step) != 0) return 0;
    if (!owner.start || fs_start_ticks(owner.pid) != owner.start) return 0;
    if (search->with_door && !fs_door_is_open(folder)) return 0;
    return snprintf(search->folder, search->size, "%s", folder) < (int)search->size;
}

bool fs_find_folder(const struct fs_jobdir *job, const char *place, bool with_door, char *folder,
                    size_t size) {
    struct search search = {job, with_door, folder, size};
    const char *candidate;

    for (int i = 0; (candidate = fs_folder_place(place, i)); i++)
        if (fs_folder_each(candidate, is_wanted, &search) != 0) return true;
    return false;
}

/* --- joining --- */

static int wait_for_answer(int connection, struct fs_message *answer) {
    struct pollfd waiting = {.fd = connection, .events = POLLIN};
    int ready;

    while ((ready = poll(&waiting, 1, ANSWER_MS)) < 0 && errno == EINTR) {}
    if (ready == 0) return errno = ETIMEDOUT, -1;
    return ready < 0 ? -1 : fs_message_receive(connection, answer);
}

int fs_lock_any(const char **place, char *error, size_t error_size) {
    const char *const wanted = *place;
    int lock = -1;

    for (int i = 0; lock < 0 && (*place = fs_folder_place(wanted, i)); i++)
        lock = fs_lock(*place, error, error_size);
    return lock;
}

static int connect_or_start(struct fs_membership *membership, const struct fs_jobdir *job,
                            const struct fs_gathering *gathering, char *error, size_t error_size) {
    const char *place = gathering->place;
    const int lock = fs_lock_any(&place, error, error_size);

    if (lock < 0) return -1;
    membership->connection = -1;
    if (fs_find_folder(job, gathering->place, true, membership->folder, sizeof membership->folder))
        membership->connection = fs_door_knock(membership->folder);
    int result = 0;
    if (membership->connection < 0) {
        result = fs_gather_start(job, gathering, membership->folder, error, error_size);
        if (result == 0 && (membership->connection = fs_door_knock(membership->folder)) < 0) {
            snprintf(error, error_size, "the collector on this node does not answer: %s",
                     strerror(errno));
            result = -1;
        }
    }
    const int saved = errno;
    fs_unlock(lock, place);
    return errno = saved, result;
}

int fs_join(struct fs_membership *membership, const struct fs_jobdir *job,
            const struct fs_gathering *gathering, const struct fs_message *come, char *error,
            size_t error_size) {
    struct fs_message answer;

    for (int i = 0; i < JOIN_TRIES; i++) {
        if (connect_or_start(membership, job, gathering, error, error_size) != 0) return -1;
        if (fs_message_send(membership->connection, come) == 0 &&
            wait_for_answer(membership->connection, &answer) == 0) {
            if (answer.word == FS_WORD_WELCOME) return 0;
            snprintf(error, error_size, "%s", answer.text);
            errno = EIO;
            break;
        }
        snprintf(error, error_size, "the collector on this node does not answer: %s",
                 strerror(errno));
        close(membership->connection);
        membership->connection = -1;
    }
    const int saved = errno;
    if (membership->connection >= 0) close(membership->connection);
    membership->connection = -1;
    return errno = saved, -1;
}
