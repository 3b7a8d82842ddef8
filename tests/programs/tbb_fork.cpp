// Forks after TBB has worked. usage: tbb_fork launcher|foreign: which thread forks, the
// one that started TBB's threads or another one.
#include <cstring>
#include <future>
#include <sys/wait.h>
#include <tbb/parallel_for.h>
#include <thread>
#include <unistd.h>

static void compute() {
    volatile double sums[4096] = {};
    tbb::parallel_for(0, 4096, [&](int i) {
        for (int k = 0; k < 20000; k++)
            sums[i] = sums[i] + k;
    });
}

static void fork_once() {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitpid(pid, nullptr, 0);
}

// TBB ends its threads with the last thread that uses it: so that one stays until the fork.
static void fork_beside_foreign() {
    std::promise<void> computed, forked;
    std::thread other([&] {
        compute();
        computed.set_value();
        forked.get_future().wait();
    });
    computed.get_future().wait();
    fork_once();
    forked.set_value();
    other.join();
}

int main(int argc, char **argv) {
    if (argc > 1 && std::strcmp(argv[1], "foreign") == 0) {
        fork_beside_foreign();
    } else {
        compute();
        fork_once();
    }
}
