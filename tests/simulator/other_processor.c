/* Makes one process believe that it runs on another processor: CPUID is trapped (Linux, arch_prctl ARCH_SET_CPUID) and
   answered as PROCESSOR says: zen3 or zen4 (AMD), or haswell (Intel). Load it with LD_PRELOAD. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ARCH_SET_CPUID = 0x1012, CANNOT_TRAP = 77 };
static enum { ZEN3, ZEN4, HASWELL } processor;

typedef struct { unsigned a, b, c, d; } Registers;

static long trap(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on); }

static unsigned without(unsigned word, const char *bits) {
  for (; *bits; bits++) word &= ~(1u << (*bits <= '9' ? *bits - '0' : *bits - 'a' + 10));
  return word;
}

static void as_amd(unsigned leaf, unsigned sub, Registers *r) {
  static const Registers caches[4] = { /* 32 KiB twice, 512 KiB, 32 MiB */
    {0x121, 0x01c0003f, 0x3f, 0}, {0x122, 0x01c0003f, 0x3f, 0}, {0x143, 0x01c0003f, 0x3ff, 2}, {0x163, 0x03c0003f, 0x7fff, 1}};
  if (leaf == 0) *r = (Registers){0x10, 0x68747541, 0x444d4163, 0x69746e65}; /* AuthenticAMD */
  if (leaf == 0x80000000) *r = (Registers){0x80000021, 0x68747541, 0x444d4163, 0x69746e65};
  if (leaf == 1) r->a = processor == ZEN3 ? 0x00A00F11 : 0x00A10F11;
  if (leaf == 2 || leaf == 4 || (leaf >= 0x14 && leaf < 0x40000000)) *r = (Registers){0};
  if (leaf == 0x80000005) *r = (Registers){0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140};
  if (leaf == 0x80000006) *r = (Registers){0x48002200, 0x68004200, 0x02006140, 0x01009140};
  if (leaf == 0x8000001d) *r = sub < 4 ? caches[sub] : (Registers){0};
}

static void as_haswell(unsigned leaf, Registers *r) {
  if (leaf == 0) r->a = 0xd;
  if (leaf == 1) r->a = 0x000306F2;
}

static void hide(unsigned leaf, unsigned sub, Registers *r) {
  if (leaf != 7) return;
  if (sub > 0) { /* AVX-VNNI, AVX512-BF16, AMX */
    *r = (Registers){processor == ZEN4 && sub == 1 ? r->a & (1u << 5) : 0, 0, 0, 0};
    return;
  }
  r->a = processor == ZEN4;
  r->d = without(r->d, "23mnop"); /* AVX512 of Xeon Phi and of 16-bit floats, AMX */
  if (processor != ZEN4) { r->b = without(r->b, "ghlqrsuv"); r->c = without(r->c, "168bce"); } /* AVX512, GFNI */
  if (processor == HASWELL) { r->b = without(r->b, "ijt"); r->c = without(r->c, "9a"); }
}

static void answer(int number, siginfo_t *what, void *where) {
  (void)number;
  greg_t *g = ((ucontext_t *)where)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)g[REG_RIP];
  if (what->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) {
    signal(SIGSEGV, SIG_DFL);
    return;
  }
  unsigned leaf = g[REG_RAX], sub = g[REG_RCX];
  Registers r;
  trap(0);
  __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
  trap(1);
  hide(leaf, sub, &r);
  if (processor == HASWELL) as_haswell(leaf, &r); else as_amd(leaf, sub, &r);
  g[REG_RAX] = r.a; g[REG_RBX] = r.b; g[REG_RCX] = r.c; g[REG_RDX] = r.d;
  g[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("PROCESSOR");
  if (!name) return;
  processor = !strcmp(name, "zen3") ? ZEN3 : !strcmp(name, "zen4") ? ZEN4 : HASWELL;
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  sigaction(SIGSEGV, &action, 0);
  if (trap(1)) _exit(CANNOT_TRAP);
}
