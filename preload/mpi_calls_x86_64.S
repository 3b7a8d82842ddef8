/*
 * The functions of mpi_calls.h for x86-64. A thread that is known jumps on to the real
 * function, with registers and stack as they are: rax and r11 are nobody's at a call, and no
 * function of the list takes a variable number of arguments. The slow path asks
 * fsp_mpi_call (mpi_calls.c) where to go on; no argument of these functions lies in a vector
 * register. By their section mpi_names.c knows them.
 */
#include "preload/mpi_calls.h"

    .macro entry name
    .pushsection .data
.Ltarget_\name:
    .quad 0
    .popsection
    .globl \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    movq fsp_tls@gottpoff(%rip), %rax
    cmpb $0, %fs:FSP_TLS_MPI_KNOWN(%rax)
    je 1f
    movq .Ltarget_\name(%rip), %rax
    testq %rax, %rax
    je 1f
    jmp *%rax
1:  leaq .Ltarget_\name(%rip), %r11
    jmp .Lslow
    .cfi_endproc
    .size \name, . - \name
    .endm

    .section fsp_mpi, "ax", @progbits
    .p2align 4
    .type .Lslow, @function
.Lslow:
    .cfi_startproc
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    pushq %r8
    .cfi_adjust_cfa_offset 8
    pushq %r9
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %r11, %rdi
    movq 56(%rsp), %rsi         /* return address */
    call fsp_mpi_call
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r9
    .cfi_adjust_cfa_offset -8
    popq %r8
    .cfi_adjust_cfa_offset -8
    popq %rcx
    .cfi_adjust_cfa_offset -8
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    jmp *%rax
    .cfi_endproc
    .size .Lslow, . - .Lslow

/* The targets lie one after the other, in the order of the list: MPI_, then PMPI_. */
    .pushsection .data
    .p2align 3
    .globl fsp_mpi_targets
    .hidden fsp_mpi_targets
fsp_mpi_targets:
    .popsection
#define C_ENTRY(name) entry MPI_##name;
    FSP_MPI_CALLS(C_ENTRY)
#define PROFILING_ENTRY(name) entry PMPI_##name;
    FSP_MPI_CALLS(PROFILING_ENTRY)
    .section .note.GNU-stack, "", @progbits
