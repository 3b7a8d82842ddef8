# forksight. Targets:
#   all        the command, the preload object and the C kernels
#   demo       set up, build, record a multiprocessing.Pool job and print its report
#   check      set up, build, run every test        check-asan  units and end-to-end, sanitized
#   check-topology  what needs many CPUs, SMT or NUMA: on an emulated machine
#   check-kernels   record every reference kernel, what needs CPUs on an emulated machine of 16,
#                   and put it through `forksight check`
#   soak       repeat the nobody-is-lost matrix     fuzz        hostile input for FUZZ_SECONDS each
#   lint       compilers, formatters, analyzers     bench       measure the overhead budget
#   install uninstall clean
# Variables:
#   O=DIR              where everything that is built goes (default build)
#   DEBUG=1            -O0 -g3
#   ASAN=1 TSAN=1      sanitizers, COVERAGE=1 gcov: in the tools, never in the preload object
#   PREFIX DESTDIR     for install        PYTHON   for the demonstration
#   CHECK='--only X'   only tests with X in their name    BENCH='--quick --only fork'
O ?= build
PREFIX ?= /usr/local
CC ?= cc
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 60
SOAK ?= 100
PACKAGES := hwloc jansson libunwind-ptrace libunwind-generic libdw

comma := ,
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
OPTIMISE := $(if $(DEBUG),-O0 -g3,-O2 -g)
INSTRUMENT := $(if $(ASAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer) \
              $(if $(TSAN),-fsanitize=thread) $(if $(COVERAGE),--coverage)

# Asked once, and not before something is compiled: a bare machine has no pkg-config yet.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)))$(PACKAGE_LIBS)

LANGUAGE := -std=c17 -D_GNU_SOURCE $(WARNINGS)
DEPENDENCIES = -MMD -MP -MF $@.d -MT $@
BASE_FLAGS = $(LANGUAGE) -iquote . $(OPTIMISE) $(DEPENDENCIES)
TOOL_FLAGS = $(BASE_FLAGS) $(INSTRUMENT) $(PACKAGE_CFLAGS) $(CFLAGS)
TOOL_LIBS = $(INSTRUMENT) $(PACKAGE_LIBS) -lm $(LDFLAGS)

# Code that runs inside the application: hidden symbols, TLS that needs no
# allocation, cancellation that unwinds through the thread trampoline.
SHIM_FLAGS = $(BASE_FLAGS) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fexceptions \
             -fno-stack-protector -U_FORTIFY_SOURCE $(CFLAGS)
# Two mappings instead of six (each costs every fork about a microsecond), and no
# symbol left for forked children to look up one by one. The compiler's start files
# would bring four symbols that nobody has, and zeros that take a mapping.
SHIM_LAYOUT := -nostartfiles -Wl,-z,now -Wl,-z,norelro -Wl,-z,noseparate-code
ARCH := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)

# What every forked child runs lies together: the kernel maps the pages around the one
# that was touched, and the fewer such places, the fewer faults.
SHIM_OF_CHILDREN := $(patsubst %,preload/%.c,birth identity exit process usage)
# Next to it, and its data next to the loader's own, what every program runs at its start: each
# page that is stored into is a fault and a copy.
SHIM_OF_STARTS := $(patsubst %,preload/%.c,start segment resolve repair environment libraries \
                    event python mpi_names)
SHIM_FIRST := $(SHIM_OF_CHILDREN) $(SHIM_OF_STARTS)
SHIM_SOURCES := $(SHIM_FIRST) $(filter-out $(SHIM_FIRST),$(wildcard preload/*.c))
SHIM_ASSEMBLY := $(wildcard preload/*_$(ARCH).S)
TOOL_SOURCES := $(filter-out tracer/main.c,$(wildcard tracer/*.c report/*.c report/*/*.c))
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
PROGRAM_SOURCES := $(wildcard tests/programs/*.c)
STANDIN_SOURCES := $(wildcard tests/programs/standins/*.c)
MPI_KERNEL_SOURCES := $(shell grep -l '<mpi.h>' kernels/*.c)
KERNEL_SOURCES := $(filter-out $(MPI_KERNEL_SOURCES),$(wildcard kernels/*.c))
# Only where the compilers of an MPI are: nothing that is needed is built with them.
MPIS := $(foreach mpi,openmpi mpich,$(if $(shell command -v mpicc.$(mpi)),$(mpi)))
MPI_FORTRANS := $(foreach mpi,$(MPIS),$(if $(shell command -v mpif90.$(mpi)),$(mpi)))
MPI_PROGRAM_SOURCES := $(wildcard tests/programs/mpi/*.c)
PROBE_SOURCES := $(wildcard tests/probes/*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)

SHIM_OBJECTS := $(SHIM_SOURCES:%.c=$(O)/shim/%.o) $(SHIM_ASSEMBLY:%.S=$(O)/shim/%.o)
TOOL_OBJECTS := $(TOOL_SOURCES:%.c=$(O)/obj/%.o)
UNITS := $(UNIT_SOURCES:tests/unit/%.c=$(O)/unit/%)
PROGRAMS := $(PROGRAM_SOURCES:tests/programs/%.c=$(O)/programs/%)
STANDINS := $(STANDIN_SOURCES:tests/programs/standins/%.c=$(O)/standins/%)
PROBES := $(PROBE_SOURCES:tests/probes/%.c=$(O)/probes/%)
KERNELS := $(KERNEL_SOURCES:kernels/%.c=$(O)/kernels/%) \
           $(foreach mpi,$(MPIS),$(patsubst kernels/%.c,$(O)/kernels/%.$(mpi),$(MPI_KERNEL_SOURCES))) \
           $(foreach mpi,$(MPI_FORTRANS),$(patsubst kernels/%.f90,$(O)/kernels/%.$(mpi),$(wildcard kernels/*.f90)))
MPI_PROGRAMS := $(foreach mpi,$(MPIS),$(MPI_PROGRAM_SOURCES:tests/programs/mpi/%.c=$(O)/programs/%.$(mpi)))
FUZZERS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(O)/fuzz/%)
MUTATORS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(O)/mutate/%)
MAN_PAGES := $(wildcard tracer/man/*.1)

.PHONY: all tools shim units programs mutators kernels demo check check-asan check-kernels check-topology soak fuzz lint bench \
        install uninstall clean
.DELETE_ON_ERROR:
all: tools shim kernels
tools: $(O)/forksight
shim: $(O)/libforksight.so
units: $(UNITS)
programs: $(PROGRAMS) $(PROBES) $(STANDINS) $(MPI_PROGRAMS)
mutators: $(MUTATORS)
kernels: $(KERNELS)

$(O)/forksight: $(O)/obj/tracer/main.o $(O)/libfs.a
	$(CC) -o $@ $^ $(TOOL_LIBS)
$(O)/libfs.a: $(TOOL_OBJECTS)
	rm -f $@ && ar rcs $@ $^
$(O)/libforksight.so: $(SHIM_OBJECTS) preload/forksight.map
	$(CC) -shared -o $@ $(SHIM_OBJECTS) -Wl,--version-script=preload/forksight.map \
	  -Wl,-soname,libforksight.so -Wl,--as-needed -Wl,--hash-style=gnu $(SHIM_LAYOUT) $(LDFLAGS)
$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(TOOL_FLAGS) -c -o $@ $<
$(O)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SHIM_FLAGS) -c -o $@ $<
$(O)/shim/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(SHIM_FLAGS) -c -o $@ $<
$(O)/unit/%: tests/unit/%.c $(O)/libfs.a
	@mkdir -p $(@D)
	$(CC) $(TOOL_FLAGS) -o $@ $< $(O)/libfs.a $(TOOL_LIBS) -lcmocka
$(O)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -iquote . -O1 -g $(DEPENDENCIES) -o $@ $< -pthread $(PROGRAM_FLAGS_$*)
$(O)/probes/%: tests/probes/%.c $(O)/libfs.a
	@mkdir -p $(@D)
	$(CC) $(TOOL_FLAGS) -o $@ $< $(O)/libfs.a $(TOOL_LIBS)
$(O)/standins/%: tests/programs/standins/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -O1 -g $(DEPENDENCIES) -fPIC -shared -Wl,-soname,$* -o $@ $< -pthread
$(O)/kernels/%: kernels/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -O2 -g $(DEPENDENCIES) -o $@ $< -pthread -lm $(KERNEL_FLAGS_$*)

define MPI_RULES
$(O)/kernels/%.$(1): kernels/%.c
	@mkdir -p $$(@D)
	mpicc.$(1) -O2 -g -Wall -o $$@ $$<
$(O)/kernels/%.$(1): kernels/%.f90
	@mkdir -p $$(@D)
	mpif90.$(1) -O2 -g -Wall -o $$@ $$<
$(O)/programs/%.$(1): tests/programs/mpi/%.c
	@mkdir -p $$(@D)
	mpicc.$(1) -O1 -g -Wall -o $$@ $$< -pthread
endef
$(foreach mpi,$(MPIS),$(eval $(call MPI_RULES,$(mpi))))

# Libraries that a Linux distribution has not: what tests call of them, by the same names.
$(O)/standins/%: tests/programs/standins/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -O1 -g $(DEPENDENCIES) -shared -fPIC -Wl,-soname,$* -o $@ $< -pthread
STANDIN = -L$(O)/standins -l:$(1) -Wl,-rpath,$(abspath $(O)/standins)
KERNEL_FLAGS_frk07_openmp_fork := -fopenmp
KERNEL_FLAGS_thr07_team_size := -fopenmp
KERNEL_FLAGS_frk09_gpu_fork = $(call STANDIN,libcuda.so.1)
$(O)/kernels/frk09_gpu_fork: $(O)/standins/libcuda.so.1
PROGRAM_FLAGS_displays := -lhwloc -l:libX11.so.6
PROGRAM_FLAGS_asks_for_mpi = $(call STANDIN,libasksmpi.so)
$(O)/programs/asks_for_mpi: $(O)/standins/libasksmpi.so
PROGRAM_FLAGS_hip_fork = $(call STANDIN,libamdhip64.so.6)
$(O)/programs/hip_fork: $(O)/standins/libamdhip64.so.6

$(O)/mutate/%: tests/fuzz/%.c tests/fuzz/mutate.c $(O)/libfs.a
	@mkdir -p $(@D)
	$(CC) $(TOOL_FLAGS) -o $@ tests/fuzz/mutate.c $< $(O)/libfs.a $(TOOL_LIBS)

# The fuzz drivers are built from the sources: the code under test must be
# instrumented for coverage too, and that is clang's.
$(O)/fuzz/%: tests/fuzz/%.c $(TOOL_SOURCES)
	@mkdir -p $(@D)
	clang $(LANGUAGE) -iquote . -O1 -g -fsanitize=fuzzer,address,undefined \
	  $(PACKAGE_CFLAGS) -o $@ $< $(TOOL_SOURCES) $(PACKAGE_LIBS) -lm

# The set-up installs the compiler, so everything after it is a new make.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
BUILD_QUIETLY = echo "building into $(O)" && $(MAKE) -s --no-print-directory $(JOBS)

demo:
	@tests/setup demo
	+@$(BUILD_QUIETLY) all
	@rm -rf $(O)/demo
	$(O)/forksight run -o $(O)/demo -- $(PYTHON) kernels/k3_darts_pi.py 50000000

check:
	@tests/setup check
	+@$(BUILD_QUIETLY) all units programs mutators
	@BUILD=$(abspath $(O)) tests/run $(CHECK)

check-asan:
	@tests/setup check
	@$(MAKE) --no-print-directory check O=$(O)-asan ASAN=1 CHECK='--only unit/ --only fuzz/'

check-kernels:
	@tests/setup check
	+@$(BUILD_QUIETLY) all programs
	@BUILD=$(abspath $(O)) tests/run --only e2e/kernels/

check-topology:
	@tests/setup check
	+@$(BUILD_QUIETLY) all programs
	@BUILD=$(abspath $(O)) tests/run --only e2e/bignode/ --only e2e/topology/

soak:
	@tests/setup check
	+@$(BUILD_QUIETLY) all programs
	@BUILD=$(abspath $(O)) tests/soak $(SOAK)

fuzz:
	@tests/setup check
	+@$(BUILD_QUIETLY) $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
	  mkdir -p $$fuzzer.corpus && echo "$$fuzzer: $(FUZZ_SECONDS) s" && \
	  $$fuzzer -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=$$fuzzer. $$fuzzer.corpus || exit 1; done

lint:
	@tests/setup check
	@tests/lint $(O)-lint

bench:
	@tests/setup check
	+@$(BUILD_QUIETLY) all programs $(O)/bench/operations $(O)/bench/regions $(O)/bench/empty.so \
	  $(MPIS:%=$(O)/bench/mpi.%)
	@BUILD=$(abspath $(O)) tests/bench/run $(BENCH)
$(O)/bench/mpi.%: tests/bench/mpi.c
	@mkdir -p $(@D)
	mpicc.$* -O2 -g -Wall -o $@ $<
$(O)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -O2 -g $(DEPENDENCIES) -o $@ $< -pthread -fopenmp
$(O)/bench/%.so: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(LANGUAGE) -O2 $(DEPENDENCIES) -shared -fPIC -o $@ $<

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/forksight \
	  $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/forksight \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 report/*.schema.json $(DESTDIR)$(PREFIX)/share/forksight
	install -m 644 tracer/forksight.bash \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/forksight
	install -m 755 $(O)/forksight $(DESTDIR)$(PREFIX)/bin/forksight
	install -m 755 $(O)/libforksight.so $(DESTDIR)$(PREFIX)/lib/forksight/libforksight.so
	install -m 644 $(MAN_PAGES) $(DESTDIR)$(PREFIX)/share/man/man1
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/forksight $(DESTDIR)$(PREFIX)/lib/forksight/libforksight.so \
	  $(MAN_PAGES:tracer/man/%=$(DESTDIR)$(PREFIX)/share/man/man1/%)
	rm -f $(DESTDIR)$(PREFIX)/share/forksight/*.schema.json \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/forksight
	-rmdir $(DESTDIR)$(PREFIX)/lib/forksight $(DESTDIR)$(PREFIX)/share/forksight

clean:
	rm -rf $(O) $(O)-asan $(O)-lint

-include $(shell find $(O) -name '*.d' 2>/dev/null)
