/*
 * vfork for AArch64: clone with the flags that mean vfork. The return address is
 * in x30, which the system call keeps for both sides; it is on the stack only
 * while our C functions run, never while the child does.
 */
    .text
    .globl vfork, __vfork
    .type vfork, %function
    .type __vfork, %function
    .p2align 4
vfork:
__vfork:
    .cfi_startproc
    hint #34                    /* bti c */
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x0, x30
    bl fsp_vfork_before
    ldp x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    mov x0, #0x4111             /* CLONE_VM | CLONE_VFORK | SIGCHLD */
    mov x1, sp
    mov x2, #0
    mov x3, #0
    mov x4, #0
    mov x8, #220                /* clone */
    svc #0
    cbz x0, 1f                  /* the child touches nothing more */
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    bl fsp_vfork_after
    ldp x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
1:  ret
    .cfi_endproc
    .size vfork, . - vfork
    .size __vfork, . - __vfork
    .section .note.GNU-stack, "", %progbits
