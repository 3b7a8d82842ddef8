/* x_server.c - see x_server.h. */
#include "tracer/x_server.h"

#include "tracer/clock.h"
#include "tracer/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024, REASON_MAX = 255, X_PORT = 6000 };
enum { FAMILY_LOCAL = 256, FAMILY_WILD = 65535 }; /* of X11/Xauth.h */

static const int64_t patience = FS_SECOND / 2;
static const char protocol[] = "MIT-MAGIC-COOKIE-1";

/* --- the file of cookies: entries of a 16 bit family and four counted strings --- */

struct counted {
    const unsigned char *text;
    size_t length;
};

struct entry {
    unsigned family;
    struct counted address, number, name, data;
};

static bool take_number(const unsigned char **at, const unsigned char *end, unsigned *value) {
    if (end - *at < 2) return false;
    *value = (unsigned)(*at)[0] << 8 | (*at)[1];
    *at += 2;
    return true;
}

static bool take_counted(const unsigned char **at, const unsigned char *end,
                         struct counted *counted) {
    unsigned length;

    if (!take_number(at, end, &length) || (size_t)(end - *at) < length) return false;
    *counted = (struct counted){*at, length};
    *at += length;
    return true;
}

static bool is_text(const struct counted *counted, const char *text) {
    return fs_text_is((const char *)counted->text, counted->length, text);
}

static bool fits(const struct entry *entry, const char *host, const char *number) {
    if (entry->family != FAMILY_WILD &&
        (entry->family != FAMILY_LOCAL || !is_text(&entry->address, host)))
        return false;
    return (entry->number.length == 0 || is_text(&entry->number, number)) &&
           is_text(&entry->name, protocol);
}

struct fs_x_cookie fs_x_cookie_find(const void *file, size_t size, const char *host, int number) {
    const unsigned char *at = file, *end = at + size;
    char digits[16];
    struct entry entry;

    snprintf(digits, sizeof digits, "%d", number);
    while (take_number(&at, end, &entry.family) && take_counted(&at, end, &entry.address) &&
           take_counted(&at, end, &entry.number) && take_counted(&at, end, &entry.name) &&
           take_counted(&at, end, &entry.data))
        if (fits(&entry, host, digits))
            return (struct fs_x_cookie){.name = protocol,
                                        .name_length = sizeof protocol - 1,
                                        .data = entry.data.text,
                                        .data_length = entry.data.length};
    return (struct fs_x_cookie){0};
}

/* Bytes of the user's file; 0: it cannot be read, then there is no cookie. */
static size_t read_file(unsigned char *file, size_t size) {
    const char *path = getenv("XAUTHORITY"), *home = getenv("HOME");
    char in_home[4096];
    struct stat stat;
    size_t length = 0;
    ssize_t part = 1;

    if (!path && home && snprintf(in_home, sizeof in_home, "%s/.Xauthority", home) > 0)
        path = in_home;
    const int fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    while (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && length < size && part > 0) {
        part = read(fd, file + length, size - length);
        if (part > 0) length += (size_t)part;
    }
    close(fd);
    return length;
}

/* --- the server --- */

static bool wait_for(int fd, short events, int64_t until) {
    struct pollfd waiting = {.fd = fd, .events = events};
    const int64_t left = until - fs_now();

    return left > 0 && poll(&waiting, 1, (int)(left / FS_MILLISECOND) + 1) == 1;
}

static int connect_to(const void *address, socklen_t size, int family, int64_t until) {
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t error_size = sizeof error;

    if (fd < 0) return -1;
    if (connect(fd, address, size) == 0) return fd;
    if (errno == EINPROGRESS && wait_for(fd, POLLOUT, until) &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error == 0)
        return fd;
    close(fd);
    return -1;
}

/* In the order in which libxcb tries them. */
static int connect_display(int number, int64_t until) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    const struct sockaddr_in loopback = {.sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)(X_PORT + number)),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int length =
        snprintf(local.sun_path + 1, sizeof local.sun_path - 1, "/tmp/.X11-unix/X%d", number);
    int fd = connect_to(&local, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length),
                        AF_UNIX, until);

    memmove(local.sun_path, local.sun_path + 1, (size_t)length + 1);
    if (fd < 0) fd = connect_to(&local, sizeof local, AF_UNIX, until);
    return fd >= 0 ? fd : connect_to(&loopback, sizeof loopback, AF_INET, until);
}

static bool read_all(int fd, unsigned char *buffer, size_t size, int64_t until) {
    for (size_t length = 0; length < size;) {
        const ssize_t part =
            wait_for(fd, POLLIN, until) ? recv(fd, buffer + length, size - length, 0) : 0;
        if (part <= 0) return false;
        length += (size_t)part;
    }
    return true;
}

static size_t put(unsigned char *message, size_t at, const void *data, size_t length) {
    if (length > 0) memcpy(message + at, data, length);
    return at + (length + 3) / 4 * 4;
}

static bool send_setup(int fd, const struct fs_x_cookie *cookie) {
    unsigned char message[64 + FILE_MAX] = {0};
    const uint16_t head[] = {11, 0, (uint16_t)cookie->name_length, (uint16_t)cookie->data_length};
    size_t length = 12;

    message[0] = htons(1) == 1 ? 'B' : 'l';
    memcpy(message + 2, head, sizeof head);
    length = put(message, length, cookie->name, cookie->name_length);
    length = put(message, length, cookie->data, cookie->data_length);
    return send(fd, message, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void take_reason(const unsigned char *text, size_t length, char *reason, size_t size) {
    size_t out = 0;

    while (length > 0 && (text[length - 1] <= ' ' || text[length - 1] > '~'))
        length--;
    for (size_t i = 0; i < length && out + 1 < size; i++)
        reason[out++] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '?';
    reason[out] = '\0';
}

static enum fs_x_answer talk(int fd, const struct fs_x_cookie *cookie, int64_t until, char *reason,
                             size_t size) {
    unsigned char answer[8], text[REASON_MAX];

    if (!send_setup(fd, cookie) || !read_all(fd, answer, sizeof answer, until))
        return FS_X_NO_ANSWER;
    if (answer[0] == 1) return FS_X_ACCEPTED;
    if (answer[0] != 0 || !read_all(fd, text, answer[1], until)) return FS_X_NO_ANSWER;
    take_reason(text, answer[1], reason, size);
    return FS_X_REFUSED;
}

enum fs_x_answer fs_x_ask(int number, char *reason, size_t size) {
    const int64_t until = fs_now() + patience;
    char host[256] = "";
    enum fs_x_answer answer = FS_X_NO_ANSWER;
    const int fd = connect_display(number, until);

    reason[0] = '\0';
    if (fd < 0) return FS_X_ABSENT;
    unsigned char *file = malloc(FILE_MAX);
    if (file && gethostname(host, sizeof host - 1) == 0) {
        const size_t length = read_file(file, FILE_MAX);
        const struct fs_x_cookie cookie = fs_x_cookie_find(file, length, host, number);
        answer = talk(fd, &cookie, until, reason, size);
    }
    free(file);
    close(fd);
    return answer;
}
