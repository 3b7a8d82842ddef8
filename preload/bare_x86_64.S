/*
 * syscall for x86-64: the numbers of bare.c go there, all others on to the next one. By a jump,
 * so that registers and stack are as the caller left them: the sixth argument lies on the
 * stack, and where it was not passed something of the caller's own does.
 */
#include <asm/unistd.h>

    .text
    .globl syscall
    .type syscall, @function
    .p2align 4
syscall:
    .cfi_startproc
    movq fsp_next_syscall(%rip), %r11
    testq %r11, %r11
    je 1f
    cmpq $__NR_seccomp, %rdi
    je 1f
#ifdef __NR_clone3
    cmpq $__NR_clone3, %rdi
    je 1f
#endif
    leaq -__NR_clone(%rdi), %r10
    cmpq $(__NR_fork - __NR_clone), %r10
    jbe 1f
    cmpq $__NR_pivot_root, %rdi
    je 1f
    jmp *%r11
1:  jmp fsp_bare_call
    .cfi_endproc
    .size syscall, . - syscall
    .section .note.GNU-stack, "", @progbits
