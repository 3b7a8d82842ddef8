/*
 * topology_text.c - a topology's shape as text and back.
 *
 * hwloc's own exchange format is XML. It is not used for what lies on disk: it names the
 * host and differs between like nodes, it changes when it is written again, and hwloc
 * trusts it. Here a small notation is checked completely, then turned into XML that hwloc
 * can trust.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/mask.h"
#include "tracer/topology.h"

enum { OBJECTS_MAX = 1 << 15, NUMA_MAX = 1024, DEPTH_MAX = 32 };

/* From the outside to the inside; a group may be anywhere above the cores. */
static const struct kind {
    char letter;
    int rank; /* grows inwards, but for groups */
    hwloc_obj_type_t type;
    const char *xml;
} kinds[] = {
    {'G', 0, HWLOC_OBJ_GROUP, "type=\"Group\""},
    {'P', 1, HWLOC_OBJ_PACKAGE, "type=\"Package\""},
    {'D', 2, HWLOC_OBJ_DIE, "type=\"Die\""},
    {'L', 3, HWLOC_OBJ_L3CACHE,
     "type=\"L3Cache\" cache_size=\"0\" depth=\"3\" cache_linesize=\"64\" "
     "cache_associativity=\"0\" cache_type=\"0\""},
    {'C', 4, HWLOC_OBJ_CORE, "type=\"Core\""},
    {'U', 5, HWLOC_OBJ_PU, "type=\"PU\""},
    {'N', 6, HWLOC_OBJ_NUMANODE, "type=\"NUMANode\" local_memory=\"0\""},
};
enum { RANK_GROUP = 0, RANK_CORE = 4, RANK_PU = 5, RANK_NUMA = 6 };

static const struct kind *kind_of_type(hwloc_obj_type_t type) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].type == type) return &kinds[i];
    return NULL;
}

static const struct kind *kind_of_letter(char letter) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].letter == letter) return &kinds[i];
    return NULL;
}

/* --- topology to text --- */

struct writer {
    FILE *out;
    char last; /* blanks are only needed between two numbers, or a number and a letter */
};

static void put(struct writer *writer, const struct kind *kind, hwloc_obj_t object) {
    if (writer->last == 'n') fputc(' ', writer->out);
    fputc(kind->letter, writer->out);
    if (object->os_index != HWLOC_UNKNOWN_INDEX) fprintf(writer->out, "%u", object->os_index);
    writer->last = 'n';
}

static void put_brace(struct writer *writer, char brace) {
    fputc(brace, writer->out);
    writer->last = brace;
}

static void write_numa_nodes(struct writer *writer, hwloc_obj_t object) {
    for (hwloc_obj_t child = object->memory_first_child; child; child = child->next_sibling) {
        const struct kind *kind = kind_of_type(child->type);
        if (kind) put(writer, kind, child);
        write_numa_nodes(writer, child); /* behind a memory-side cache */
    }
}

/* What object holds; objects of other types (machine, inner caches) vanish, their content stays. */
static void write_content(struct writer *writer, hwloc_obj_t object) {
    write_numa_nodes(writer, object);
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling) {
        const struct kind *kind = kind_of_type(child->type);
        const bool holds = child->arity > 0 || child->memory_arity > 0;
        if (kind) put(writer, kind, child);
        if (kind && holds) put_brace(writer, '{');
        write_content(writer, child);
        if (kind && holds) put_brace(writer, '}');
    }
}

char *fs_topology_text(hwloc_topology_t topology) {
    char *text = NULL;
    size_t size = 0;
    struct writer writer = {.out = open_memstream(&text, &size)};
    if (!writer.out) return NULL;
    write_content(&writer, hwloc_get_root_obj(topology));
    if (fclose(writer.out)) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- text to topology --- */

struct object {
    const struct kind *kind; /* NULL: the machine */
    int number;              /* OS number; -1: none */
    size_t parent;
    int depth;
    int last_cpu, last_node; /* place of the newest child; -1: there is none yet */
    hwloc_bitmap_t cpus, nodes;
};

struct tree { /* objects[0] is the machine; parents come before their children */
    struct object *objects;
    size_t count, room;
    hwloc_bitmap_t numa_nodes;
};

static int reject(void) {
    errno = EBADMSG;
    return -1;
}

static int add_object(struct tree *tree, const struct object *object) {
    if (tree->count == tree->room) {
        const size_t room = tree->room ? 2 * tree->room : 64;
        struct object *larger = realloc(tree->objects, room * sizeof *larger);
        if (!larger) return -1;
        tree->objects = larger;
        tree->room = room;
    }
    if (tree->count >= OBJECTS_MAX) return reject();
    struct object *new = &tree->objects[tree->count];
    *new = *object;
    new->cpus = hwloc_bitmap_alloc();
    new->nodes = hwloc_bitmap_alloc();
    new->last_cpu = new->last_node = -1;
    tree->count++;
    return new->cpus &&new->nodes ? 0 : -1;
}

static void free_tree(struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        hwloc_bitmap_free(tree->objects[i].cpus);
        hwloc_bitmap_free(tree->objects[i].nodes);
    }
    free(tree->objects);
    hwloc_bitmap_free(tree->numa_nodes);
}

/* Whether kind may be inside of the object `parent` and its ancestors. */
static bool may_hold(const struct tree *tree, size_t parent, const struct kind *kind) {
    int innermost = RANK_GROUP;
    for (size_t at = parent; at; at = tree->objects[at].parent)
        if (tree->objects[at].kind->rank > innermost) innermost = tree->objects[at].kind->rank;
    if (innermost == RANK_NUMA) return false;
    if (kind->rank == RANK_GROUP) return innermost < RANK_CORE;
    return kind->rank > innermost; /* a node may be local to a single core, or even PU */
}

/* The number at *at, which moves behind it; -1: none, -2: out of range. */
static int take_number(const char **at) {
    int number = -1;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        number = (number < 0 ? 0 : number) * 10 + (**at - '0');
        if (number >= FS_MASK_CPUS) return -2;
    }
    return number;
}

/* Notes a PU or NUMA node: its number must be there and new; CPUs come in order. */
static int place_leaf(struct tree *tree, struct object *object) {
    const struct kind *kind = object->kind;
    if (object->number == -2) return reject();
    if (kind->rank < RANK_PU) return 0;
    if (object->number < 0) return reject();
    if (kind->rank == RANK_NUMA && object->number >= NUMA_MAX) return reject();
    hwloc_bitmap_t taken = kind->rank == RANK_PU ? tree->objects[0].cpus : tree->numa_nodes;
    if (hwloc_bitmap_isset(taken, (unsigned)object->number)) return reject();
    return hwloc_bitmap_set(taken, (unsigned)object->number);
}

static int parse_tree(struct tree *tree, const char *text) {
    size_t parent = 0;
    bool may_open = false; /* the last thing read was an object */
    while (*text) {
        const char character = *text++;
        if (character == '{' && may_open && tree->objects[tree->count - 1].depth < DEPTH_MAX) {
            parent = tree->count - 1;
            may_open = false;
        } else if (character == '}' && parent) {
            parent = tree->objects[parent].parent;
            may_open = false;
        } else if (character != ' ') {
            struct object object = {.kind = kind_of_letter(character), .parent = parent};
            if (!object.kind || !may_hold(tree, parent, object.kind)) return reject();
            object.depth = tree->objects[parent].depth + 1;
            object.number = take_number(&text);
            if (place_leaf(tree, &object) || add_object(tree, &object)) return -1;
            may_open = true;
        }
    }
    return parent == 0 ? 0 : reject();
}

/* Sums up, from the leaves to the machine, whose CPUs and NUMA nodes are whose. */
static int gather_sets(struct tree *tree) {
    for (size_t i = tree->count - 1; i > 0; i--) {
        struct object *object = &tree->objects[i], *parent = &tree->objects[object->parent];
        const int rank = object->kind->rank;
        if (rank == RANK_PU) hwloc_bitmap_only(object->cpus, (unsigned)object->number);
        if (rank == RANK_NUMA) hwloc_bitmap_only(object->nodes, (unsigned)object->number);
        hwloc_bitmap_or(parent->nodes, parent->nodes, object->nodes);
        if (rank == RANK_NUMA) continue;
        if (hwloc_bitmap_iszero(object->cpus)) return reject();
        hwloc_bitmap_or(parent->cpus, parent->cpus, object->cpus);
    }
    return hwloc_bitmap_iszero(tree->objects[0].cpus) ? reject() : 0;
}

/* Whether the object comes where hwloc wants it among its parent's: memory first, by its
 * number, then the others by their first CPU. */
static bool in_order(const struct object *object, struct object *parent) {
    const bool memory = object->kind->rank == RANK_NUMA;
    int *last = memory ? &parent->last_node : &parent->last_cpu;
    const int place = memory ? object->number : hwloc_bitmap_first(object->cpus);
    if (place <= *last || (memory && parent->last_cpu >= 0)) return false;
    *last = place;
    return true;
}

/* Downwards: NUMA nodes of an outer object have its CPUs and are local to all in it. */
static int spread_sets(struct tree *tree) {
    for (size_t i = 1; i < tree->count; i++) {
        struct object *object = &tree->objects[i], *parent = &tree->objects[object->parent];
        if (!in_order(object, parent)) return reject();
        if (object->kind->rank != RANK_NUMA) continue;
        hwloc_bitmap_copy(object->cpus, parent->cpus);
        for (size_t k = i + 1; k < tree->count && tree->objects[k].depth >= object->depth; k++) {
            struct object *inner = &tree->objects[k];
            if (inner->kind->rank != RANK_NUMA)
                hwloc_bitmap_or(inner->nodes, inner->nodes, object->nodes);
        }
    }
    return 0;
}

static void write_set(FILE *out, const char *names[2], hwloc_const_bitmap_t set) {
    char *text = NULL;
    if (hwloc_bitmap_asprintf(&text, set) < 0) return;
    for (int i = 0; i < 2; i++)
        fprintf(out, " %s=\"%s\"", names[i], text);
    free(text);
}

/* The tree as hwloc's XML, allocated; *size counts its NUL. */
static char *xml_of(const struct tree *tree, size_t *size) {
    static const char *cpu_names[2] = {"cpuset", "complete_cpuset"};
    static const char *node_names[2] = {"nodeset", "complete_nodeset"};
    char *xml = NULL;
    FILE *out = open_memstream(&xml, size);
    if (!out) return NULL;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology version=\"2.0\">\n",
          out);
    int open = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct object *object = &tree->objects[i];
        for (; i && open > object->depth; open--)
            fputs("</object>\n", out);
        fprintf(out, "<object %s", object->kind ? object->kind->xml : "type=\"Machine\"");
        if (object->number >= 0) fprintf(out, " os_index=\"%d\"", object->number);
        write_set(out, cpu_names, object->cpus);
        write_set(out, node_names, object->nodes);
        fprintf(out, " gp_index=\"%zu\">\n", i + 1);
        open = object->depth + 1;
    }
    for (; open > 0; open--)
        fputs("</object>\n", out);
    fputs("</topology>\n", out);
    const int failed = ferror(out);
    if (fclose(out) || failed) {
        free(xml);
        return NULL;
    }
    ++*size;
    return xml;
}

static int load_xml(const struct tree *tree, hwloc_topology_t *topology) {
    size_t size = 0;
    char *xml = xml_of(tree, &size);
    if (!xml) return -1;
    int result = hwloc_topology_init(topology);
    if (!result) {
        hwloc_topology_set_flags(*topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
        if (hwloc_topology_set_xmlbuffer(*topology, xml, (int)size) ||
            hwloc_topology_load(*topology)) {
            hwloc_topology_destroy(*topology);
            *topology = NULL;
            result = reject();
        }
    }
    free(xml);
    return result;
}

int fs_topology_from_text(const char *text, hwloc_topology_t *topology) {
    struct tree tree = {.numa_nodes = hwloc_bitmap_alloc()};
    const struct object machine = {.number = 0};
    *topology = NULL;
    int result = tree.numa_nodes ? add_object(&tree, &machine) : -1;
    if (!result) result = parse_tree(&tree, text);
    if (!result) result = gather_sets(&tree);
    if (!result) result = spread_sets(&tree);
    if (!result && hwloc_bitmap_iszero(tree.numa_nodes)) result = reject();
    if (!result) result = load_xml(&tree, topology);
    free_tree(&tree);
    return result;
}
