! K7 in Fortran: every rank says who it is.
program rank_hello
  use mpi
  implicit none
  integer :: error, rank, ranks, length
  character(len=MPI_MAX_PROCESSOR_NAME) :: host

  call MPI_Init(error)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks, error)
  call MPI_Get_processor_name(host, length, error)
  write (*, '(a,i0,a,i0,a,a)') 'Hello from rank ', rank, ' of ', ranks, ' on ', host(1:length)
  call MPI_Finalize(error)
end program rank_hello
