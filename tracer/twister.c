/* twister.c - see twister.h. */
#include "tracer/twister.h"

#include <string.h>

/* M. Matsumoto and T. Nishimura's constants: words that are made of words 397 further on. */
enum { WORDS = FSP_RANDOM_WORDS, AHEAD = 397, BEHIND = WORDS - AHEAD, LANES = 4 };
static const uint32_t upper = 0x80000000u, lower = 0x7fffffffu, matrix = 0x9908b0dfu;

/* Four words at once, which halves the time of a search. */
typedef uint32_t lanes __attribute__((vector_size(LANES * sizeof(uint32_t))));

static lanes load(const uint32_t *words) {
    lanes result;

    memcpy(&result, words, sizeof result);
    return result;
}

static uint32_t twist(uint32_t word, uint32_t next, uint32_t far) {
    const uint32_t mixed = (word & upper) | (next & lower);

    return far ^ mixed >> 1 ^ (-(mixed & 1) & matrix);
}

/* `count` words from `at` on, each made with the word `distance` away. */
static void twist_range(uint32_t *word, int at, int count, int distance) {
    const int end = at + count;

    for (; at + LANES <= end; at += LANES) {
        const lanes mixed = (load(word + at) & upper) | (load(word + at + 1) & lower);
        const lanes made = load(word + at + distance) ^ mixed >> 1 ^ (-(mixed & 1) & matrix);

        memcpy(word + at, &made, sizeof made);
    }
    for (; at < end; at++)
        word[at] = twist(word[at], word[at + 1], word[at + distance]);
}

void fs_twister_next_block(struct fs_twister *twister) {
    uint32_t *word = twister->word;

    twist_range(word, 0, BEHIND, AHEAD);
    twist_range(word, BEHIND, AHEAD - 1, -BEHIND);
    word[WORDS - 1] = twist(word[WORDS - 1], word[0], word[AHEAD - 1]);
}

static const int viewed[] = FSP_RANDOM_VIEWED;
_Static_assert(sizeof viewed / sizeof viewed[0] == FS_TWISTER_VIEWED, "words of a view");

struct fs_twister_view fs_twister_view(const struct fs_twister *twister) {
    struct fs_twister_view view = {.position = twister->position};

    for (int i = 0; i < FS_TWISTER_VIEWED; i++)
        view.word[i] = twister->word[viewed[i]];
    return view;
}

static bool is_position(int position) {
    return position >= 0 && position <= WORDS;
}

static bool is_open(const struct fs_twister_goal *goal) {
    return goal->ahead == FS_AHEAD_UNKNOWN && is_position(goal->view.position);
}

/* Which goals may have these words: a bit for each remainder of their first one. */
struct filter {
    uint64_t bits[16];
};

static void add_to_filter(struct filter *filter, uint32_t word) {
    filter->bits[word / 64 % 16] |= UINT64_C(1) << word % 64;
}

static bool passes(const struct filter *filter, uint32_t word) {
    return filter->bits[word / 64 % 16] >> word % 64 & 1;
}

/* How far the goals that are still looked for can be; -1: there is none. */
static int64_t furthest_of(const struct fs_twister_goal *goals, size_t count) {
    int64_t furthest = -1;

    for (size_t i = 0; i < count; i++)
        if (is_open(&goals[i]) && goals[i].limit > furthest) furthest = goals[i].limit;
    return furthest;
}

static void compare(const struct fs_twister *at, int64_t block, int start_position,
                    struct fs_twister_goal *goals, size_t count) {
    const struct fs_twister_view view = fs_twister_view(at);

    for (size_t i = 0; i < count; i++) {
        struct fs_twister_goal *goal = &goals[i];
        if (!is_open(goal) || block > goal->limit ||
            memcmp(view.word, goal->view.word, sizeof view.word) != 0)
            continue;
        goal->taken = block * WORDS + goal->view.position - start_position;
        goal->ahead = goal->taken >= 0 ? FS_AHEAD_YES : FS_AHEAD_NO;
    }
}

void fs_twister_search(const struct fs_twister *start, struct fs_twister_goal *goals, size_t count,
                       int64_t *blocks) {
    struct fs_twister at = *start;
    struct filter filter = {{0}};
    int64_t furthest, block = 0;

    for (size_t i = 0; i < count; i++) {
        goals[i].ahead = FS_AHEAD_UNKNOWN;
        add_to_filter(&filter, goals[i].view.word[0]);
    }
    if (!is_position(start->position)) return;
    furthest = furthest_of(goals, count);
    for (;; block++) {
        if (passes(&filter, at.word[viewed[0]])) {
            compare(&at, block, start->position, goals, count);
            furthest = furthest_of(goals, count);
        }
        if (block >= furthest || *blocks <= 0) break;
        fs_twister_next_block(&at);
        --*blocks;
    }
    for (size_t i = 0; i < count; i++)
        if (is_open(&goals[i]) && goals[i].limit <= block) goals[i].ahead = FS_AHEAD_NO;
}
