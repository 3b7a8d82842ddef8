/*
 * rule_list.h - the one list of rules, in the order in which pages name them.
 *
 * A new rule is a line here and a row (fs_rule_<name>) in the file of its family.
 */
#ifndef FS_REPORT_RULE_LIST_H
#define FS_REPORT_RULE_LIST_H

/* clang-format off */
#define FS_RULES(X) \
    X(aff_01) \
    X(aff_02) \
    X(aff_03) \
    X(aff_04) \
    X(aff_05) \
    X(aff_06) \
    X(aff_07) \
    X(aff_08) \
    X(aff_09) \
    X(ovs_01) \
    X(ovs_02) \
    X(ovs_03) \
    X(ovs_04) \
    X(ovs_05) \
    X(ovs_06) \
    X(ovs_07) \
    X(ovs_08) \
    X(frk_01) \
    X(frk_02) \
    X(frk_03) \
    X(frk_04) \
    X(frk_05) \
    X(frk_06) \
    X(frk_07) \
    X(frk_08) \
    X(frk_09) \
    X(frk_10) \
    X(mpi_01) \
    X(mpi_02) \
    X(mpi_03) \
    X(mpi_04) \
    X(mpi_05) \
    X(mpi_06) \
    X(mpi_07) \
    X(mpi_08) \
    X(slm_01) \
    X(slm_02) \
    X(slm_03) \
    X(slm_05) \
    X(thr_01) \
    X(thr_02) \
    X(thr_03) \
    X(thr_04) \
    X(thr_05) \
    X(thr_06) \
    X(thr_07) \
    X(thr_08) \
    X(eff_01) \
    X(eff_05) \
    X(prc_02) \
    X(prc_03) \
    X(prc_05) \
    X(prc_06) \
    X(mem_01) \
    X(mem_02) \
    X(pyt_03) \
    X(env_01) \
    X(env_03) \
    X(env_04)
/* clang-format on */

#define FS_RULE_ONE(name) +1
enum { FS_RULE_COUNT = FS_RULES(FS_RULE_ONE) };
#undef FS_RULE_ONE

#endif
