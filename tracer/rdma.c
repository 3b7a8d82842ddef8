/* rdma.c - see rdma.h. */
#include "tracer/rdma.h"

#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_US = 200 * 1000, SYSTEM_GET = RDMA_NL_NLDEV << 10 | RDMA_NLDEV_CMD_SYS_GET };

int fs_rdma_copy_attribute(const void *answer, size_t size) {
    const char *at = answer;
    struct nlmsghdr message;
    struct nlattr attribute;

    if (size < NLMSG_HDRLEN) return 0;
    memcpy(&message, at, sizeof message);
    if (message.nlmsg_type != SYSTEM_GET || message.nlmsg_len > size) return 0;
    size = message.nlmsg_len;
    for (size_t offset = NLMSG_HDRLEN; offset + NLA_HDRLEN < size;) {
        memcpy(&attribute, at + offset, sizeof attribute);
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > size - offset) return 0;
        if ((attribute.nla_type & NLA_TYPE_MASK) == RDMA_NLDEV_SYS_ATTR_COPY_ON_FORK &&
            attribute.nla_len > NLA_HDRLEN)
            return at[offset + NLA_HDRLEN] != 0;
        offset += NLA_ALIGN(attribute.nla_len);
    }
    return 0;
}

int fs_rdma_copies_on_fork(void) {
    const struct nlmsghdr question = {
        .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = SYSTEM_GET, .nlmsg_flags = NLM_F_REQUEST};
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    const struct timeval patience = {.tv_usec = PATIENCE_US};
    char answer[4096];
    ssize_t size = -1;
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);

    if (fd < 0) return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        sendto(fd, &question, sizeof question, 0, (const struct sockaddr *)&kernel,
               sizeof kernel) == (ssize_t)sizeof question)
        size = recv(fd, answer, sizeof answer, 0);
    close(fd);
    return size > 0 ? fs_rdma_copy_attribute(answer, (size_t)size) : 0;
}
