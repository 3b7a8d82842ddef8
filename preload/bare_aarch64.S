/*
 * syscall for AArch64: the numbers of bare.c go there, all others on to the next one. By a
 * jump, so that all registers are as the caller left them.
 */
#include <asm/unistd.h>

    .text
    .globl syscall
    .type syscall, %function
    .p2align 4
syscall:
    .cfi_startproc
    hint #34                    /* bti c */
    adrp x16, fsp_next_syscall
    ldr x16, [x16, :lo12:fsp_next_syscall]
    cbz x16, 1f
    cmp x0, #__NR_seccomp
    b.eq 1f
#ifdef __NR_clone3
    cmp x0, #__NR_clone3
    b.eq 1f
#endif
    cmp x0, #__NR_clone
    b.eq 1f
    cmp x0, #__NR_pivot_root
    b.eq 1f
    br x16
1:  b fsp_bare_call
    .cfi_endproc
    .size syscall, . - syscall
    .section .note.GNU-stack, "", %progbits
