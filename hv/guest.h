/* SPDX-License-Identifier: MIT */
/*
 * The nouns: what a domain is and what a vCPU is, as data. Every file below this one works on them.
 * Refuses to know what is done with them: there is not one function in here.
 */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include "p2m/pod.h"

#include "limits.h"

struct domain;

/* ---- exits ---------------------------------------------------------------------------------- */

/* Why a vCPU came back to the host, in no vendor's words. */
enum exit_reason {
    EXIT_FAULT, /* second-stage: the map did not allow the access */
    EXIT_HYPERCALL,
    EXIT_CPUID,
    EXIT_MSR_READ,
    EXIT_MSR_WRITE,
    EXIT_PORT_IN,
    EXIT_PORT_OUT,
    EXIT_HALT,
    EXIT_INTERRUPT, /* one of the host's own */
    EXIT_AGAIN,     /* the vendor's file has answered it; only to look again */
    EXIT_CACHE,     /* INVD, WBINVD: nothing to do but skip */
    EXIT_XSETBV,
    EXIT_EXCEPTION, /* one of the guest's that passes through the host's hands */
    EXIT_FORBIDDEN, /* an instruction that this guest does not have: it gets an exception */
    EXIT_SHUTDOWN,  /* triple fault */
    EXIT_MACHINE_CHECK,
    EXIT_INVALID, /* the processor refuses the guest's state */
    EXIT_UNKNOWN,
    EXIT_REASONS
};

/* A second-stage fault, the same from both vendors. */
struct fault {
    uint64_t address; /* guest-physical, in bytes */
    unsigned access;  /* FAULT_READ, _WRITE or _FETCH */
    bool reserved;    /* the entry is malformed: our bug */
    bool page_walk;   /* the access was the walk of the guest's own page tables */
    uint64_t code;    /* the vendor's own, for people; 0 when it has none */
};
enum { FAULT_READ = P2M_READ, FAULT_WRITE = P2M_WRITE, FAULT_FETCH = P2M_EXECUTE };

struct vm_exit {
    enum exit_reason reason;
    uint64_t code;      /* the vendor's own number, for people */
    uint64_t info[2];   /* the vendor's own details, for people */
    unsigned length;    /* bytes to skip when the instruction has been emulated */
    struct fault fault; /* EXIT_FAULT */
    uint8_t exception;  /* EXIT_FORBIDDEN, EXIT_EXCEPTION: the vector that the guest gets */
    struct {
        uint16_t port;
        uint8_t size; /* 1, 2 or 4 */
        bool string;  /* INS or OUTS: not emulated */
    } io;             /* EXIT_PORT_IN, EXIT_PORT_OUT; the data is in rax */
};

/* ---- vCPU ----------------------------------------------------------------------------------- */

/* What svm_enter.S saves and restores around guest mode; it knows this order. */
struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
};

#define RFLAGS_TRAP      (1u << 8)
#define RFLAGS_INTERRUPT (1u << 9)
#define RFLAGS_RESUME    (1u << 16)

/* The few control registers that others than the vendor's file need; read after each exit. */
struct control {
    uint64_t cr0, cr3, cr4, efer;
    unsigned cpl;
    bool code64; /* CS.L: the processor is in 64-bit mode */
};

/* A page of the guest's to which the host holds a pointer; gfn is pinned as long as it is set. */
struct guest_pointer {
    void *host; /* NULL: not set */
    gfn_t gfn;
};

/* The x2APIC that the guest sees: registers to remember, and interrupts it sends to itself. */
struct lapic {
    uint64_t requested[4]; /* IRR */
    uint64_t in_service[4];
    uint32_t task_priority;
    uint32_t spurious;
    uint32_t lvt[6]; /* 0x832 to 0x837 */
    uint32_t timer_initial;
    uint32_t timer_divide;
    uint64_t command; /* ICR */
};

enum vcpu_state {
    VCPU_RUNNABLE,
    VCPU_HALTED, /* until an event */
};

#define MTRR_VARIABLE 16
#define MTRR_FIXED    11

struct vcpu {
    struct domain *domain;
    unsigned id;
    unsigned cpu; /* the number of the processor that runs it, always the same */
    enum vcpu_state state;
    struct registers registers;
    struct control control;
    struct vm_exit exit;
    void *vendor; /* the VMCB or VMCS and what belongs to it */

    /* What the processor does not switch for us everywhere. */
    uint64_t xcr0;
    uint32_t tsc_aux;

    /* Interrupts. */
    uint64_t shadow_rip; /* of the instruction after STI, as long as it has not run; else 0 */
    struct guest_pointer info_page; /* frame of vcpu_info once registered, else unset */
    uint32_t info_offset;
    uint64_t timer_deadline; /* guest ns; 0: off */
    uint16_t virq_port[24];  /* by VIRQ; 0: not bound */
    struct lapic lapic;

    /* MSRs that are only remembered. */
    uint64_t mtrr_default;
    uint64_t mtrr_variable[MTRR_VARIABLE];
    uint64_t mtrr_fixed[MTRR_FIXED];
    uint64_t apic_base;

    /* Flushes: what this vCPU has seen; see flush.c. */
    _Atomic bool in_guest;
    _Atomic uint64_t seen_generation;

    bool call_again; /* its hypercall is not done: the instruction runs again */

    /* Faults in a row that the map allows; see fault.c. */
    uint64_t spurious_rip;
    unsigned spurious_count;

    uint64_t exits[EXIT_REASONS];
};

/* ---- domain --------------------------------------------------------------------------------- */

/* How a guest came to its end. */
enum stop_reason {
    STOP_NONE = 0,
    STOP_POWEROFF,
    STOP_REBOOT,
    STOP_HALTED, /* for good: HLT with interrupts off */
    STOP_CRASH,  /* the guest said so itself */
    STOP_TRIPLE_FAULT,
    STOP_BAD_ACCESS, /* touched what is neither memory nor a device */
    STOP_BAD_STATE,  /* asked for a state that the processor refuses */
    STOP_UNKNOWN_EXIT,
    STOP_HOST_BUG,      /* our own tables were malformed */
    STOP_OUT_OF_MEMORY, /* touched more than it has, and nobody gave it more */
    STOP_OUT_OF_TABLES, /* no page for the tables that its memory needs */
    STOP_REASONS
};

/* Why a 1 GB slot of guest memory is not one 1 GB leaf. */
enum slot_reason {
    SLOT_WHOLE = 0,         /* it is */
    SLOT_SHARED_INFO,       /* the guest laid its shared_info over a frame of it */
    SLOT_SPECIAL,           /* it holds pages of the host's */
    SLOT_PARTIAL,           /* the guest's memory ends inside */
    SLOT_NO_1G_FRAME,       /* the host had no free 1 GB block */
    SLOT_NO_1G_PROCESSOR,   /* the processor, or a boot option, stops at 2 MB */
    SLOT_SPLIT_BY_TEST,     /* a test guest asked for it */
    SLOT_GUEST_MAPPING,     /* the guest laid another page (grants) over a frame of it */
    SLOT_BALLOONED,         /* the guest's balloon took a piece out of it */
    SLOT_POPULATED_IN_DEBT, /* touched while the balloon still owed: in 2 MB leaves, or fewer */
    SLOT_RECLAIMED,         /* a piece of it was all zeroes, and was taken back */
    SLOT_LOG_DIRTY,         /* what the guest writes is noted, by pieces */
    SLOT_REASONS
};
#define SLOTS_MAX 512
#define VCPUS_MAX 2

enum port_kind {
    PORT_FREE,
    PORT_RESERVED,
    PORT_UNBOUND,
    PORT_VIRQ,
    PORT_IPI,
    PORT_CONSOLE,
    PORT_XENSTORE
};

struct port {
    enum port_kind kind;
    uint8_t virq;
    uint8_t vcpu;
};
#define PORTS_MAX 128 /* event channels a guest may have; the two-level ABI would allow 4096 */

/* ---- xenstore ------------------------------------------------------------------------------- */

#define STORE_NODES_MAX    32u
#define STORE_WATCHES_MAX  16u
#define STORE_PATH_SIZE    80u /* with its NUL, as is the token's */
#define STORE_TOKEN_SIZE   80u
#define STORE_VALUE_MAX    64u
#define STORE_TRANSACTIONS 32u   /* open at a time */
#define STORE_MESSAGE_MAX  4112u /* the longest that the protocol allows, its header included */
#define STORE_OUT_MAX      8192u /* a reply, and all the events that one request can bring about */

enum store_owner { STORE_FREE, STORE_HOST, STORE_GUEST };

struct store_node {
    enum store_owner owner; /* who made it, and alone may change it; STORE_FREE: not in use */
    char path[STORE_PATH_SIZE];
    uint32_t size;
    char value[STORE_VALUE_MAX];
};

struct store_watch {
    char path[STORE_PATH_SIZE]; /* as the guest spelt it; empty: not in use */
    char token[STORE_TOKEN_SIZE];
};

/* What one guest keeps, and where its conversation stands. */
struct store {
    struct store_node node[STORE_NODES_MAX];
    struct store_watch watch[STORE_WATCHES_MAX];
    uint32_t transactions; /* a bit for each that is open */
    bool broken;           /* the guest broke the protocol: nothing is believed any more */
    bool target_changed;   /* and the watches have not been told */
    uint32_t request_index, reply_index; /* how far we are in the two rings */
    uint32_t in_size;
    uint32_t out_from, out_end;
    char in[STORE_MESSAGE_MAX + 1]; /* the message that is coming in, piece by piece; a NUL */
    char out[STORE_OUT_MAX];        /* what had no room in the ring yet */
};

/* Fixed guest-physical places: the fourth GB holds no RAM. */
#define GUEST_HOLE_FROM   GFN(0xc0000)  /* 3 GB */
#define GUEST_HOLE_END    GFN(0x100000) /* 4 GB */
#define GUEST_SPECIAL_GFN GFN(0xfeff8)  /* xenstore, console: one 2 MB region with ACPI below */
#define GUEST_STORE_GFN   GFN(0xfeffc)
#define GUEST_CONSOLE_GFN GFN(0xfefff)
#define GUEST_ACPI_GFN    GFN(0xfefe0)
#define GUEST_ACPI_FRAMES 1u

/* A frame of the host's that the guest sees (FRAME_SPECIAL). */
struct special_page {
    mfn_t mfn;
    void *host;
    gfn_t gfn; /* where it is mapped now; GFN(0) with mapped false */
    bool mapped;
};

struct domain {
    unsigned id; /* from 1; also the owner of its frames */
    char name[NAME_LENGTH_MAX + 1];
    struct p2m p2m;
    struct pod pod;
    struct vcpu vcpu[VCPUS_MAX];
    unsigned vcpu_count; /* that have been started */

    uint64_t maxmem_frames;  /* what it is promised */
    uint64_t memory_frames;  /* what it is to have: its balloon's target */
    bool ballooned;          /* it has been down there */
    bool has_target;         /* its balloon is told; else it never acts */
    unsigned pod_max_order;  /* nothing larger is populated: policy */
    unsigned pod_debt_order; /* nothing larger is mapped while its balloon owes: policy */
    struct gfn_range ram[2]; /* where its RAM is: below the hole, and above 4 GB */
    unsigned ram_count;
    gfn_t end; /* end of all that it may map: RAM, hole, and a window above */

    enum stop_reason stop;
    char stop_details[128];
    bool is_over; /* the vCPU that stopped it has left the guest */

    struct special_page shared_info;
    struct special_page console;
    struct special_page store_ring;
    struct special_page grants;
    struct special_page acpi[GUEST_ACPI_FRAMES];

    struct store store;
    struct port port[PORTS_MAX];
    uint64_t callback; /* HVM_PARAM_CALLBACK_IRQ; vector in the low byte when the top one is 2 */

    uint64_t tsc_offset;            /* guest TSC = host TSC + this */
    uint8_t slot_reason[SLOTS_MAX]; /* by gfn >> 18; enum slot_reason, the first cause stays */
    uint64_t faults;                /* second-stage faults over its life */
    bool merge_slots_later;         /* slots came in pieces while its balloon owed */
    uint64_t upkeep_ns;             /* when something was last done for it */
    uint64_t gather_ns;             /* not before this is it looked for a GB to gather */
    uint64_t pause_ns_max;          /* the longest that it stood still for a populate */
    uint64_t waits;                 /* how often it waited for people to give it more memory */
    uint64_t patience_ns;           /* how long each time */
    bool (*on_dry)(struct domain *domain); /* has nothing in hand; true: it has by now */
    void (*on_phase)(struct domain *domain, unsigned phase); /* the guest marked a phase */
    void (*on_target)(struct domain *domain); /* it has ballooned down to what it is to have */
    unsigned phases;       /* one bit a phase that it has marked: each counts once */
    uint64_t wall_seconds; /* UTC when its clock was 0; 0: not known */
    bool test_calls;       /* it has the private hypercall of test_calls.h */
};

/* Event channels given out before the guest runs. */
#define GUEST_PORT_CONSOLE 1
#define GUEST_PORT_STORE   2

#endif
