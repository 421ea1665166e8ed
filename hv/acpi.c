/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables; see acpi.h. [ACPI 5.0 "ACPI Software Programming Model"]. All of them fit in one
 * page: a structure lays it out, and a checksum makes each table good.
 */
#include "acpi.h"

#include <stddef.h>

#include "lib.h"
#include "port.h"

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct acpi_address {
    uint8_t space;
    uint8_t width;
    uint8_t offset;
    uint8_t access;
    uint64_t address;
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));

struct xsdt {
    struct acpi_header header;
    uint64_t table[2];
} __attribute__((packed));

struct fadt {
    struct acpi_header header;
    uint32_t firmware_control;
    uint32_t dsdt;
    uint8_t legacy[65]; /* fixed hardware: there is none */
    uint16_t boot_architecture;
    uint8_t reserved;
    uint32_t flags;
    uint8_t reset[16];
    uint64_t x_firmware_control;
    uint64_t x_dsdt;
    struct acpi_address fixed[8]; /* none either */
    struct acpi_address sleep_control;
    struct acpi_address sleep_status;
} __attribute__((packed));

/* The second one is for test guests, which ask for it by a hypercall of their own. */
#define VCPUS_LISTED 1

struct madt {
    struct acpi_header header;
    uint32_t apic_address;
    uint32_t flags;
    struct {
        uint8_t type;
        uint8_t length;
        uint8_t processor_id; /* what hypercalls call the vCPU's number */
        uint8_t apic_id;
        uint32_t flags;
    } __attribute__((packed)) apic[VCPUS_LISTED];
} __attribute__((packed));

/* Name (_S5, Package (4) { 5, 0, 0, 0 }) */
static const uint8_t s5_package[] = { 0x08, '_',  'S',           '5',  '_',  0x12, 0x07,
                                      0x04, 0x0a, SLEEP_TYPE_S5, 0x00, 0x00, 0x00 };

struct dsdt {
    struct acpi_header header;
    uint8_t code[sizeof(s5_package)];
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_header) == 36, "ACPI's table header");
_Static_assert(sizeof(struct rsdp) == 36, "ACPI's RSDP, revision 2");
_Static_assert(sizeof(struct fadt) == 268, "ACPI's FADT, revision 5");
_Static_assert(offsetof(struct fadt, boot_architecture) == 109, "ACPI's FADT");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI's FADT");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI's FADT");

#define FADT_NO_VGA           (1u << 2)
#define FADT_NO_CMOS_RTC      (1u << 5)
#define FADT_APIC_PHYSICAL    (1u << 19)
#define FADT_HARDWARE_REDUCED (1u << 20)
#define SPACE_IO              1u
#define ACCESS_BYTE           1u
#define APIC_ENABLED          1u
#define APIC_ADDRESS          0xfee00000u

struct tables {
    struct rsdp rsdp __attribute__((aligned(16)));
    struct xsdt xsdt __attribute__((aligned(16)));
    struct fadt fadt __attribute__((aligned(16)));
    struct madt madt __attribute__((aligned(16)));
    struct dsdt dsdt __attribute__((aligned(16)));
};

_Static_assert(sizeof(struct tables) <= FRAME_SIZE, "one page holds them all");

static uint8_t checksum(const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + byte[i]);
    return (uint8_t)-sum;
}

/* Fill in what all tables begin with; the rest of the table is ready. */
static void finish(struct acpi_header *header, const char *signature, uint8_t revision, size_t size)
{
    memcpy(header->signature, signature, sizeof(header->signature));
    header->length = (uint32_t)size;
    header->revision = revision;
    memcpy(header->oem_id, "PODIUM", sizeof(header->oem_id));
    memcpy(header->oem_table_id, "PODIUMVM", sizeof(header->oem_table_id));
    header->oem_revision = 1;
    memcpy(header->creator_id, "PODI", sizeof(header->creator_id));
    header->creator_revision = 1;
    header->checksum = checksum(header, size);
}

static struct acpi_address io_byte(uint16_t port)
{
    return (struct acpi_address){
        .space = SPACE_IO, .width = 8, .access = ACCESS_BYTE, .address = port
    };
}

static void build_fadt(struct fadt *fadt, uint64_t dsdt)
{
    fadt->dsdt = (uint32_t)dsdt;
    fadt->x_dsdt = dsdt;
    fadt->boot_architecture = FADT_NO_VGA | FADT_NO_CMOS_RTC;
    fadt->flags = FADT_APIC_PHYSICAL | FADT_HARDWARE_REDUCED;
    fadt->sleep_control = io_byte(PORT_SLEEP_CONTROL);
    fadt->sleep_status = io_byte(PORT_SLEEP_STATUS);
    finish(&fadt->header, "FACP", 5, sizeof(*fadt));
}

static void build_madt(struct madt *madt)
{
    madt->apic_address = APIC_ADDRESS;
    for (uint8_t i = 0; i < sizeof(madt->apic) / sizeof(madt->apic[0]); i++) {
        madt->apic[i].type = 0; /* a processor's local APIC */
        madt->apic[i].length = sizeof(madt->apic[i]);
        madt->apic[i].processor_id = i;
        madt->apic[i].apic_id = i;
        madt->apic[i].flags = APIC_ENABLED;
    }
    finish(&madt->header, "APIC", 3, sizeof(*madt));
}

static void build_rsdp(struct rsdp *rsdp, uint64_t xsdt)
{
    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, "PODIUM", sizeof(rsdp->oem_id));
    rsdp->revision = 2;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt = xsdt;
    rsdp->checksum = checksum(rsdp, offsetof(struct rsdp, length));
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

uint64_t acpi_build(struct domain *domain)
{
    const uint64_t base = GUEST_ACPI_GFN.gfn << FRAME_SHIFT;
    struct tables *tables = domain->acpi[0].host;

    memset(tables, 0, FRAME_SIZE);
    memcpy(tables->dsdt.code, s5_package, sizeof(s5_package));
    finish(&tables->dsdt.header, "DSDT", 2, sizeof(tables->dsdt));
    build_fadt(&tables->fadt, base + offsetof(struct tables, dsdt));
    build_madt(&tables->madt);
    tables->xsdt.table[0] = base + offsetof(struct tables, fadt);
    tables->xsdt.table[1] = base + offsetof(struct tables, madt);
    finish(&tables->xsdt.header, "XSDT", 1, sizeof(tables->xsdt));
    build_rsdp(&tables->rsdp, base + offsetof(struct tables, xsdt));
    return base + offsetof(struct tables, rsdp);
}
