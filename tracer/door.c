/* door.c - see door.h. */
#include "tracer/door.h"

#include "tracer/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, GUESTS_MAX = 65536 };
static const char door_name[] = "door", list_name[] = "tasks";

/* The address of a folder's door. A long path goes by the descriptor of its folder, which
 * *directory gets (else -1) and which must stay open meanwhile. */
static int address_of(const char *folder, struct sockaddr_un *address, int *directory) {
    *directory = -1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    const size_t room = sizeof address->sun_path;
    if (snprintf(address->sun_path, room, "%s/%s", folder, door_name) < (int)room) return 0;
    *directory = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*directory < 0) return -1;
    snprintf(address->sun_path, room, "/proc/self/fd/%d/%s", *directory, door_name);
    return 0;
}

static int with_address(const char *folder, int connection,
                        int (*act)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un address;
    int directory;

    if (address_of(folder, &address, &directory) != 0) return -1;
    const int result = act(connection, (const struct sockaddr *)&address, sizeof address);
    const int saved = errno;
    if (directory >= 0) close(directory);
    return errno = saved, result;
}

static int watch(struct fs_door *door, int descriptor, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    return epoll_ctl(door->poll, EPOLL_CTL_ADD, descriptor, &event);
}

int fs_door_open(struct fs_door *door, const char *folder) {
    char path[PATH_MAX + 16];

    *door = (struct fs_door){.t_change = fs_now(), .stays = door->stays};
    snprintf(door->path, sizeof door->path, "%s/%s", folder, door_name);
    snprintf(path, sizeof path, "%s/%s", folder, list_name);
    door->list = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    door->poll = epoll_create1(EPOLL_CLOEXEC);
    door->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (door->list >= 0 && door->poll >= 0 && door->listener >= 0 &&
        with_address(folder, door->listener, bind) == 0 && listen(door->listener, BACKLOG) == 0 &&
        watch(door, door->listener, NULL) == 0)
        return 0;
    const int saved = errno;
    fs_door_close(door);
    fs_door_farewell(door, "");
    return errno = saved, -1;
}

int fs_door_knock(const char *folder) {
    const int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (connection < 0) return -1;
    if (with_address(folder, connection, connect) == 0) return connection;
    const int saved = errno;
    close(connection);
    return errno = saved, -1;
}

bool fs_door_is_open(const char *folder) {
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", folder, door_name);
    return access(path, F_OK) == 0;
}

int fs_message_send(int connection, const struct fs_message *message) {
    struct fs_message packet = *message;

    packet.magic = FS_MESSAGE_MAGIC;
    return send(connection, &packet, sizeof packet, MSG_NOSIGNAL) == (ssize_t)sizeof packet ? 0
                                                                                            : -1;
}

int fs_message_receive(int connection, struct fs_message *message) {
    const ssize_t length = recv(connection, message, sizeof *message, 0);

    if (length < 0) return -1;
    if (length == 0) return errno = ENODATA, -1;
    if (length != (ssize_t)sizeof *message || message->magic != FS_MESSAGE_MAGIC)
        return errno = EBADMSG, -1;
    message->text[sizeof message->text - 1] = '\0';
    message->step[sizeof message->step - 1] = '\0';
    return 0;
}

void fs_door_await(const char *folder, int timeout_ms) {
    const struct fs_message message = {.word = FS_WORD_ASK};
    const int connection = fs_door_knock(folder);
    struct pollfd waiting = {.fd = connection, .events = POLLIN};

    if (connection < 0) return;
    if (fs_message_send(connection, &message) == 0) poll(&waiting, 1, timeout_ms);
    close(connection);
}

/* --- guests --- */

static void hang_up(struct fs_guest *guest) {
    if (guest->connection >= 0) close(guest->connection);
    guest->connection = -1;
}

static void answer(struct fs_guest *guest, enum fs_word word, const char *text) {
    struct fs_message message = {.word = word};

    snprintf(message.text, sizeof message.text, "%s", text ? text : "");
    if (guest->connection >= 0 && fs_message_send(guest->connection, &message) != 0) hang_up(guest);
}

static bool is_own_user(int connection) {
    struct ucred who;
    socklen_t size = sizeof who;

    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void let_in(struct fs_door *door) {
    int connection;

    while ((connection = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct fs_guest **grown = door->guests;
        struct fs_guest *guest = calloc(1, sizeof *guest);
        if ((door->count & (door->count - 1)) == 0)
            grown = realloc(door->guests, (door->count ? 2 * door->count : 1) * sizeof *grown);
        if (grown) door->guests = grown;
        if (!guest || !grown || door->count == GUESTS_MAX || !is_own_user(connection) ||
            watch(door, connection, guest) != 0) {
            free(guest);
            close(connection);
            continue;
        }
        /* Until it says who it is, it may be a task. */
        *guest = (struct fs_guest){.connection = connection, .supervised = true};
        door->guests[door->count++] = guest;
        door->t_change = fs_now();
    }
}

static hwloc_bitmap_t mask_of(const struct fs_message *message) {
    unsigned long words[FSP_MASK_WORDS];
    bool any = false;

    for (size_t i = 0; i < FSP_MASK_WORDS; i++) {
        words[i] = (unsigned long)message->mask[i];
        any = any || words[i];
    }
    hwloc_bitmap_t mask = any ? hwloc_bitmap_alloc() : NULL;
    if (mask) hwloc_bitmap_from_ulongs(mask, FSP_MASK_WORDS, words);
    return mask;
}

static void start(struct fs_door *door, struct fs_guest *guest, struct fs_collector *collector,
                  const struct fs_message *message) {
    hwloc_bitmap_t mask = mask_of(message);

    if (message->pid <= 0) return;
    guest->pid = message->pid;
    guest->t_start = message->t;
    fs_collector_task_started(collector, message->pid, message->ppid, message->t, mask);
    hwloc_bitmap_free(mask);
    dprintf(door->list, "%d %d %lld\n", message->pid, message->ppid, (long long)message->t);
}

static void come(struct fs_door *door, struct fs_guest *guest, struct fs_collector *collector,
                 const struct fs_message *message) {
    guest->supervised = message->pid <= 0;
    guest->rank = message->rank;
    snprintf(guest->step, sizeof guest->step, "%s", message->step);
    if (message->expected > door->expected) door->expected = message->expected;
    collector->bare_tasks += message->variables_lost;
    start(door, guest, collector, message);
    answer(guest, FS_WORD_WELCOME, NULL);
}

static void interrupt(struct fs_guest *guest, struct fs_collector *collector,
                      const struct fs_message *message) {
    if (!collector->interrupted) {
        collector->interrupted = message->status;
        collector->t_interrupted = message->t;
        collector->cohorts.frozen = true;
        fs_collector_last_look(collector);
    }
    answer(guest, FS_WORD_NOTED, NULL);
}

/* The task that an epilog takes leave of. */
static void leave(struct fs_door *door, struct fs_guest *guest, const struct fs_message *message) {
    guest->waits = guest->ended = true;
    for (size_t i = 0; i < door->count; i++)
        if (door->guests[i]->pid && door->guests[i]->rank == message->rank &&
            strcmp(door->guests[i]->step, message->step) == 0)
            door->guests[i]->ended = true;
}

static void hear(struct fs_door *door, struct fs_guest *guest, struct fs_collector *collector,
                 const struct fs_message *message) {
    door->t_change = fs_now();
    switch (message->word) {
    case FS_WORD_COME:
        come(door, guest, collector, message);
        break;
    case FS_WORD_STARTED:
        start(door, guest, collector, message);
        break;
    case FS_WORD_INTERRUPTED:
        interrupt(guest, collector, message);
        break;
    case FS_WORD_ENDED:
        fs_collector_task_ended(collector, &message->end);
        guest->ended = guest->waits = true;
        break;
    case FS_WORD_LEFT:
        leave(door, guest, message);
        break;
    case FS_WORD_ASK:
        guest->waits = guest->asks = guest->ended = true;
        break;
    default:
        hang_up(guest);
    }
}

/* Who hung up before the end was told may have been killed: the task lives on by itself. */
static void note_gone(struct fs_door *door, struct fs_guest *guest) {
    hang_up(guest);
    guest->supervised = guest->waits = false;
    if (guest->pid == 0) guest->ended = true;
    door->t_change = fs_now();
}

static void listen_to(struct fs_door *door, struct fs_guest *guest,
                      struct fs_collector *collector) {
    struct fs_message message;

    while (guest->connection >= 0) {
        if (fs_message_receive(guest->connection, &message) == 0) {
            hear(door, guest, collector, &message);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR) return;
        note_gone(door, guest);
    }
}

/* A task that nobody waits for is over when /proc says so. */
static bool is_present(const struct fs_guest *guest, const struct fs_collector *collector) {
    static const int64_t start_slack = 20 * FS_MILLISECOND; /* ticks of /proc are 10 ms */
    struct fs_proc_stat stat;

    if (guest->ended) return false;
    if (guest->supervised) return true;
    return fs_proc_stat(collector->sampler.proc, guest->pid, &stat) == 0 && stat.state != 'Z' &&
           stat.state != 'X' && fs_start_of(stat.starttime) <= guest->t_start + start_slack;
}

bool fs_door_present(const struct fs_door *door, const struct fs_collector *collector) {
    for (size_t i = door->count; i-- > 0;)
        if (is_present(door->guests[i], collector)) return true;
    return false;
}

int fs_door_seen(const struct fs_door *door) {
    int seen = 0;

    for (size_t i = 0; i < door->count; i++)
        seen += door->guests[i]->pid > 0;
    return seen;
}

static void dismiss(struct fs_door *door, bool readers_too, enum fs_word word, const char *text) {
    for (size_t i = 0; i < door->count; i++) {
        if (!door->guests[i]->waits || (door->guests[i]->asks && !readers_too)) continue;
        answer(door->guests[i], word, text);
        hang_up(door->guests[i]);
        door->guests[i]->waits = false;
    }
}

void fs_door_serve(struct fs_door *door, struct fs_collector *collector) {
    struct epoll_event events[64];
    int count;

    do {
        count = epoll_wait(door->poll, events, 64, 0);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                listen_to(door, events[i].data.ptr, collector);
            else
                let_in(door);
        }
    } while (count == 64);
    const bool present = door->stays || fs_door_present(door, collector);
    if (present || fs_door_seen(door) < door->expected) dismiss(door, present, FS_WORD_NOTED, NULL);
}

void fs_door_close(struct fs_door *door) {
    if (door->listener < 0) return;
    unlink(door->path);
    close(door->listener);
    door->listener = -1;
}

void fs_door_farewell(struct fs_door *door, const char *error) {
    dismiss(door, true, error ? FS_WORD_REFUSED : FS_WORD_WRITTEN, error);
    for (size_t i = 0; i < door->count; i++) {
        answer(door->guests[i], FS_WORD_REFUSED, error);
        hang_up(door->guests[i]);
        free(door->guests[i]);
    }
    free(door->guests);
    door->guests = NULL;
    door->count = 0;
    if (door->poll >= 0) close(door->poll);
    if (door->list >= 0) close(door->list);
    door->poll = door->list = -1;
}

void fs_door_list(const char *folder, void (*visit)(void *context, int pid, int ppid, int64_t t),
                  void *context) {
    char path[PATH_MAX + 16], line[128];
    int pid, ppid;
    long long t;

    snprintf(path, sizeof path, "%s/%s", folder, list_name);
    const int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *in = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!in) return;
    while (fgets(line, sizeof line, in))
        if (sscanf(line, "%d %d %lld", &pid, &ppid, &t) == 3 && pid > 0 && ppid >= 0 && t > 0)
            visit(context, pid, ppid, t);
    fclose(in);
}
