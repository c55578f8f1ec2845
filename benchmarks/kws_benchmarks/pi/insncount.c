/* A plugin for qemu-aarch64 that counts the instructions of the emulated program.

   gcc -O2 -shared -fPIC -DAPI_VERSION=1 -o insncount.so insncount.c
   qemu-aarch64 -plugin insncount.so,out=FILE ...

   The declarations are those of QEMU's plugin interface that are the same in all of its versions; its
   header is in no Debian package. Counts are exact for programs of one thread. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct tb;
struct info;
typedef void (*translated)(uint64_t id, struct tb *tb);
typedef void (*executed)(unsigned int cpu, void *data);
typedef void (*ended)(uint64_t id, void *data);

size_t qemu_plugin_tb_n_insns(const struct tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *tb, executed callback, int flags, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, ended callback, void *data);

int qemu_plugin_version = API_VERSION;

static uint64_t instructions;
static char out[4096];

static void on_executed(unsigned int cpu, void *data) {
  (void)cpu;
  instructions += (uintptr_t)data;
}

static void on_translated(uint64_t id, struct tb *tb) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, 0, (void *)qemu_plugin_tb_n_insns(tb));
}

static void on_ended(uint64_t id, void *data) {
  (void)id;
  (void)data;
  FILE *file = fopen(out, "w");
  if (file == NULL) {
    return;
  }
  fprintf(file, "%llu\n", (unsigned long long)instructions);
  fclose(file);
}

int qemu_plugin_install(uint64_t id, const struct info *info, int argc, char **argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0] + 4) >= sizeof out) {
    fprintf(stderr, "insncount: give out=FILE\n");
    return -1;
  }
  strcpy(out, argv[0] + 4);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_atexit_cb(id, on_ended, NULL);
  return 0;
}
