/* SPDX-License-Identifier: MIT */
/*
 * The walk of a guest's own page tables; see guest_linear.h. Each form of paging is a row of data,
 * and one loop walks them all. [SDM "Paging"], [APM "Page Translation and Protection"]
 */
#include "guest_linear.h"

#include "cpu.h"
#include "guest_memory.h"

#define ENTRY_PRESENT  1u
#define ENTRY_WRITABLE 2u
#define ENTRY_LARGE    (1u << 7)
#define ADDRESS_BITS   ((uint64_t)0x000ffffffffff000)
#define CR4_LA57       (1u << 12)

/* A form of paging: which bits of the address choose an entry, from the top level down. */
struct paging {
    unsigned levels;
    unsigned entry_size; /* bytes */
    unsigned index_bits; /* at every level but, with PAE, the top one: bits above are zero there */
    unsigned large_levels; /* bit n: a leaf may stand n levels above the lowest */
    uint64_t root_mask;    /* what of CR3 is an address */
};

static const struct paging paging_4_level = { 4, 8, 9, 1u << 1 | 1u << 2, ADDRESS_BITS };
static const struct paging paging_pae = { 3, 8, 9, 1u << 1, 0xffffffe0 };
static const struct paging paging_32 = { 2, 4, 10, 1u << 1, 0xfffff000 };
static const struct paging paging_32_small = { 2, 4, 10, 0, 0xfffff000 }; /* without CR4.PSE */

static const struct paging *paging_of(const struct control *control)
{
    if (control->efer & EFER_LMA)
        return control->cr4 & CR4_LA57 ? NULL : &paging_4_level; /* we never offer 5-level paging */
    if (control->cr4 & CR4_PAE)
        return &paging_pae;
    return control->cr4 & CR4_PSE ? &paging_32 : &paging_32_small;
}

static bool is_canonical(uint64_t linear)
{
    uint64_t top = linear >> 47;

    return top == 0 || top == 0x1ffff;
}

static bool read_entry(struct domain *domain, const struct paging *paging, uint64_t physical,
                       uint64_t *entry)
{
    *entry = 0; /* a 32-bit entry fills its low half only */
    return guest_copy_from(domain, entry, physical, paging->entry_size);
}

/* Where a leaf begins that spans `bits` of the address. 4M pages keep bits 39:32 in bits 20:13. */
static uint64_t leaf_address(const struct paging *paging, uint64_t entry, unsigned bits)
{
    uint64_t address = entry & ADDRESS_BITS & ~(((uint64_t)1 << bits) - 1);

    if (paging->entry_size == 4 && bits == 22)
        address |= (entry >> 13 & 0xff) << 32;
    return address;
}

static bool walk(struct domain *domain, const struct paging *paging, uint64_t root, uint64_t linear,
                 enum linear_access access, uint64_t *physical)
{
    const uint64_t index_mask = ((uint64_t)1 << paging->index_bits) - 1;
    uint64_t table = root & paging->root_mask;

    for (unsigned level = paging->levels; level-- > 0;) {
        unsigned bits = FRAME_SHIFT + level * paging->index_bits;
        bool is_pointer = paging == &paging_pae && level == 2; /* has no W bit */
        uint64_t entry;

        if (!read_entry(domain, paging, table + (linear >> bits & index_mask) * paging->entry_size,
                        &entry) ||
            !(entry & ENTRY_PRESENT))
            return false;
        if (access == LINEAR_WRITE && !is_pointer && !(entry & ENTRY_WRITABLE))
            return false;
        if (level == 0 || (entry & ENTRY_LARGE && paging->large_levels >> level & 1)) {
            *physical = leaf_address(paging, entry, bits) + (linear & (((uint64_t)1 << bits) - 1));
            return true;
        }
        table = entry & ADDRESS_BITS;
    }
    return false;
}

bool guest_translate(struct vcpu *vcpu, uint64_t linear, enum linear_access access,
                     uint64_t *physical)
{
    const struct control *control = &vcpu->control;
    const struct paging *paging;

    if (!(control->efer & EFER_LMA))
        linear = (uint32_t)linear;
    if (!(control->cr0 & CR0_PG)) {
        *physical = linear;
        return true;
    }
    paging = paging_of(control);
    if (!paging || !is_canonical(linear))
        return false;
    if (!(control->cr0 & CR0_WP)) /* the kernel may then write to what is read-only */
        access = LINEAR_READ;
    return walk(vcpu->domain, paging, control->cr3, linear, access, physical);
}

/* How much of [linear, linear + size) lies in the first of its pages. */
static size_t piece_of(uint64_t linear, size_t size)
{
    size_t left = FRAME_SIZE - (linear & (FRAME_SIZE - 1));

    return size < left ? size : left;
}

bool guest_copy_from_linear(struct vcpu *vcpu, void *to, uint64_t linear, size_t size)
{
    for (uint8_t *next = to; size;) {
        size_t piece = piece_of(linear, size);
        uint64_t physical;

        if (!guest_translate(vcpu, linear, LINEAR_READ, &physical) ||
            !guest_copy_from(vcpu->domain, next, physical, piece))
            return false;
        next += piece;
        linear += piece;
        size -= piece;
    }
    return true;
}

bool guest_copy_to_linear(struct vcpu *vcpu, uint64_t linear, const void *from, size_t size)
{
    for (const uint8_t *next = from; size;) {
        size_t piece = piece_of(linear, size);
        uint64_t physical;

        if (!guest_translate(vcpu, linear, LINEAR_WRITE, &physical) ||
            !guest_copy_to(vcpu->domain, physical, next, piece))
            return false;
        next += piece;
        linear += piece;
        size -= piece;
    }
    return true;
}
