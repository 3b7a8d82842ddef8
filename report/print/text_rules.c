/* text_rules.c - what every rule came to. */
#include "report/print/text.h"

static const char *const words[] = {
    [FS_NOT_APPLICABLE] = "n/a",
    [FS_PASS] = "pass",
    [FS_STATUS_UNKNOWN] = "unknown",
    [FS_FINDING] = "finding",
};

static const char *reason_of(const struct fs_outcome *outcome) {
    if (outcome->status == FS_FINDING) return outcome->findings[0].title;
    return outcome->why ? outcome->why : outcome->rule->title;
}

void fs_text_rules(struct fs_page *page, const struct fs_verdict *verdict) {
    fs_page_line(page, "%s", "");
    for (int i = 0; i < FS_RULE_COUNT; i++) {
        const struct fs_outcome *outcome = &verdict->outcomes[i];
        fs_page_wrap(page, words[outcome->status],
                     fs_arena_printf(page->arena, "%s: %s", outcome->rule->id, reason_of(outcome)),
                     3);
    }
}
