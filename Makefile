# forksight: make all | demo | check | soak | bench | lint | install | clean
#   O=DIR       where everything that is built goes (default build)
#   DEBUG=1     -O0 -g3      ASAN=1  address and undefined-behaviour sanitizers (tools, not the shim)
#   COVERAGE=1  gcov         TSAN=1  thread sanitizer (tools)
#   PREFIX=/usr/local DESTDIR=   for install
O ?= build
PREFIX ?= /usr/local
CC ?= cc
PKG_CONFIG ?= pkg-config
PACKAGES := hwloc jansson zlib libunwind-ptrace libunwind-generic

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
OPTIMISE := $(if $(DEBUG),-O0 -g3,-O2 -g)
INSTRUMENT := $(if $(ASAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer) \
              $(if $(TSAN),-fsanitize=thread) $(if $(COVERAGE),--coverage)
comma := ,

BASE_FLAGS := -std=c17 -D_GNU_SOURCE -iquote . $(WARNINGS) $(OPTIMISE) -MMD -MP
TOOL_FLAGS = $(BASE_FLAGS) $(INSTRUMENT) $(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CFLAGS)
TOOL_LIBS = $(INSTRUMENT) $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm $(LDFLAGS)

# Code that runs inside the application: hidden symbols, TLS that needs no
# allocation, cancellation that unwinds through the thread trampoline.
SHIM_FLAGS := $(BASE_FLAGS) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fexceptions \
              -fno-stack-protector -U_FORTIFY_SOURCE $(CFLAGS)
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)

SHIM_SOURCES := $(wildcard preload/*.c)
SHIM_ASSEMBLY := $(wildcard preload/vfork_$(ARCH).S)
TOOL_SOURCES := $(filter-out tracer/main.c,$(wildcard tracer/*.c report/*.c report/*/*.c))
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
PROGRAM_SOURCES := $(wildcard tests/programs/*.c)
KERNEL_SOURCES := $(wildcard kernels/*.c)

SHIM_OBJECTS := $(SHIM_SOURCES:%.c=$(O)/shim/%.o) $(SHIM_ASSEMBLY:%.S=$(O)/shim/%.o)
TOOL_OBJECTS := $(TOOL_SOURCES:%.c=$(O)/obj/%.o)
UNITS := $(UNIT_SOURCES:tests/unit/%.c=$(O)/unit/%)
PROGRAMS := $(PROGRAM_SOURCES:tests/programs/%.c=$(O)/programs/%)
KERNELS := $(KERNEL_SOURCES:kernels/%.c=$(O)/kernels/%)

.PHONY: all tools shim units programs kernels clean
all: tools shim kernels
tools: $(O)/forksight
shim: $(O)/libforksight.so
units: $(UNITS)
programs: $(PROGRAMS)
kernels: $(KERNELS)

$(O)/forksight: $(O)/obj/tracer/main.o $(O)/libfs.a
	$(CC) -o $@ $^ $(TOOL_LIBS)
$(O)/libfs.a: $(TOOL_OBJECTS)
	rm -f $@ && ar rcs $@ $^
$(O)/libforksight.so: $(SHIM_OBJECTS) preload/forksight.map
	$(CC) -shared -o $@ $(SHIM_OBJECTS) -Wl,--version-script=preload/forksight.map \
	  -Wl,-soname,libforksight.so -Wl,-z,relro -Wl,--as-needed -Wl,--hash-style=gnu $(LDFLAGS)
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
	$(CC) -std=c17 -D_GNU_SOURCE $(WARNINGS) -O1 -g -o $@ $< -pthread $(PROGRAM_FLAGS_$*)
$(O)/kernels/%: kernels/%.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WARNINGS) -O2 -g -o $@ $< -pthread -lm

clean:
	rm -rf $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
