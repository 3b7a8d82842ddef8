/*
 * vfork for x86-64. rdi is the register that the system call keeps and that a
 * caller does not expect to be kept: the return address waits in it, for the
 * child returns through the same stack slot and overwrites it. The object is not
 * marked for shadow stacks, so a process that loads it runs without them.
 */
    .text
    .globl vfork, __vfork
    .type vfork, @function
    .type __vfork, @function
    .p2align 4
vfork:
__vfork:
    .cfi_startproc
    movq (%rsp), %rdi
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call fsp_vfork_before
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    movl $58, %eax              /* vfork */
    syscall
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    .cfi_offset %rip, -8
    testq %rax, %rax
    jz 1f                       /* the child touches nothing more */
    movq %rax, %rdi
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call fsp_vfork_after
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
1:  ret
    .cfi_endproc
    .size vfork, . - vfork
    .size __vfork, . - __vfork
    .section .note.GNU-stack, "", @progbits
